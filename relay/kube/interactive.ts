// Which requests wait for a short answer. Their streams go first on a link that is full (shared/mux/scheduler); lists, watches, logs and what pods say through a
// proxy may be long and take what is left. A wrong guess is no harm: a stream that sends much is bulk whatever it was announced as. Pure. Called by gateway.ts.

/** The roots that answer in few octets; /openapi and /metrics are megabytes. */
const SHORT = new Set(["api", "apis", "version", "healthz", "livez", "readyz"]);
const LONG_SUBRESOURCES = new Set(["log", "proxy"]);

/** Writes, and reads of one object or of what kinds there are. `target` as on the wire: path and query. */
export function isInteractive(method: string, target: string): boolean {
  if (method !== "GET") return true;
  const queryAt = target.indexOf("?");
  if (queryAt !== -1 && isWatchQuery(target.slice(queryAt))) return false;
  const parts = target.slice(1, queryAt === -1 ? undefined : queryAt).split("/");
  const root = parts[0]!;
  if (!SHORT.has(root)) return false;
  // /api/VERSION/..., /apis/GROUP/VERSION/..., then [namespaces/NAME/]RESOURCE[/NAME[/SUBRESOURCE]]
  let at = root === "api" ? 2 : 3;
  if (root !== "api" && root !== "apis") return true;
  if (parts[at] === "watch") return false; // the old form of ?watch=1
  if (parts[at] === "namespaces" && parts.length > at + 2) at += 2;
  const [, name, subresource] = parts.slice(at);
  if (parts.length <= at) return true; // discovery
  return name !== undefined && name !== "" && !LONG_SUBRESOURCES.has(subresource ?? "");
}

/** True for `?watch=1` and `?watch=true`. */
export function isWatchQuery(query: string): boolean {
  return /[?&]watch=(?:1|true)(?:&|$)/.test(query);
}
