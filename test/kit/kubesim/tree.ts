// The shape of Kubernetes objects here, and careful ways into them: what comes from a client is `unknown` until it was looked at.
// Every reader answers an empty value for a missing or wrongly typed place, so that callers need no ladders of checks.

export type Tree = { [field: string]: unknown };

export interface ManagedEntry extends Tree {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  time: string;
  fieldsType: "FieldsV1";
  fieldsV1: Tree;
  subresource?: string;
}

export interface OwnerReference extends Tree {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

export interface Metadata extends Tree {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedEntry[];
  deletionTimestamp?: string;
}

/** A stored object. Once in the store it is never changed in place: a change is a new object. */
export interface KubeObject extends Tree {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function place(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (Array.isArray(here) && typeof step === "number") here = here[step];
    else if (isTree(here)) here = here[step];
    else return undefined;
  }
  return here;
}

export function branch(value: unknown, ...path: readonly (string | number)[]): Tree {
  const found = place(value, ...path);
  return isTree(found) ? found : {};
}

export function text(value: unknown, ...path: readonly (string | number)[]): string {
  const found = place(value, ...path);
  return typeof found === "string" ? found : "";
}

/** A number, or undefined: 0 replicas and no replicas are different things. */
export function count(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const found = place(value, ...path);
  return typeof found === "number" ? found : undefined;
}

export function list(value: unknown, ...path: readonly (string | number)[]): unknown[] {
  const found = place(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** Deep equality of JSON values; the order of fields does not matter, that of list items does. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) return Array.isArray(right) && left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  if (!isTree(left) || !isTree(right)) return false;
  const fields = Object.keys(left);
  return fields.length === Object.keys(right).length && fields.every((field) => Object.hasOwn(right, field) && isSame(left[field], right[field]));
}

/** A copy without the fields named, for comparisons and output. */
export function without(tree: Tree, ...fields: readonly string[]): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([field]) => !fields.includes(field)));
}

/** RFC 3339 with whole seconds, as metav1.Time is written. */
export function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}
