// The static table of header names: one octet instead of the name, and no text to build for it. Pure. Only ever appended to: the place of a
// name is the wire. Index 0 means that the name follows as a string.
const NAMES: readonly string[] = [
  "",
  ":method", ":target", ":operator", ":tier", ":request-id", ":source",
  "accept", "accept-encoding", "accept-language", "content-type", "content-length", "content-encoding", "content-language", "content-location",
  "user-agent", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range", "upgrade",
  "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-accept",
  "x-stream-protocol-version", "kubectl-command", "kubectl-session",
  "date", "audit-id", "cache-control", "warning", "vary", "etag", "last-modified", "location", "retry-after", "x-content-type-options", "x-frame-options",
  "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid", "server", "allow", "www-authenticate", "accept-ranges", "content-range", "content-disposition",
  "accept-patch", "accept-post", "x-varied-accept", "expires", "pragma", "age", "via", "access-control-allow-origin", "x-request-id", "content-security-policy",
  "x-remote-warning", "link", "x-etcd-cluster-id",
];

const INDEX = new Map<string, number>(NAMES.map((name, index) => [name, index]));
INDEX.delete("");

/** Place of a name, 0 when it is not in the table. */
export function nameIndex(name: string): number {
  return INDEX.get(name) ?? 0;
}

/** The name at a place, or null beyond the table. */
export function findName(index: number): string | null {
  return NAMES[index] ?? null;
}

export const nameCount = NAMES.length;
