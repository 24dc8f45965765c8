// What the API server fills in before it stores an object: defaults of pods, workloads, Services, Jobs, Secrets and Namespaces, and
// addresses from the Service network. Works on a copy that its caller owns.
import { branch, isTree, list, text, type Tree } from "./tree.ts";
import type { World } from "./world.ts";

function fill(tree: Tree, defaults: Tree): void {
  for (const [field, value] of Object.entries(defaults)) if (tree[field] === undefined || tree[field] === null) tree[field] = structuredClone(value);
}

/** The tree at `field`, made if it is missing. */
function inner(tree: Tree, field: string): Tree {
  if (!isTree(tree[field])) tree[field] = {};
  return tree[field] as Tree;
}

function defaultContainer(container: Tree): void {
  const image = text(container, "image");
  const isLatest = !/[:@][^/]*$/.test(image) || image.endsWith(":latest");
  fill(container, { terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File", imagePullPolicy: isLatest ? "Always" : "IfNotPresent", resources: {} });
  for (const port of list(container, "ports")) if (isTree(port)) fill(port, { protocol: "TCP" });
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = container[name];
    if (!isTree(probe)) continue;
    fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
    if (isTree(probe["httpGet"])) fill(probe["httpGet"], { path: "/", scheme: "HTTP" });
  }
}

export function defaultPodSpec(spec: Tree): void {
  fill(spec, { restartPolicy: "Always", terminationGracePeriodSeconds: 30, dnsPolicy: "ClusterFirst", securityContext: {}, schedulerName: "default-scheduler" });
  if (text(spec, "serviceAccountName") !== "") fill(spec, { serviceAccount: text(spec, "serviceAccountName") });
  for (const field of ["containers", "initContainers"]) for (const container of list(spec, field)) if (isTree(container)) defaultContainer(container);
  for (const volume of list(spec, "volumes")) {
    for (const source of ["configMap", "secret", "projected"]) if (isTree(volume) && isTree(volume[source])) fill(volume[source] as Tree, { defaultMode: 420 });
  }
}

function defaultTemplate(spec: Tree): void {
  const podSpec = branch(spec, "template", "spec");
  if (Object.keys(podSpec).length > 0) defaultPodSpec(podSpec);
}

function defaultService(world: World, object: Tree): void {
  const spec = inner(object, "spec");
  fill(spec, { type: "ClusterIP", sessionAffinity: "None", internalTrafficPolicy: "Cluster" });
  for (const port of list(spec, "ports")) {
    if (!isTree(port)) continue;
    fill(port, { protocol: "TCP", targetPort: port["port"] });
    if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer") fill(port, { nodePort: 30_000 + Math.floor(world.random() * 2768) });
  }
  if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer") fill(spec, { externalTrafficPolicy: "Cluster" });
  if (spec["type"] !== "ExternalName") {
    fill(spec, { clusterIP: `10.96.${Math.floor(world.random() * 256)}.${1 + Math.floor(world.random() * 254)}`, ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" });
    if (spec["clusterIP"] !== "") fill(spec, { clusterIPs: [spec["clusterIP"]] });
  }
  fill(object, { status: { loadBalancer: {} } });
}

const rollingUpdate = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } };

function defaultJob(object: Tree): void {
  const spec = inner(object, "spec");
  if (spec["completions"] === undefined && spec["parallelism"] === undefined) fill(spec, { completions: 1 });
  fill(spec, { parallelism: 1, backoffLimit: 6, completionMode: "NonIndexed", suspend: false, manualSelector: false, podReplacementPolicy: "TerminatingOrFailed" });
  defaultTemplate(spec);
}

function defaultSecret(object: Tree): void {
  fill(object, { type: "Opaque" });
  const plain = branch(object, "stringData");
  if (Object.keys(plain).length > 0) {
    const encodedEntries = Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, Buffer.from(String(value)).toString("base64")]));
    object["data"] = { ...branch(object, "data"), ...encodedEntries };
  }
  delete object["stringData"];
}

function defaultNamespace(object: Tree): void {
  fill(inner(object, "spec"), { finalizers: ["kubernetes"] });
  fill(inner(object, "status"), { phase: "Active" });
  const metadata = inner(object, "metadata");
  metadata["labels"] = { ...branch(metadata, "labels"), "kubernetes.io/metadata.name": metadata["name"] };
}

/** Fills `object` (a copy that the caller owns) in place. */
export function fillDefaults(world: World, kindName: string, object: Tree): void {
  const spec = object["spec"];
  switch (kindName) {
    case "Pod":
      if (isTree(spec)) {
        fill(spec, { serviceAccountName: "default", serviceAccount: "default", enableServiceLinks: true, preemptionPolicy: "PreemptLowerPriority", priority: 0 });
        defaultPodSpec(spec);
      }
      return fill(object, { status: { phase: "Pending", qosClass: "BestEffort" } });
    case "Deployment":
      if (!isTree(spec)) return;
      fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: rollingUpdate });
      return defaultTemplate(spec);
    case "ReplicaSet":
    case "ReplicationController":
      if (!isTree(spec)) return;
      fill(spec, { replicas: 1 });
      return defaultTemplate(spec);
    case "StatefulSet":
      if (!isTree(spec)) return;
      fill(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: "OrderedReady", updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } } });
      return defaultTemplate(spec);
    case "DaemonSet":
      if (!isTree(spec)) return;
      fill(spec, { revisionHistoryLimit: 10, updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } });
      return defaultTemplate(spec);
    case "Job":
      return defaultJob(object);
    case "CronJob":
      if (isTree(spec)) fill(spec, { concurrencyPolicy: "Allow", suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
      return;
    case "Service":
      return defaultService(world, object);
    case "Secret":
      return defaultSecret(object);
    case "Namespace":
      return defaultNamespace(object);
    case "PersistentVolumeClaim":
      if (isTree(spec)) fill(spec, { volumeMode: "Filesystem" });
      return fill(object, { status: { phase: "Pending" } });
    default:
  }
}
