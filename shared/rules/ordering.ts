// Which commands wait for which: the keys of what a command changes (its own) and of what it stands on (shared). Two commands are kept in order when one's own
// key is any key of the other; everything else runs side by side. Both ends derive the same keys from the same body. Pure. delivery.md section 4.
import type { CommandSpec, ObjectRef } from "../api.ts";
import { unreachable } from "../kit/assert.ts";

export interface TargetKey {
  readonly key: string;
  /** False: it only stands on it, as an object stands on its Namespace. */
  readonly isOwn: boolean;
}

export const orderingKeyCharsMax = 200;

/** `orderingKey`: an operator's own, beside what the command touches anyway. */
export function targetKeys(spec: CommandSpec, orderingKey?: string): TargetKey[] {
  const keys = new Map<string, boolean>();
  const own = (key: string): void => void keys.set(key, true);
  const standsOn = (key: string): void => void keys.set(key, keys.get(key) ?? false);
  if (orderingKey !== undefined) own(`key:${orderingKey}`);
  if (spec.kind === "job" || spec.kind === "script") {
    own(objectKey("Job", spec.name, spec.namespace));
    standsOn(namespaceKey(spec.namespace));
  } else for (const ref of refsOf(spec)) addObject(ref, own, standsOn);
  return [...keys].map(([key, isOwn]) => ({ key, isOwn }));
}

function refsOf(spec: Exclude<CommandSpec, { kind: "job" | "script" }>): readonly ObjectRef[] {
  switch (spec.kind) {
    case "apply":
      return spec.objects.map(({ apiVersion, kind, metadata: { name, namespace } }) => ({ apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }));
    case "delete":
      return spec.objects;
    case "scale":
    case "restart":
    case "undo":
      return [spec.object];
    case "cordon":
    case "drain":
      return [{ apiVersion: "v1", kind: "Node", name: spec.node }];
    case "collect":
      return []; // it changes nothing, and whoever waits for it must not wait for what hangs
    default:
      return unreachable(spec);
  }
}

function addObject({ kind, apiVersion, name, namespace = "default" }: ObjectRef, own: (key: string) => void, standsOn: (key: string) => void): void {
  // "default" is what a cluster takes for an object that names no namespace.
  if (kind === "Namespace") return own(namespaceKey(name));
  own(objectKey(kind, name, namespace));
  standsOn(namespaceKey(namespace));
  // A definition is named PLURAL.GROUP, and every object of that group stands on it.
  if (kind === "CustomResourceDefinition") own(`group:${name.slice(name.indexOf(".") + 1)}`);
  const slash = apiVersion.indexOf("/");
  if (slash > 0) standsOn(`group:${apiVersion.slice(0, slash)}`);
}

function objectKey(kind: string, name: string, namespace: string): string {
  return `${namespace}/${kind}/${name}`;
}

function namespaceKey(name: string): string {
  return `/Namespace/${name}`;
}

/** The key that stands for a command in lists: the operator's own, else its first target. */
export function shownKey(keys: readonly TargetKey[]): string {
  return keys.find(({ isOwn }) => isOwn)?.key ?? "";
}
