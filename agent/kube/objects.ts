// Typed calls to the API server for the agent's own work: commands and the report. Every call names whom it acts as. Answers are bounded;
// errors are Faults that carry the API server's own words. Kinds are found by discovery and remembered for a while.
import type { Pool } from "undici";
import { ceiling, type Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { KubeObject } from "../../shared/api.ts";
import type { KubeAccess } from "./access.ts";
import { impersonationHeaders, type Impersonation } from "./policy.ts";
import { upstreamFault } from "./proxy.ts";

/** Octets of one answer that the agent itself reads: a list page of some hundred pods. */
const answerBytesMax = 16 * 1_048_576;
/** One call (ms); API servers give up after 60 s themselves. */
const callMs = 70_000;
/** Discovery is asked again after this (ms); a kind that is unknown asks at once. */
const discoveryMs = 300_000;

export interface KubeCall {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  /** Whom it acts as; `itself` is for the one object that is the agent's own. */
  readonly as: Impersonation | "itself";
  readonly body?: unknown;
  readonly contentType?: string;
  /** The answer is a text of any length (a log): of it this many octets at its end are kept. */
  readonly endOctets?: number;
  readonly signal: AbortSignal;
}

/** `body` of a good answer to a call with `endOctets`. */
export interface TextEnd {
  readonly text: string;
  /** Octets before it. */
  readonly missingOctets: number;
}

export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
}

interface ResourceKind {
  readonly plural: string;
  readonly namespaced: boolean;
}

export class KubeObjects {
  readonly #access: KubeAccess;
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #kinds = new Map<string, { readonly atMs: number; readonly kinds: ReadonlyMap<string, ResourceKind> }>();

  constructor(access: KubeAccess, pool: Pool, clock: Clock) {
    this.#access = access;
    this.#pool = pool;
    this.#clock = clock;
  }

  /** One call; any status is an answer. Faults: API_SERVER_DOWN, API_SERVER_TLS, API_SERVER_BROKE. */
  async call(call: KubeCall): Promise<KubeAnswer> {
    const first = await this.#once(call);
    if (first.status !== 401 || call.method !== "GET" || !(await this.#access.refresh())) return first;
    return this.#once(call);
  }

  async #once(call: KubeCall): Promise<KubeAnswer> {
    const headers = ["accept", call.endOctets === undefined ? "application/json" : "application/json, */*", "user-agent", "bowline-agent"];
    const authorization = this.#access.authorization();
    if (authorization !== null) headers.push("authorization", authorization);
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    if (body !== null) headers.push("content-type", call.contentType ?? "application/json");
    if (call.as !== "itself") headers.push(...impersonationHeaders(call.as));
    const limit = ceiling(this.#clock, callMs);
    const signal = AbortSignal.any([call.signal, limit.signal]);
    try {
      const answer = await this.#pool.request({ method: call.method, path: this.#access.basePath + call.path, headers, body, signal });
      if (call.endOctets !== undefined && answer.statusCode === 200) return { status: 200, body: await endOf(answer.body as AsyncIterable<Buffer>, call.endOctets) };
      const chunks: Buffer[] = [];
      let octets = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        octets += chunk.length;
        if (octets > answerBytesMax) throw new Fault("BODY_TOO_LARGE", { what: `the API server's answer to ${call.path} is over ${answerBytesMax} octets`, why: "the agent reads no more than that for its own work", hint: "ask through kubectl, which the relay hands on without a limit" });
        chunks.push(chunk);
      }
      return { status: answer.statusCode, body: parseJson(Buffer.concat(chunks).toString("utf8")) };
    } catch (error) {
      call.signal.throwIfAborted();
      throw callFault(error, this.#access.origin);
    } finally {
      limit.clear();
    }
  }

  /** Path of an object, or of its collection when `name` is empty. Fault COMMAND_FAILED for a kind this cluster does not have. */
  async pathOf(object: KubeObject, as: Impersonation, signal: AbortSignal): Promise<string> {
    const kind = await this.#kind(object.apiVersion, object.kind, as, signal);
    const group = groupPath(object.apiVersion);
    const namespace = kind.namespaced ? `/namespaces/${encodeURIComponent(object.metadata.namespace ?? "default")}` : "";
    return `${group}${namespace}/${kind.plural}/${encodeURIComponent(object.metadata.name)}`;
  }

  async #kind(apiVersion: string, kind: string, as: Impersonation, signal: AbortSignal): Promise<ResourceKind> {
    const known = this.#kinds.get(apiVersion);
    const remembered = known !== undefined && this.#clock.monoMs() - known.atMs < discoveryMs ? known.kinds.get(kind) : undefined;
    if (remembered !== undefined) return remembered;
    const answer = await this.call({ method: "GET", path: groupPath(apiVersion), as, signal });
    const kinds = new Map<string, ResourceKind>();
    if (answer.status === 200) {
      for (const resource of (answer.body as { resources?: { name: string; kind: string; namespaced: boolean }[] }).resources ?? []) {
        if (!resource.name.includes("/")) kinds.set(resource.kind, { plural: resource.name, namespaced: resource.namespaced });
      }
      this.#kinds.set(apiVersion, { atMs: this.#clock.monoMs(), kinds });
    }
    const found = kinds.get(kind);
    if (found !== undefined) return found;
    if (answer.status !== 200 && answer.status !== 404) throw statusFault(answer, `the kinds of ${apiVersion} could not be listed`);
    throw new Fault("COMMAND_FAILED", { what: `this cluster has no kind ${kind} in ${apiVersion}`, why: "its CustomResourceDefinition may be missing", hint: "apply the CRD first", facts: { isKindUnknown: true } });
  }
}

/** Reads a text to its end, whatever its length, and holds twice of what is kept at most. */
async function endOf(body: AsyncIterable<Buffer>, keptOctets: number): Promise<TextEnd> {
  let chunks: Buffer[] = [];
  let held = 0;
  let missing = 0;
  const shorten = (): Buffer => {
    const all = Buffer.concat(chunks);
    const kept = all.subarray(Math.max(0, all.length - keptOctets));
    missing += all.length - kept.length;
    return kept;
  };
  for await (const chunk of body) {
    chunks.push(chunk);
    held += chunk.length;
    if (held < 2 * keptOctets) continue;
    chunks = [Buffer.from(shorten())];
    held = chunks[0]!.length;
  }
  let end = shorten();
  while (missing > 0 && end.length > 0 && (end[0]! & 0xc0) === 0x80) {
    end = end.subarray(1); // the rest of a character whose beginning is cut off
    missing += 1;
  }
  return { text: end.toString("utf8"), missingOctets: missing };
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 500) };
  }
}

/** Without a verdict of the dial's, the request may have arrived although no answer came: whoever must not do a thing twice is told. */
function callFault(error: unknown, origin: string): Fault {
  const fault = upstreamFault(error, origin, false);
  const wasDialled = !(error instanceof Fault || (error as { cause?: unknown }).cause instanceof Fault);
  return wasDialled ? new Fault(fault.code, { what: fault.message, why: fault.why, hint: fault.hint, cause: error, facts: { ...fault.facts, mayHaveArrived: true } }) : fault;
}

const STATUS_HINTS: Readonly<Record<number, string>> = {
  401: "renew what the agent shows the API server: the user of its kubeconfig, or the ServiceAccount of its pod",
  403: "give the group bowline:admin its rights in this cluster: bowline agent manifest --rbac-only | kubectl apply -f -",
  429: "nothing: it is asked again",
};

/** A failed answer as a Fault with the API server's own words. */
export function statusFault(answer: KubeAnswer, what: string): Fault {
  const status = answer.body as { message?: unknown; reason?: unknown } | null;
  const message = typeof status?.message === "string" ? status.message : `the API server answered ${answer.status}`;
  const code = answer.status === 401 ? "API_SERVER_AUTH" : answer.status === 429 ? "TOO_MANY" : answer.status >= 500 ? "API_SERVER_DOWN" : "COMMAND_FAILED";
  const hint = STATUS_HINTS[answer.status] ?? (answer.status >= 500 ? "look at the API server's own log; it is asked again" : "correct what the API server names");
  return new Fault(code, { what, why: message, hint, facts: { status: answer.status } });
}
