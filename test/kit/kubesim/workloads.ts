// Deployments, ReplicaSets, StatefulSets and DaemonSets: each makes or removes what it owns and reports it in its status. A rollout
// is quick, not staged: the new ReplicaSet is made whole, and the old ones go to zero once it is ready.
import { createHash } from "node:crypto";
import type { Kind } from "./kinds.ts";
import { branch, count, isSame, list, text, type KubeObject, type OwnerReference, type Tree } from "./tree.ts";
import type { World } from "./world.ts";

const revisionNote = "deployment.kubernetes.io/revision";

const ownerReference = (owner: KubeObject): OwnerReference => ({ apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid, controller: true, blockOwnerDeletion: true });

export function ownedBy(world: World, kind: Kind, owner: KubeObject): KubeObject[] {
  return world.store.list(kind, owner.metadata.namespace).filter((object) => (object.metadata.ownerReferences ?? []).some((reference) => reference.uid === owner.metadata.uid));
}

export const podsKind = (world: World): Kind => world.kinds.find("", "v1", "pods")!;
const setsKind = (world: World): Kind => world.kinds.find("apps", "v1", "replicasets")!;

export function isReady(pod: KubeObject): boolean {
  return list(pod, "status", "conditions").some((condition) => text(condition, "type") === "Ready" && text(condition, "status") === "True");
}

/** A pod of `owner`'s template. */
export function makePod(world: World, owner: KubeObject, name: string, extraLabels: Record<string, string> = {}, extraSpec: Tree = {}): KubeObject {
  const template = branch(owner, "spec", "template");
  const metadata = branch(template, "metadata");
  const generateName = `${name.replace(/-[^-]*$/, "")}-`;
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      generateName,
      namespace: owner.metadata.namespace!,
      labels: { ...(branch(metadata, "labels") as Record<string, string>), ...extraLabels },
      ...(Object.keys(branch(metadata, "annotations")).length > 0 ? { annotations: branch(metadata, "annotations") } : {}),
      ownerReferences: [ownerReference(owner)],
    },
    spec: { serviceAccountName: "default", serviceAccount: "default", enableServiceLinks: true, priority: 0, preemptionPolicy: "PreemptLowerPriority", ...structuredClone(branch(template, "spec")), ...extraSpec },
    status: { phase: "Pending", qosClass: "BestEffort" },
  };
  return world.store.insert(podsKind(world), object);
}

/** Writes a status only when it says something new, or the controllers would never come to rest. */
export function setStatus(world: World, kind: Kind, object: KubeObject, status: Tree): void {
  if (!isSame(object["status"], status)) world.store.amend(kind, object.metadata.namespace, object.metadata.name, (current) => ({ ...current, status }));
}

/** Revisions that are kept of a StatefulSet or DaemonSet, the current one aside. */
const revisionsKeptDefault = 10;

/** The ControllerRevision of the current template, made or brought back with the next number, and its name, which is its pods' hash. */
function currentRevision(world: World, owner: KubeObject): string {
  const kind = world.kinds.find("apps", "v1", "controllerrevisions")!;
  const { namespace } = owner.metadata;
  const template = branch(owner, "spec", "template");
  const hash = templateHash(template);
  const name = `${owner.metadata.name}-${hash}`;
  const numberOf = (each: KubeObject): number => count(each, "revision") ?? 0;
  const all = ownedBy(world, kind, owner).toSorted((left, right) => numberOf(left) - numberOf(right));
  const newest = numberOf(all.at(-1) ?? owner);
  const found = all.find((each) => each.metadata.name === name);
  if (found === undefined) {
    const labels = { ...(branch(template, "metadata", "labels") as Record<string, string>), "controller-revision-hash": hash };
    world.store.insert(kind, { apiVersion: "apps/v1", kind: "ControllerRevision", metadata: { name, namespace: namespace!, labels, ownerReferences: [ownerReference(owner)] }, data: { spec: { template: { ...structuredClone(template), $patch: "replace" } } }, revision: newest + 1 });
  } else if (numberOf(found) !== newest) world.store.replace(kind, { ...found, revision: newest + 1 });
  const old = all.filter((each) => each.metadata.name !== name);
  for (const each of old.slice(0, Math.max(0, old.length - (count(owner, "spec", "revisionHistoryLimit") ?? revisionsKeptDefault)))) world.store.remove(kind, namespace, each.metadata.name);
  return hash;
}

const templateHash = (template: unknown): string => createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10);

function conditionOf(world: World, object: KubeObject, type: string, status: string, reason: string, message: string): Tree {
  const before = list(object, "status", "conditions").find((condition) => text(condition, "type") === type);
  const now = world.store.now();
  const isOld = text(before, "status") === status && text(before, "reason") === reason;
  return { type, status, reason, message, lastTransitionTime: isOld ? text(before, "lastTransitionTime") : now, lastUpdateTime: isOld ? text(before, "lastUpdateTime") : now };
}

const revisionOf = (set: KubeObject): number => Number(set.metadata.annotations?.[revisionNote] ?? 0);

/** The ReplicaSet of the current template, made or brought back with the next revision number. */
function currentSet(world: World, deployment: KubeObject, sets: readonly KubeObject[]): KubeObject {
  const kind = setsKind(world);
  const { name, namespace } = deployment.metadata;
  const template = branch(deployment, "spec", "template");
  const hash = templateHash(template);
  const newest = Math.max(0, ...sets.map(revisionOf));
  const found = sets.find((set) => set.metadata.labels?.["pod-template-hash"] === hash);
  if (found !== undefined) {
    if (revisionOf(found) === newest) return found;
    const annotations = { ...found.metadata.annotations, [revisionNote]: String(newest + 1) };
    return world.store.replace(kind, { ...found, metadata: { ...found.metadata, annotations } });
  }
  const labels = { ...(branch(template, "metadata", "labels") as Record<string, string>), "pod-template-hash": hash };
  const own = Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => key !== "kubectl.kubernetes.io/last-applied-configuration"));
  return world.store.insert(kind, {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: `${name}-${hash}`, namespace: namespace!, labels, annotations: { ...own, [revisionNote]: String(newest + 1) }, ownerReferences: [ownerReference(deployment)] },
    spec: {
      replicas: count(deployment, "spec", "replicas") ?? 1,
      selector: { matchLabels: { ...branch(deployment, "spec", "selector", "matchLabels"), "pod-template-hash": hash } },
      template: { ...structuredClone(template), metadata: { ...structuredClone(branch(template, "metadata")), labels } },
    },
    status: { replicas: 0 },
  });
}

function scaleSet(world: World, set: KubeObject, replicas: number): void {
  if (count(set, "spec", "replicas") === replicas) return;
  world.store.amend(setsKind(world), set.metadata.namespace, set.metadata.name, (current) => ({
    ...current,
    metadata: { ...current.metadata, generation: (current.metadata.generation ?? 1) + 1 },
    spec: { ...branch(current, "spec"), replicas },
  }));
}

export function reconcileDeployment(world: World, deployment: KubeObject): void {
  const kind = world.kinds.find("apps", "v1", "deployments")!;
  if (deployment.metadata.deletionTimestamp !== undefined) return;
  const wanted = count(deployment, "spec", "replicas") ?? 1;
  const sets = ownedBy(world, setsKind(world), deployment);
  const isPaused = branch(deployment, "spec")["paused"] === true && sets.length > 0;
  const current = isPaused ? sets.toSorted((left, right) => revisionOf(right) - revisionOf(left))[0]! : currentSet(world, deployment, sets);
  scaleSet(world, current, wanted);
  const others = sets.filter((set) => set.metadata.uid !== current.metadata.uid);
  const currentReady = count(current, "status", "readyReplicas") ?? 0;
  if (currentReady >= wanted) for (const set of others) scaleSet(world, set, 0);
  const limit = count(deployment, "spec", "revisionHistoryLimit") ?? 10;
  const empty = others.filter((set) => (count(set, "status", "replicas") ?? 0) === 0).toSorted((left, right) => revisionOf(right) - revisionOf(left));
  for (const set of empty.slice(limit)) world.store.remove(setsKind(world), set.metadata.namespace, set.metadata.name);

  const revision = String(revisionOf(current));
  let observed = deployment;
  if (deployment.metadata.annotations?.[revisionNote] !== revision) {
    observed = world.store.amend(kind, deployment.metadata.namespace, deployment.metadata.name, (now) => ({ ...now, metadata: { ...now.metadata, annotations: { ...now.metadata.annotations, [revisionNote]: revision } } })) ?? deployment;
  }
  const total = [current, ...others].reduce((sum, set) => sum + (count(set, "status", "replicas") ?? 0), 0);
  const ready = [current, ...others].reduce((sum, set) => sum + (count(set, "status", "readyReplicas") ?? 0), 0);
  const updated = count(current, "status", "replicas") ?? 0;
  const isWhole = currentReady >= wanted && total === wanted;
  setStatus(world, kind, observed, {
    observedGeneration: observed.metadata.generation,
    ...(total > 0 ? { replicas: total } : {}),
    ...(updated > 0 ? { updatedReplicas: updated } : {}),
    ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : {}),
    ...(wanted > ready ? { unavailableReplicas: wanted - ready } : {}),
    conditions: [
      ready >= wanted ? conditionOf(world, observed, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.") : conditionOf(world, observed, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
      conditionOf(world, observed, "Progressing", "True", isWhole ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", `ReplicaSet "${current.metadata.name}" ${isWhole ? "has successfully progressed" : "is progressing"}.`),
    ],
  });
}

/** Makes or removes pods until `wanted` are there; newest go first. */
function matchPods(world: World, owner: KubeObject, pods: readonly KubeObject[], wanted: number, nameOf: () => string): void {
  for (let have = pods.length; have < wanted; have += 1) makePod(world, owner, nameOf());
  const surplus = pods.toSorted((left, right) => Number(isReady(left)) - Number(isReady(right)) || (left.metadata.creationTimestamp < right.metadata.creationTimestamp ? 1 : -1)).slice(0, Math.max(0, pods.length - wanted));
  for (const pod of surplus) world.store.remove(podsKind(world), pod.metadata.namespace, pod.metadata.name);
}

const isActive = (pod: KubeObject): boolean => !["Succeeded", "Failed"].includes(text(pod, "status", "phase"));

export function reconcileReplicaSet(world: World, set: KubeObject): void {
  const pods = ownedBy(world, podsKind(world), set).filter(isActive);
  matchPods(world, set, pods, count(set, "spec", "replicas") ?? 1, () => `${set.metadata.name}-${world.store.newSuffix()}`);
  const now = ownedBy(world, podsKind(world), set).filter(isActive);
  const ready = now.filter(isReady).length;
  setStatus(world, setsKind(world), set, { replicas: now.length, ...(now.length > 0 ? { fullyLabeledReplicas: now.length } : {}), ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : {}), observedGeneration: set.metadata.generation });
}

export function reconcileStatefulSet(world: World, set: KubeObject): void {
  const { name, namespace } = set.metadata;
  const wanted = count(set, "spec", "replicas") ?? 1;
  const hash = `${name}-${currentRevision(world, set)}`;
  const pods = ownedBy(world, podsKind(world), set);
  const indexOf = (pod: KubeObject): number => Number(pod.metadata.name.slice(name.length + 1));
  for (const pod of pods) {
    const isStale = pod.metadata.labels?.["controller-revision-hash"] !== hash;
    if (indexOf(pod) >= wanted || isStale) world.store.remove(podsKind(world), namespace, pod.metadata.name);
  }
  for (let index = 0; index < wanted; index += 1) {
    const podName = `${name}-${index}`;
    if (world.store.find(podsKind(world), namespace, podName) === null) makePod(world, set, podName, { "statefulset.kubernetes.io/pod-name": podName, "apps.kubernetes.io/pod-index": String(index), "controller-revision-hash": hash });
  }
  const now = ownedBy(world, podsKind(world), set);
  const ready = now.filter(isReady).length;
  setStatus(world, world.kinds.find("apps", "v1", "statefulsets")!, set, { observedGeneration: set.metadata.generation, replicas: now.length, readyReplicas: ready, availableReplicas: ready, currentReplicas: now.length, updatedReplicas: now.length, currentRevision: hash, updateRevision: hash, collisionCount: 0 });
}

export function reconcileDaemonSet(world: World, set: KubeObject): void {
  const { namespace } = set.metadata;
  const nodes = world.store.list(world.kinds.find("", "v1", "nodes")!);
  const hash = currentRevision(world, set);
  const pods = ownedBy(world, podsKind(world), set);
  for (const pod of pods) if (pod.metadata.labels?.["controller-revision-hash"] !== hash) world.store.remove(podsKind(world), namespace, pod.metadata.name);
  for (const node of nodes) {
    const isThere = ownedBy(world, podsKind(world), set).some((pod) => text(pod, "spec", "nodeName") === node.metadata.name);
    if (!isThere) makePod(world, set, `${set.metadata.name}-${world.store.newSuffix()}`, { "controller-revision-hash": hash }, { nodeName: node.metadata.name });
  }
  const now = ownedBy(world, podsKind(world), set);
  const ready = now.filter(isReady).length;
  setStatus(world, world.kinds.find("apps", "v1", "daemonsets")!, set, { currentNumberScheduled: now.length, desiredNumberScheduled: nodes.length, numberMisscheduled: 0, numberReady: ready, numberAvailable: ready, updatedNumberScheduled: now.length, observedGeneration: set.metadata.generation });
}
