// Which headers cross the link, both ways. A list of what may, never of what may not: a header that nobody thought of stays behind.
// Both ends apply it, so neither trusts the other's. Names are lower case; heads are flat lists name, value, name, value. Pure.
import { Fault } from "../kit/errors.ts";

const REQUEST_PREFIXES = ["content-", "if-"] as const;
const REQUEST_NAMES = new Set(["accept", "accept-encoding", "accept-language", "accept-charset", "user-agent", "range", "kubectl-command", "kubectl-session"]);
/** Only on a request that asks for an upgrade. */
const UPGRADE_PREFIX = "sec-websocket-";
const UPGRADE_NAMES = new Set(["upgrade", "x-stream-protocol-version"]);
/** What Kubernetes upgrades to: kubectl up to 1.29, and since. */
const UPGRADE_PROTOCOLS = new Set(["spdy/3.1", "websocket"]);
/** Hop-by-hop (RFC 9110 section 7.6.1), cookies, and what only the first hop may say. Names with "_", and what Connection names, stay behind as well. */
const RESPONSE_REFUSED = new Set(["clear-site-data", "refresh", "proxy-connection", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "set-cookie", "set-cookie2", "alt-svc", "strict-transport-security"]);
/** Twice is an attack or a bug: the first reader and the last would not agree on what it says. */
const ONCE_ONLY = new Set(["authorization", "content-length", "content-type", "host", "transfer-encoding", "upgrade", "x-stream-protocol-version-choice", "sec-websocket-key", "sec-websocket-version"]);
const TOKEN = /^[!#$%&'*+\-.^`|~0-9a-z]+$/; // RFC 9110 token in lower case, without "_": gateways fold "_" and "-" together

/**
 * What of a client's request goes on. `flat` is Node's rawHeaders. Faults: HEADER_REFUSED for a duplicate of a security header and
 * for a body whose end two readers could see in different places; UPGRADE_REFUSED for a protocol that Kubernetes does not speak. Impersonate-* is judged by
 * the caller before this: it is never dropped in silence.
 */
export function forwardedRequestHeaders(flat: readonly string[], isUpgrade = false): string[] {
  const seen = new Set<string>();
  const named = hopNames(flat);
  const out: string[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index]!.toLowerCase();
    if (ONCE_ONLY.has(name)) {
      if (seen.has(name)) throw new Fault("HEADER_REFUSED", { what: `the request carries the header ${name} twice`, why: "two readers would not agree on which one counts", hint: "send it once; a proxy between you and the relay may have added the other" });
      seen.add(name);
    }
    const value = flat[index + 1]!;
    if (name === "transfer-encoding" && value.trim().toLowerCase() !== "chunked") {
      throw new Fault("HEADER_REFUSED", { what: "the request has a Transfer-Encoding that is not exactly chunked", why: "two readers would not agree on where it ends", hint: "send Transfer-Encoding: chunked, or Content-Length" });
    }
    if (isUpgrade && name === "upgrade" && !UPGRADE_PROTOCOLS.has(value.toLowerCase())) {
      throw new Fault("UPGRADE_REFUSED", { what: `an upgrade to ${value.slice(0, 32)} is not forwarded`, why: "Kubernetes upgrades to SPDY/3.1 and websocket", hint: "use kubectl exec, attach, cp or port-forward; nothing else of the cluster is upgraded" });
    }
    if (mayCross(name, isUpgrade) && !named.has(name)) out.push(name, value);
  }
  if (seen.has("content-length") && seen.has("transfer-encoding")) {
    throw new Fault("HEADER_REFUSED", { what: "the request has Content-Length and Transfer-Encoding", why: "two readers would not agree on where it ends", hint: "send one of them" });
  }
  return out;
}

function mayCross(name: string, isUpgrade: boolean): boolean {
  if (REQUEST_NAMES.has(name)) return true;
  if (isUpgrade && (UPGRADE_NAMES.has(name) || (TOKEN.test(name) && name.startsWith(UPGRADE_PREFIX)))) return true;
  return TOKEN.test(name) && REQUEST_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Names listed in Connection are this hop's own (never forwarded); "upgrade" is kept, for upgrades are rebuilt on the other side. */
function hopNames(flat: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    if (flat[index]!.toLowerCase() !== "connection") continue;
    for (const part of flat[index + 1]!.split(",")) names.add(part.trim().toLowerCase());
  }
  names.delete("upgrade");
  return names;
}

/** What of the API server's answer goes on; repeated lines (Warning) stay repeated. */
export function forwardedResponseHeaders(flat: readonly string[]): string[] {
  const named = hopNames(flat);
  const out: string[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index]!.toLowerCase();
    if (!RESPONSE_REFUSED.has(name) && !named.has(name) && !name.includes("_")) out.push(name, flat[index + 1]!);
  }
  return out;
}

/** The first value of a header in a flat list, or null. */
export function findHeader(flat: readonly string[], wanted: string): string | null {
  for (let index = 0; index + 1 < flat.length; index += 2) if (flat[index]!.toLowerCase() === wanted) return flat[index + 1]!;
  return null;
}

/** True when the client asks to act as somebody else: authorised or refused, never dropped (kube.md section 5). */
export function asksImpersonation(flat: readonly string[]): boolean {
  for (let index = 0; index < flat.length; index += 2) if (flat[index]!.toLowerCase().startsWith("impersonate-")) return true;
  return false;
}
