// From a path to what it names: a stored resource (collection, object or subresource) or a review. Also the verb, as RBAC and audit
// say it. Pure; an address that names nothing is null, which the server answers with 404.
import { reviewKinds, type Kind, type KindRegistry, type ReviewKind } from "./kinds.ts";

export interface ResourceRoute {
  readonly shape: "resource";
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string;
  /** What follows `proxy/`. */
  readonly rest: string;
  /** The old /watch/ prefix. */
  readonly isWatchPath: boolean;
}

type Route = ResourceRoute | { readonly shape: "review"; readonly kind: ReviewKind; readonly namespace: string | undefined };

export function routeOf(path: string, kinds: KindRegistry): Route | null {
  const parts = path.split("/").slice(1);
  const root = parts.shift();
  const group = root === "apis" ? (parts.shift() ?? "") : "";
  if ((root !== "api" && root !== "apis") || (root === "apis" && group === "")) return null;
  const version = parts.shift();
  if (version === undefined) return null;
  const isWatchPath = parts[0] === "watch";
  if (isWatchPath) parts.shift();
  // /namespaces/x/pods names pods; /namespaces/x and /namespaces/x/status name the namespace itself.
  const isInside = parts[0] === "namespaces" && parts.length > 2 && parts[2] !== "" && !["status", "finalize"].includes(parts[2]!);
  const namespace = isInside ? parts[1] : undefined;
  if (isInside) parts.splice(0, 2);
  const [plural = "", name, subresource = "", ...rest] = parts;
  const review = reviewKinds.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
  if (review !== undefined) return { shape: "review", kind: review, namespace };
  const kind = kinds.find(group, version, plural);
  if (kind === null || (namespace !== undefined && !kind.namespaced)) return null;
  if (kind.namespaced && namespace === undefined && name !== undefined && name !== "") return null;
  return { shape: "resource", kind, namespace, name: name === "" ? undefined : name, subresource, rest: rest.join("/"), isWatchPath };
}

const truthy = (value: string | null): boolean => value !== null && value !== "" && value !== "0" && value !== "false";

export function verbOf(method: string, route: ResourceRoute, query: URLSearchParams): string {
  switch (method) {
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return route.name === undefined ? "deletecollection" : "delete";
    case "GET":
    case "HEAD":
      if (route.isWatchPath || (truthy(query.get("watch")) && route.subresource === "")) return "watch";
      return route.name === undefined ? "list" : "get";
    default:
      return method.toLowerCase();
  }
}
