// Custom resources right behind their definition: an API server takes a CustomResourceDefinition at once and serves its kind a moment later. Whoever applies both
// in one order waits for that moment here, with a ceiling. Refuses nothing; called by apply.
import type { KubeObject } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import type { Fault } from "../../shared/kit/errors.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Cluster } from "./cluster.ts";

/** A new kind is waited for this long (ms): an API server takes less than a second for it, several behind one address about five. */
export const servedMsMax = 30_000;
/** It is looked for this often (ms). */
export const servedLookMs = 250;

const DEFINITION = "CustomResourceDefinition";

export function isDefinition(object: KubeObject): boolean {
  return object.kind === DEFINITION && groupOf(object.apiVersion) === "apiextensions.k8s.io";
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

/** `GROUP/KIND` of an object, whatever its version. */
export function groupKind(object: KubeObject): string {
  return `${groupOf(object.apiVersion)}/${object.kind}`;
}

/** `GROUP/KIND` of what a definition defines. */
export function definedKind(definition: KubeObject): string {
  const spec = definition["spec"] as { group?: unknown; names?: { kind?: unknown } } | null | undefined;
  return `${String(spec?.group)}/${String(spec?.names?.kind)}`;
}

/** The API server knows no such kind, or has no such path: what a kind that is not served yet looks like. */
export function isUnserved(fault: Fault): boolean {
  return fault.facts["isKindUnknown"] === true || fault.facts["status"] === 404;
}

export interface Definition {
  readonly path: string;
  /** As the API server answered it. */
  readonly body: unknown;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
  /** Not waited for beyond this, in the clock's monotonic time (ms). */
  readonly untilMs: number;
}

/** Waits until a definition is established. "" when it is, or may not be looked at; else why it is not. Faults of a cluster that is away. */
export async function untilEstablished({ objects }: Cluster, clock: Clock, { path, body, as, signal, untilMs }: Definition): Promise<string> {
  for (let found = body; ; ) {
    const why = whyNotEstablished(found);
    if (why === "") return "";
    if (clock.monoMs() >= untilMs) return `the API server does not serve it yet, after ${servedMsMax / 1_000} s: ${why}`.slice(0, 500);
    await pause(clock, servedLookMs, signal);
    const answer = await objects.call({ method: "GET", path, as, signal });
    if (answer.status === 403) return "";
    if (answer.status === 200) found = answer.body;
  }
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

function whyNotEstablished(body: unknown): string {
  const conditions = (body as { status?: { conditions?: readonly Condition[] } } | null)?.status?.conditions ?? [];
  if (conditions.some(({ type, status }) => type === "Established" && status === "True")) return "";
  return conditions.find(({ type, status }) => type === "NamesAccepted" && status === "False")?.message ?? "it is not established";
}
