// What is served, in the forms clients ask for it: /api, /apis, /apis/<group>, /apis/<group>/<version>, and the aggregated form that
// newer clients fetch at once. Built from the registry on each request, so that a custom resource shows as soon as it is there.
import { groupVersionOf, reviewKinds, storedVerbs, type Kind, type KindRegistry } from "./kinds.ts";
import type { Tree } from "./tree.ts";

interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

const statusVerbs = ["get", "patch", "update"] as const;
const podSubresources: readonly Subresource[] = [
  { name: "attach", kind: "PodAttachOptions", verbs: ["create", "get"] },
  { name: "binding", kind: "Binding", verbs: ["create"] },
  { name: "ephemeralcontainers", kind: "Pod", verbs: statusVerbs },
  { name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
  { name: "exec", kind: "PodExecOptions", verbs: ["create", "get"] },
  { name: "log", kind: "Pod", verbs: ["get"] },
  { name: "portforward", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
  { name: "proxy", kind: "PodProxyOptions", verbs: ["create", "delete", "get", "patch", "update"] },
];

function subresourcesOf(kind: Kind): Subresource[] {
  const all: Subresource[] = [];
  if (kind.kind === "Pod") all.push(...podSubresources);
  if (kind.kind === "Service") all.push({ name: "proxy", kind: "ServiceProxyOptions", verbs: ["create", "delete", "get", "patch", "update"] });
  if (kind.kind === "ServiceAccount") all.push({ name: "token", kind: "TokenRequest", group: "authentication.k8s.io", version: "v1", verbs: ["create"] });
  if (kind.kind === "Namespace") all.push({ name: "finalize", kind: "Namespace", verbs: ["update"] });
  if (kind.hasScale) all.push({ name: "scale", kind: "Scale", group: "autoscaling", version: "v1", verbs: statusVerbs });
  if (kind.hasStatus) all.push({ name: "status", kind: kind.kind, verbs: statusVerbs });
  return all;
}

function plainResources(kind: Kind): Tree[] {
  const own: Tree = { name: kind.plural, singularName: kind.singular, namespaced: kind.namespaced, kind: kind.kind, verbs: storedVerbs };
  if (kind.shortNames.length > 0) own["shortNames"] = kind.shortNames;
  if (kind.categories.length > 0) own["categories"] = kind.categories;
  const inner = subresourcesOf(kind).map((subresource): Tree => ({
    name: `${kind.plural}/${subresource.name}`,
    singularName: "",
    namespaced: kind.namespaced,
    ...(subresource.group === undefined ? {} : { group: subresource.group, version: subresource.version }),
    kind: subresource.kind,
    verbs: subresource.verbs,
  }));
  return [own, ...inner];
}

export function resourceList(kinds: KindRegistry, group: string, version: string): Tree | null {
  const stored = kinds.all().filter((kind) => kind.group === group && kind.version === version);
  const reviews = reviewKinds.filter((kind) => kind.group === group && kind.version === version);
  if (stored.length + reviews.length === 0) return null;
  const reviewResources = reviews.map((kind): Tree => ({ name: kind.plural, singularName: kind.kind.toLowerCase(), namespaced: false, kind: kind.kind, verbs: ["create"] }));
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: groupVersionOf({ group, version }), resources: [...stored.flatMap(plainResources), ...reviewResources] };
}

/** Groups other than core, with their versions, in the order of the table. */
function groupVersions(kinds: KindRegistry): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { group, version } of [...kinds.all(), ...reviewKinds]) {
    if (group === "") continue;
    const versions = groups.get(group) ?? [];
    if (!versions.includes(version)) versions.push(version);
    groups.set(group, versions);
  }
  return groups;
}

function groupTree(group: string, versions: readonly string[]): Tree {
  const named = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: named, preferredVersion: named[0] };
}

export function groupList(kinds: KindRegistry): Tree {
  return { kind: "APIGroupList", apiVersion: "v1", groups: [...groupVersions(kinds)].map(([group, versions]) => groupTree(group, versions)) };
}

export function oneGroup(kinds: KindRegistry, group: string): Tree | null {
  const versions = groupVersions(kinds).get(group);
  return versions === undefined ? null : { kind: "APIGroup", apiVersion: "v1", ...groupTree(group, versions) };
}

export const coreVersions: Tree = { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: "127.0.0.1:443" }] };

function aggregatedResource(kind: Kind): Tree {
  const subresources = subresourcesOf(kind).map((subresource) => ({
    subresource: subresource.name,
    responseKind: { group: subresource.group ?? kind.group, version: subresource.version ?? kind.version, kind: subresource.kind },
    verbs: subresource.verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: storedVerbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

function aggregatedVersion(kinds: KindRegistry, group: string, version: string): Tree {
  const stored = kinds.all().filter((kind) => kind.group === group && kind.version === version);
  const reviews = reviewKinds.filter((kind) => kind.group === group && kind.version === version);
  const reviewResources = reviews.map((kind): Tree => ({ resource: kind.plural, responseKind: { group, version, kind: kind.kind }, scope: "Cluster", singularResource: kind.kind.toLowerCase(), verbs: ["create"] }));
  return { version, resources: [...stored.map(aggregatedResource), ...reviewResources], freshness: "Current" };
}

/** The version of apidiscovery.k8s.io the client takes, best first; null when it asks for the plain form. */
export function aggregationOf(accept: string | undefined): "v2" | "v2beta1" | null {
  for (const clause of (accept ?? "").split(",")) {
    if (!clause.includes("g=apidiscovery.k8s.io") || !clause.includes("as=APIGroupDiscoveryList")) continue;
    const version = /;\s*v=([^;,\s]+)/.exec(clause)?.[1];
    if (version === "v2" || version === "v2beta1") return version;
  }
  return null;
}

export function aggregated(kinds: KindRegistry, isCore: boolean, version: "v2" | "v2beta1"): Tree {
  const groups = isCore ? new Map([["", ["v1"]]]) : groupVersions(kinds);
  const items = [...groups].map(([group, versions]) => ({
    metadata: { creationTimestamp: null, ...(group === "" ? {} : { name: group }) },
    versions: versions.map((each) => aggregatedVersion(kinds, group, each)),
  }));
  return { kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}
