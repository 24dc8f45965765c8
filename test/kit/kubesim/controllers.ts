// The simulated control plane: reacts to store events one turn later and brings what is there nearer to what is wanted. Namespaces get
// their ServiceAccount, pods a node, workloads their pods (workloads.ts), Jobs theirs (jobs.ts), definitions their kind.
import type { Kind } from "./kinds.ts";
import { reconcileJob } from "./jobs.ts";
import type { PodRuntime } from "./pods.ts";
import type { StoreEvent } from "./store.ts";
import { branch, isSame, isTree, list, text, type KubeObject, type Tree } from "./tree.ts";
import { reconcileDaemonSet, reconcileDeployment, reconcileReplicaSet, reconcileStatefulSet } from "./workloads.ts";
import type { World } from "./world.ts";

type Reconcile = (world: World, object: KubeObject) => void;

const reconcilers: Readonly<Record<string, Reconcile>> = {
  Namespace: reconcileNamespace,
  Pod: schedulePod,
  Deployment: reconcileDeployment,
  ReplicaSet: reconcileReplicaSet,
  StatefulSet: reconcileStatefulSet,
  DaemonSet: reconcileDaemonSet,
  Job: reconcileJob,
  PersistentVolumeClaim: bindClaim,
  CustomResourceDefinition: establish,
};

function reconcileNamespace(world: World, object: KubeObject): void {
  const { name } = object.metadata;
  if (object.metadata.deletionTimestamp !== undefined) return;
  const ensure = (plural: string, child: Tree & { metadata: Tree & { name: string; namespace: string } }): void => {
    const kind = world.kinds.find("", "v1", plural)!;
    if (world.store.find(kind, name, child.metadata.name) === null) world.store.insert(kind, child);
  };
  ensure("serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: name } });
  ensure("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "kube-root-ca.crt", namespace: name }, data: { "ca.crt": "kubesim" } });
}

function schedulePod(world: World, pod: KubeObject): void {
  if (text(pod, "spec", "nodeName") !== "" || pod.metadata.deletionTimestamp !== undefined) return;
  const nodesKind = world.kinds.find("", "v1", "nodes")!;
  const nodes = world.store.list(nodesKind).filter((node) => branch(node, "spec")["unschedulable"] !== true);
  if (nodes.length === 0) return;
  const node = nodes[Math.floor(world.random() * nodes.length)]!;
  const now = world.store.now();
  const conditions = [{ type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: now }];
  world.store.replace(world.kinds.find("", "v1", "pods")!, { ...pod, spec: { ...branch(pod, "spec"), nodeName: node.metadata.name }, status: { ...branch(pod, "status"), phase: "Pending", conditions } });
}

function bindClaim(world: World, claim: KubeObject): void {
  if (text(claim, "status", "phase") === "Bound") return;
  const kind = world.kinds.find("", "v1", "persistentvolumeclaims")!;
  const volumeName = text(claim, "spec", "volumeName") || `pvc-${claim.metadata.uid}`;
  const capacity = { storage: text(claim, "spec", "resources", "requests", "storage") };
  world.store.replace(kind, { ...claim, spec: { ...branch(claim, "spec"), volumeName }, status: { phase: "Bound", accessModes: list(claim, "spec", "accessModes"), capacity } });
}

/** The kinds a definition serves, one per served version. */
function definedKinds(definition: KubeObject): Kind[] {
  const names = branch(definition, "spec", "names");
  const versions = list(definition, "spec", "versions").filter((version) => isTree(version) && version["served"] !== false);
  return versions.map((version) => ({
    group: text(definition, "spec", "group"),
    version: text(version, "name"),
    plural: text(names, "plural"),
    singular: text(names, "singular") || text(names, "kind").toLowerCase(),
    kind: text(names, "kind"),
    namespaced: text(definition, "spec", "scope") === "Namespaced",
    shortNames: list(names, "shortNames").map(String),
    categories: list(names, "categories").map(String),
    hasStatus: isTree(branch(version, "subresources")["status"]),
    hasScale: isTree(branch(version, "subresources")["scale"]),
    isCustom: true,
    schema: branch(version, "schema", "openAPIV3Schema"),
    columns: list(version, "additionalPrinterColumns"),
  }));
}

function establish(world: World, definition: KubeObject): void {
  for (const kind of definedKinds(definition)) world.kinds.add(kind);
  const now = world.store.now();
  const condition = (type: string, reason: string): Tree => ({ type, status: "True", lastTransitionTime: now, reason, message: "" });
  const wanted = { acceptedNames: branch(definition, "spec", "names"), storedVersions: definedKinds(definition).map((kind) => kind.version) };
  if (isSame(branch(definition, "status", "acceptedNames"), wanted.acceptedNames) && list(definition, "status", "conditions").length > 0) return;
  const status = { ...wanted, conditions: [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")] };
  world.store.replace(world.kinds.ofObject(definition.apiVersion, definition.kind)!, { ...definition, status });
}

/** What is reconciled again when a dependent changes: its controlling owner. */
function controllerOf(world: World, object: KubeObject): { kind: Kind; object: KubeObject } | null {
  const owner = (object.metadata.ownerReferences ?? []).find((reference) => reference.controller === true);
  const kind = owner === undefined ? null : world.kinds.ofObject(owner.apiVersion, owner.kind);
  const found = kind === null || owner === undefined ? null : world.store.find(kind, object.metadata.namespace, owner.name);
  return found === null || kind === null || found.metadata.uid !== owner?.uid ? null : { kind, object: found };
}

/** Wires the controllers to the store. Answers a function that stops them. */
export function startControllers(world: World, pods: PodRuntime): () => void {
  const waiting = new Map<string, { kind: Kind; namespace: string | undefined; name: string }>();
  let isScheduled = false;
  const reconcileWaiting = (): void => {
    isScheduled = false;
    for (const [key, { kind, namespace, name }] of Array.from(waiting)) {
      waiting.delete(key);
      const object = world.store.find(kind, namespace, name);
      if (object !== null && !world.scope.hasEnded) reconcilers[kind.kind]?.(world, object);
    }
  };
  const enqueue = (kind: Kind, object: KubeObject): void => {
    if (kind.isCustom || reconcilers[kind.kind] === undefined) return;
    const { namespace, name } = object.metadata;
    waiting.set(`${kind.kind}/${namespace ?? ""}/${name}`, { kind, namespace, name });
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(reconcileWaiting);
  };
  return world.store.subscribe((event: StoreEvent) => {
    const { kind, object } = event;
    if (event.type !== "DELETED") enqueue(kind, object);
    const owner = controllerOf(world, object);
    if (owner !== null) enqueue(owner.kind, owner.object);
    if (kind.kind === "Pod" && kind.group === "") followPod(pods, event);
    if (event.type === "DELETED" && kind.kind === "CustomResourceDefinition") {
      for (const gone of definedKinds(object)) {
        for (const item of world.store.list(gone)) world.store.remove(gone, item.metadata.namespace, item.metadata.name);
        world.kinds.remove(gone);
      }
    }
  });
}

function followPod(pods: PodRuntime, { type, object }: StoreEvent): void {
  if (type === "DELETED") pods.stop(object);
  else if (text(object, "spec", "nodeName") !== "") {
    const phase = text(object, "status", "phase");
    if (phase === "Succeeded" || phase === "Failed") return;
    pods.start(object);
    if (list(object, "spec", "ephemeralContainers").length > 0) pods.startEphemeral(object);
  }
}
