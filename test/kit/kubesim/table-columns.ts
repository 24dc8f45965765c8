// The printer columns of the built-in kinds, after the API server's printers. `wide` columns (priority 1) show with -o wide only.
// Every cell is a function of the object and the time; the Name column is added by tables.ts.
import { humanAge, humanDuration } from "./ages.ts";
import { branch, count, list, text, type KubeObject } from "./tree.ts";

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly priority: number;
  readonly cell: (object: KubeObject, nowMs: number) => unknown;
}

type Cell = Column["cell"];
const column = (name: string, cell: Cell, type = "string"): Column => ({ name, type, priority: 0, cell });
const wide = (name: string, cell: Cell): Column => ({ name, type: "string", priority: 1, cell });
const age = column("Age", (object, nowMs) => humanAge(object.metadata.creationTimestamp, nowMs));
const createdAt = column("Created At", (object) => object.metadata.creationTimestamp, "date");
const orNone = (value: string): string => (value === "" ? "<none>" : value);
const number = (name: string, ...path: string[]): Column => column(name, (object) => count(object, ...path) ?? 0, "integer");

const templateContainers = (object: KubeObject): unknown[] => list(object, "spec", "template", "spec", "containers");
const containers = wide("Containers", (object) => templateContainers(object).map((item) => text(item, "name")).join(","));
const images = wide("Images", (object) => templateContainers(object).map((item) => text(item, "image")).join(","));

function selectorText(selector: unknown): string {
  const labels = Object.entries(branch(selector, "matchLabels"));
  return orNone(labels.map(([key, value]) => `${key}=${String(value)}`).join(","));
}
const selector = wide("Selector", (object) => selectorText(branch(object, "spec", "selector")));
const readyOf = (object: KubeObject): string => `${count(object, "status", "readyReplicas") ?? 0}/${count(object, "spec", "replicas") ?? 0}`;

function podStatus(object: KubeObject): string {
  if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
  for (const status of list(object, "status", "containerStatuses")) {
    const reason = text(status, "state", "waiting", "reason") || text(status, "state", "terminated", "reason");
    if (reason !== "") return reason;
  }
  return text(object, "status", "reason") || text(object, "status", "phase") || "Unknown";
}

function externalAddress(object: KubeObject): string {
  const type = text(object, "spec", "type");
  if (type === "LoadBalancer") return list(object, "status", "loadBalancer", "ingress").map((item) => text(item, "ip") || text(item, "hostname")).join(",") || "<pending>";
  if (type === "ExternalName") return text(object, "spec", "externalName");
  return orNone(list(object, "spec", "externalIPs").join(","));
}

function servicePorts(object: KubeObject): string {
  const ports = list(object, "spec", "ports").map((port) => {
    const nodePort = count(port, "nodePort");
    return `${count(port, "port") ?? ""}${nodePort === undefined ? "" : `:${nodePort}`}/${text(port, "protocol") || "TCP"}`;
  });
  return orNone(ports.join(","));
}

function nodeStatus(object: KubeObject): string {
  const ready = list(object, "status", "conditions").find((condition) => text(condition, "type") === "Ready");
  const word = text(ready, "status") === "True" ? "Ready" : "NotReady";
  return branch(object, "spec")["unschedulable"] === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles(object: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(object.metadata.labels ?? {}).filter((label) => label.startsWith(prefix));
  return orNone(roles.map((label) => label.slice(prefix.length)).sort().join(","));
}

const addressOf = (object: KubeObject, type: string): string => orNone(text(list(object, "status", "addresses").find((address) => text(address, "type") === type), "address"));

function jobStatus(object: KubeObject): string {
  for (const condition of list(object, "status", "conditions")) {
    if (text(condition, "status") === "True") return text(condition, "type") === "SuccessCriteriaMet" ? "Complete" : text(condition, "type");
  }
  return object.metadata.deletionTimestamp === undefined ? "Running" : "Terminating";
}

function jobDuration(object: KubeObject, nowMs: number): string {
  const start = Date.parse(text(object, "status", "startTime"));
  if (Number.isNaN(start)) return "";
  const end = Date.parse(text(object, "status", "completionTime"));
  return humanDuration((Number.isNaN(end) ? nowMs : end) - start);
}

const roleRef = column("Role", (object) => `${text(object, "roleRef", "kind")}/${text(object, "roleRef", "name")}`);
const entries = (object: KubeObject, ...fields: string[]): number => fields.reduce((total, field) => total + Object.keys(branch(object, field)).length, 0);
const hosts = (object: KubeObject): string => list(object, "spec", "rules").map((rule) => text(rule, "host") || "*").join(",") || "*";

const podColumns: Column[] = [
  column("Ready", (object) => {
    const statuses = list(object, "status", "containerStatuses");
    return `${statuses.filter((status) => branch(status)["ready"] === true).length}/${list(object, "spec", "containers").length}`;
  }),
  column("Status", podStatus),
  column("Restarts", (object) => list(object, "status", "containerStatuses").reduce<number>((total, status) => total + (count(status, "restartCount") ?? 0), 0), "integer"),
  age,
  wide("IP", (object) => orNone(text(object, "status", "podIP"))),
  wide("Node", (object) => orNone(text(object, "spec", "nodeName"))),
  wide("Nominated Node", () => "<none>"),
  wide("Readiness Gates", () => "<none>"),
];

const serviceColumns: Column[] = [
  column("Type", (object) => text(object, "spec", "type")),
  column("Cluster-IP", (object) => orNone(text(object, "spec", "clusterIP"))),
  column("External-IP", externalAddress),
  column("Port(s)", servicePorts),
  age,
  wide("Selector", (object) => orNone(Object.entries(branch(object, "spec", "selector")).map(([key, value]) => `${key}=${String(value)}`).join(","))),
];

const nodeColumns: Column[] = [
  column("Status", nodeStatus),
  column("Roles", nodeRoles),
  age,
  column("Version", (object) => text(object, "status", "nodeInfo", "kubeletVersion")),
  wide("Internal-IP", (object) => addressOf(object, "InternalIP")),
  wide("External-IP", (object) => addressOf(object, "ExternalIP")),
  wide("OS-Image", (object) => text(object, "status", "nodeInfo", "osImage")),
  wide("Kernel-Version", (object) => text(object, "status", "nodeInfo", "kernelVersion")),
  wide("Container-Runtime", (object) => text(object, "status", "nodeInfo", "containerRuntimeVersion")),
];

export const columnsByKind: Readonly<Record<string, readonly Column[]>> = {
  Pod: podColumns,
  Service: serviceColumns,
  Node: nodeColumns,
  Namespace: [column("Status", (object) => text(object, "status", "phase")), age],
  ConfigMap: [column("Data", (object) => entries(object, "data", "binaryData"), "integer"), age],
  Secret: [column("Type", (object) => text(object, "type")), column("Data", (object) => entries(object, "data"), "integer"), age],
  ServiceAccount: [column("Secrets", (object) => list(object, "secrets").length, "integer"), age],
  Deployment: [column("Ready", readyOf), number("Up-to-date", "status", "updatedReplicas"), number("Available", "status", "availableReplicas"), age, containers, images, selector],
  ReplicaSet: [number("Desired", "spec", "replicas"), number("Current", "status", "replicas"), number("Ready", "status", "readyReplicas"), age, containers, images, selector],
  StatefulSet: [column("Ready", readyOf), age, containers, images],
  DaemonSet: [
    number("Desired", "status", "desiredNumberScheduled"),
    number("Current", "status", "currentNumberScheduled"),
    number("Ready", "status", "numberReady"),
    number("Up-to-date", "status", "updatedNumberScheduled"),
    number("Available", "status", "numberAvailable"),
    column("Node Selector", (object) => orNone(Object.entries(branch(object, "spec", "template", "spec", "nodeSelector")).map(([key, value]) => `${key}=${String(value)}`).join(","))),
    age,
    containers,
    images,
    selector,
  ],
  Job: [
    column("Status", jobStatus),
    column("Completions", (object) => `${count(object, "status", "succeeded") ?? 0}/${count(object, "spec", "completions") ?? 1}`),
    column("Duration", jobDuration),
    age,
    containers,
    images,
    selector,
  ],
  CronJob: [
    column("Schedule", (object) => text(object, "spec", "schedule")),
    column("Timezone", (object) => orNone(text(object, "spec", "timeZone"))),
    column("Suspend", (object) => (branch(object, "spec")["suspend"] === true ? "True" : "False")),
    column("Active", (object) => list(object, "status", "active").length, "integer"),
    column("Last Schedule", (object, nowMs) => (text(object, "status", "lastScheduleTime") === "" ? "<none>" : humanAge(text(object, "status", "lastScheduleTime"), nowMs))),
    age,
  ],
  PersistentVolumeClaim: [
    column("Status", (object) => text(object, "status", "phase")),
    column("Volume", (object) => text(object, "spec", "volumeName")),
    column("Capacity", (object) => text(object, "status", "capacity", "storage")),
    column("Access Modes", (object) => list(object, "status", "accessModes").map((mode) => String(mode).replace(/[a-z]/g, "")).join(",")),
    column("StorageClass", (object) => text(object, "spec", "storageClassName")),
    column("VolumeAttributesClass", () => "<unset>"),
    age,
  ],
  Event: [
    column("Last Seen", (object, nowMs) => humanAge(text(object, "lastTimestamp") || object.metadata.creationTimestamp, nowMs)),
    column("Type", (object) => text(object, "type")),
    column("Reason", (object) => text(object, "reason")),
    column("Object", (object) => `${text(object, "involvedObject", "kind").toLowerCase()}/${text(object, "involvedObject", "name")}`),
    column("Message", (object) => text(object, "message")),
  ],
  Ingress: [
    column("Class", (object) => orNone(text(object, "spec", "ingressClassName"))),
    column("Hosts", hosts),
    column("Address", () => ""),
    column("Ports", (object) => (list(object, "spec", "tls").length > 0 ? "80, 443" : "80")),
    age,
  ],
  Lease: [column("Holder", (object) => text(object, "spec", "holderIdentity")), age],
  Role: [createdAt],
  ClusterRole: [createdAt],
  RoleBinding: [roleRef, age],
  ClusterRoleBinding: [roleRef, age],
  CustomResourceDefinition: [createdAt],
};
