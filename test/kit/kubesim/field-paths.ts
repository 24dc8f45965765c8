// Sets of field paths, as managedFields (FieldsV1) writes them: `f:name` a field, `k:{"name":"x"}` a list item by its keys,
// `v:"x"` a member of a set. A path is its segments joined by a zero character; a set of paths is what one writer owns.
import { childType, itemType, listKeys, type FieldType } from "./schema.ts";
import { isSame, isTree, type Tree } from "./tree.ts";

export type PathSet = Set<string>;

const joint = "\u0000";
export const segmentsOf = (path: string): string[] => path.split(joint);
const join = (prefix: string, segment: string): string => (prefix === "" ? segment : prefix + joint + segment);
export const isUnder = (path: string, prefix: string): boolean => path.startsWith(prefix + joint);

/** Fields that belong to the server: nobody owns them. */
const unowned = new Set(
  ["f:apiVersion", "f:kind", ...["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"].map((field) => `f:metadata${joint}f:${field}`)],
);

/** Keys that the API server fills in before it merges: a port without a protocol is the TCP port. */
const keyDefaults: Readonly<Record<string, unknown>> = { protocol: "TCP" };

export function keySegment(item: unknown, keys: readonly string[]): string {
  const tree = isTree(item) ? item : {};
  const named = [...keys].sort().map((key) => [key, tree[key] ?? keyDefaults[key]] as const);
  return `k:${JSON.stringify(Object.fromEntries(named.filter(([, value]) => value !== undefined)))}`;
}

export function matchesKey(item: unknown, segment: string): boolean {
  const wanted = JSON.parse(segment.slice(2)) as Tree;
  return isTree(item) && Object.entries(wanted).every(([key, value]) => isSame(item[key] ?? keyDefaults[key], value));
}

/** Every path that `value` sets. */
export function pathsOf(value: unknown, type: FieldType, prefix = "", into: PathSet = new Set()): PathSet {
  if (unowned.has(prefix)) return into;
  const keys = listKeys(type);
  if (Array.isArray(value) && keys !== null && value.length > 0) {
    for (const item of value) {
      const path = join(prefix, keys.length === 0 ? `v:${JSON.stringify(item)}` : keySegment(item, keys));
      into.add(path);
      if (isTree(item)) pathsOf(item, itemType(type), path, into);
    }
  } else if (isTree(value) && Object.keys(value).length > 0) {
    for (const [field, child] of Object.entries(value)) pathsOf(child, childType(type, field), join(prefix, `f:${field}`), into);
  } else if (prefix !== "") into.add(prefix);
  return into;
}

/** The value at a path; undefined where it leads nowhere. A list item stands for its presence only. */
export function valueAt(root: unknown, path: string): unknown {
  let here = root;
  const segments = segmentsOf(path);
  for (const [index, segment] of segments.entries()) {
    if (segment.startsWith("f:")) here = isTree(here) ? here[segment.slice(2)] : undefined;
    else if (!Array.isArray(here)) return undefined;
    else if (segment.startsWith("v:")) return here.some((item) => `v:${JSON.stringify(item)}` === segment) ? true : undefined;
    else {
      here = here.find((item) => matchesKey(item, segment));
      if (index === segments.length - 1) return here === undefined ? undefined : true;
    }
  }
  return here;
}

/** A copy of `root` without what is at `path`; maps and lists that become empty go with it. */
export function removeAt(root: Tree, path: string): Tree {
  return (removeSegments(root, segmentsOf(path)) as Tree | undefined) ?? {};
}

function removeSegments(node: unknown, segments: readonly string[]): unknown {
  const [segment, ...rest] = segments;
  if (segment === undefined) return undefined;
  if (segment.startsWith("f:")) {
    const field = segment.slice(2);
    if (!isTree(node) || !(field in node)) return node;
    const child = removeSegments(node[field], rest);
    const { [field]: _gone, ...others } = node;
    const next = child === undefined ? others : { ...node, [field]: child };
    return Object.keys(next).length === 0 ? undefined : next;
  }
  if (!Array.isArray(node)) return node;
  const isIt = (item: unknown): boolean => (segment.startsWith("v:") ? `v:${JSON.stringify(item)}` === segment : matchesKey(item, segment));
  const next = node.flatMap((item): unknown[] => {
    if (!isIt(item)) return [item];
    const child = rest.length === 0 ? undefined : removeSegments(item, rest);
    return child === undefined ? [] : [child];
  });
  return next.length === 0 ? undefined : next;
}

/** FieldsV1 to paths. An empty object or a `.` says that the path itself is in the set. */
export function pathsFromFields(fields: unknown, prefix = "", into: PathSet = new Set()): PathSet {
  if (!isTree(fields)) return into;
  if (Object.keys(fields).length === 0 && prefix !== "") into.add(prefix);
  for (const [segment, child] of Object.entries(fields)) {
    if (segment === ".") into.add(prefix);
    else pathsFromFields(child, join(prefix, segment), into);
  }
  return into;
}

export function fieldsFromPaths(paths: PathSet): Tree {
  const root: Tree = {};
  for (const path of [...paths].sort()) {
    let node = root;
    for (const segment of segmentsOf(path)) {
      const child = node[segment];
      node = isTree(child) ? child : ((node[segment] = {}) as Tree);
    }
    node["."] = {};
  }
  return foldLeaves(root);
}

/** `{".": {}}` alone is written `{}`. */
function foldLeaves(node: Tree): Tree {
  const entries = Object.entries(node);
  if (entries.length === 1 && entries[0]![0] === ".") return {};
  return Object.fromEntries(entries.map(([segment, child]) => [segment, segment === "." ? {} : foldLeaves(child as Tree)]));
}

/** A path as conflict messages print it: `.spec.containers[name="web"].image`. */
export function pathText(path: string): string {
  return segmentsOf(path)
    .map((segment) => {
      if (segment.startsWith("f:")) return `.${segment.slice(2)}`;
      if (segment.startsWith("v:")) return `[=${segment.slice(2)}]`;
      const keys = Object.entries(JSON.parse(segment.slice(2)) as Tree);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}
