// The agent's side of an ordinary Kubernetes request: a stream from the relay becomes one request to the API server, with the agent's own credentials and the
// operator's identity, and the answer goes back octet for octet. Judges before anything is sent; says what every such request has in common. The request itself
// is exchange.ts (our codec) or library-exchange.ts (undici, behind a setting); upgrades are upgrade.ts.
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { LinkStream } from "../../shared/link/link-stream.ts";
import { forwardedRequestHeaders } from "../../shared/rules/headers.ts";
import type { CodeName } from "../../shared/wire/codes.ts";
import { headerLines } from "../../shared/wire/http-head.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import type { KubeAccess } from "./access.ts";
import { impersonationHeaders, type Impersonation } from "./policy.ts";

/** The request's headers as they go to the API server: what may cross, then ours, identity last. */
export function upstreamHeaders(access: KubeAccess, head: RequestHead, as: Impersonation): string[] {
  return [...forwardedRequestHeaders(head.headers, head.flags.upgrade), ...ownHeaders(access, head, as)];
}

function ownHeaders(access: KubeAccess, head: RequestHead, as: Impersonation): string[] {
  const authorization = access.authorization();
  return [...(authorization === null ? [] : ["authorization", authorization]), "audit-id", head.requestId, ...impersonationHeaders(as)];
}

interface ClientLines {
  readonly text: string;
  readonly contentLength: number | null;
}

/** A link's clients repeat their headers, and the mux then gives the same list: its lines are made once. */
const linesOf = new WeakMap<readonly string[], ClientLines>();

function clientLines(headers: readonly string[]): ClientLines {
  let lines = linesOf.get(headers);
  if (lines === undefined) {
    const pairs = forwardedRequestHeaders(headers);
    const at = pairs.indexOf("content-length");
    const length = at === -1 ? null : pairs[at + 1]!;
    if (length !== null && !/^\d{1,15}$/.test(length)) throw new Fault("HEADER_REFUSED", { what: "the request's Content-Length is not a decimal number" });
    lines = { text: headerLines(pairs), contentLength: length === null ? null : Number(length) };
    linesOf.set(headers, lines);
  }
  return lines;
}

export interface UpstreamHead {
  readonly text: string;
  /** Octets of the body: a number that was promised, or null for chunks. */
  readonly bodyOctets: number | null;
}

/** The request as HTTP/1.1 octets up to its body. `hasBody`: the stream did not end with its head. Fault HEADER_REFUSED. */
export function upstreamHead(access: KubeAccess, head: RequestHead, as: Impersonation, hasBody: boolean): UpstreamHead {
  const { text, contentLength } = clientLines(head.headers);
  if (!hasBody && (contentLength ?? 0) > 0) throw new Fault("HEADER_REFUSED", { what: "the request promises a body and has none" });
  const isChunked = hasBody && contentLength === null;
  return {
    text: `${head.method} ${access.basePath}${head.target} HTTP/1.1\r\nhost: ${access.authority}\r\n${text}${isChunked ? "transfer-encoding: chunked\r\n" : ""}${headerLines(ownHeaders(access, head, as))}\r\n`,
    bodyOctets: contentLength,
  };
}

/** An error of the upstream request as a Fault that names the cause in words. `hasHead`: an answer had begun. */
export function upstreamFault(error: unknown, origin: string, hasHead: boolean): Fault {
  const thrown = error instanceof Fault ? error : (error as { cause?: unknown }).cause;
  if (thrown instanceof Fault) {
    if (thrown.code.startsWith("API_SERVER_")) return thrown;
    return new Fault("API_SERVER_BROKE", { what: `the API server ${origin} gave an answer that cannot be used`, why: `${thrown.message}: ${thrown.why}`, cause: error });
  }
  const why = error instanceof Error ? error.message : String(error);
  if (hasHead) return new Fault("API_SERVER_BROKE", { what: `the API server ${origin} broke off its answer`, why, cause: error });
  return new Fault("API_SERVER_DOWN", { what: `the API server ${origin} did not answer`, why, cause: error });
}

/** True when this answer refuses the agent itself, which kubectl would take for a refusal of its own token. What an application behind a proxy subresource says is its own. */
export function refusesAgent(status: number, target: string): boolean {
  return status === 401 && !/\/proxy(?:\/|$)/.test(target.split("?", 1)[0]!);
}

/** The Fault of such an answer. Credentials that were not read anew for this request are now, so that the next one has those that are good. */
export async function credentialsFault(access: KubeAccess, wereReadAnew: boolean): Promise<Fault> {
  const haveChanged = !wereReadAnew && (await access.refresh());
  const doctor = "at the site: bowline agent doctor";
  const [why, hint] = haveChanged
    ? ["it answered 401 to credentials that were replaced meanwhile; the new ones are in use from here on", `run the command again; if it fails again, ${doctor}`]
    : ["it answered 401, also after they were read anew", doctor];
  return new Fault("API_SERVER_AUTH", { what: "the cluster's API server refuses the agent's credentials", why, hint });
}

export function resetCode(fault: Fault): CodeName {
  if (fault.code === "API_SERVER_TLS") return "upstream-tls";
  return fault.code === "API_SERVER_BROKE" ? "upstream-broke" : "upstream-down";
}

/** A Fault of ours as an answer to the stream, for refusals before anything reached the API server. */
export function refuseStream(stream: LinkStream, thrown: unknown): void {
  stream.reset("policy", asFault(thrown));
}
