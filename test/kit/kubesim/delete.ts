// Deleting: preconditions, finalizers, propagation to dependents, namespaces with all they hold. Without finalizers an object is gone
// at once; kubesim has no grace periods.
import type { Kind } from "./kinds.ts";
import { conflict, StatusError, statusOf } from "./status.ts";
import { branch, text, type KubeObject, type Tree } from "./tree.ts";
import type { World } from "./world.ts";

export interface DeleteOptions {
  readonly propagation: "Background" | "Foreground" | "Orphan";
  readonly isDryRun: boolean;
  readonly uid: string;
  readonly resourceVersion: string;
}

export function deleteOptions(query: URLSearchParams, body: Tree): DeleteOptions {
  const policy = query.get("propagationPolicy") ?? text(body, "propagationPolicy");
  const isOrphan = policy === "Orphan" || query.get("orphanDependents") === "true" || body["orphanDependents"] === true;
  const dryRun = query.getAll("dryRun").concat((Array.isArray(body["dryRun"]) ? body["dryRun"] : []) as string[]);
  return {
    propagation: isOrphan ? "Orphan" : policy === "Foreground" ? "Foreground" : "Background",
    isDryRun: dryRun.includes("All"),
    uid: text(body, "preconditions", "uid"),
    resourceVersion: text(body, "preconditions", "resourceVersion"),
  };
}

function requirePreconditions(kind: Kind, object: KubeObject, options: DeleteOptions): void {
  const { name, uid, resourceVersion } = object.metadata;
  if (options.uid !== "" && options.uid !== uid) throw conflict(kind, name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`);
  if (options.resourceVersion !== "" && options.resourceVersion !== resourceVersion) {
    throw conflict(kind, name, `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`);
  }
}

/** Answers what the API server answers: a Status when the object is gone, the object when finalizers hold it. */
export function deleteObject(world: World, kind: Kind, namespace: string | undefined, name: string, options: DeleteOptions): KubeObject | Tree {
  const object = world.store.get(kind, namespace, name);
  requirePreconditions(kind, object, options);
  if (kind.kind === "Namespace" && ["default", "kube-system", "kube-public", "kube-node-lease"].includes(name)) {
    throw new StatusError(403, `namespaces "${name}" is forbidden: this namespace may not be deleted`, { details: { name, kind: "namespaces" } });
  }
  if (options.isDryRun) return goneStatus(kind, object);
  if ((object.metadata.finalizers ?? []).length > 0) return markDeleted(world, kind, object);
  if (kind.kind === "Namespace") return emptyNamespace(world, kind, object);
  world.store.remove(kind, namespace, name);
  releaseDependents(world, object, options.propagation);
  return goneStatus(kind, object);
}

function goneStatus(kind: Kind, object: KubeObject): Tree {
  const details: Tree = { name: object.metadata.name, ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.plural, uid: object.metadata.uid };
  const status = statusOf(200, "", details, "");
  return { kind: status["kind"], apiVersion: "v1", metadata: {}, status: "Success", details };
}

function markDeleted(world: World, kind: Kind, object: KubeObject): KubeObject {
  if (object.metadata.deletionTimestamp !== undefined) return object;
  return world.store.replace(kind, { ...object, metadata: { ...object.metadata, deletionTimestamp: world.store.now(), deletionGracePeriodSeconds: 0 } });
}

/** Terminating first, its content next, itself last: one turn each, so that watches see the order. */
function emptyNamespace(world: World, kind: Kind, object: KubeObject): KubeObject {
  const { name } = object.metadata;
  const marked = markDeleted(world, kind, object);
  const terminating = world.store.replace(kind, { ...marked, status: { ...branch(marked, "status"), phase: "Terminating" } });
  world.clock.after(0, () => {
    for (const inner of world.kinds.all()) {
      if (!inner.namespaced) continue;
      for (const held of world.store.list(inner, name)) {
        if (world.store.find(inner, name, held.metadata.name) !== null) deleteObject(world, inner, name, held.metadata.name, deleteOptions(new URLSearchParams(), {}));
      }
    }
    const isHeld = world.kinds.all().some((inner) => inner.namespaced && world.store.list(inner, name).length > 0);
    if (!isHeld && world.store.find(kind, undefined, name) !== null) world.store.remove(kind, undefined, name);
  });
  return terminating;
}

/** Dependents of a gone owner go too, unless another owner is left or they are to be orphaned. */
function releaseDependents(world: World, owner: KubeObject, propagation: DeleteOptions["propagation"]): void {
  if (!world.store.hasDependents(owner.metadata.uid)) return;
  for (const kind of world.kinds.all()) {
    for (const dependent of world.store.list(kind, kind.namespaced ? owner.metadata.namespace : undefined)) {
      const references = dependent.metadata.ownerReferences ?? [];
      if (!references.some((reference) => reference.uid === owner.metadata.uid)) continue;
      const { name, namespace } = dependent.metadata;
      const others = references.filter((reference) => reference.uid !== owner.metadata.uid);
      if (propagation === "Orphan" || others.length > 0) {
        world.store.amend(kind, namespace, name, (object) => ({ ...object, metadata: { ...object.metadata, ownerReferences: others } }));
      } else if (world.store.find(kind, namespace, name) !== null) deleteObject(world, kind, namespace, name, { propagation, isDryRun: false, uid: "", resourceVersion: "" });
    }
  }
}
