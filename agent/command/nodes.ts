// The commands `cordon` and `drain`. A drain cordons, looks once which pods are there, writes that into its claim, and evicts these and no others until they are gone:
// a second run evicts nothing that came later. Disruption budgets are waited for. Nothing is evicted while a pod needs an option that was not given. As kubectl's.
import type { CommandOutcome } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { KubeAnswer } from "../kube/objects.ts";
import type { ChangeRun, Of } from "./changes.ts";
import type { Cluster } from "./cluster.ts";
import { listAll } from "./listing.ts";

/** Pods of one node: kubelets take 110 unless told otherwise, and hardly 500 at most. */
const podsMax = 2_000;
/** What is left is looked at again after this (ms), less often after a while: one list of the node's pods each time. */
const lookMs = { first: 1_000, most: 10_000 };
const namedMax = 5;
const ENDING = "it was evicted and has not ended yet";

type ObjectResult = CommandOutcome["objects"][number];
type DrainRun = ChangeRun<Of<"drain">>;

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly controller?: boolean }[];
  };
  readonly spec?: { readonly volumes?: readonly { readonly emptyDir?: unknown }[] };
  readonly status?: { readonly phase?: string };
}

interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What the claim keeps: whom it evicts, and whom it leaves. */
interface Resolved {
  readonly pods: readonly Named[];
  readonly staying: readonly ObjectResult[];
}

export async function runCordon(cluster: Cluster, run: ChangeRun<Of<"cordon">>): Promise<CommandOutcome> {
  const { node, isOn } = run.spec;
  const isChanged = await setCordon(cluster, run, node, isOn);
  return { state: "succeeded", what: `${node} is ${isChanged ? "" : "already "}${isOn ? "cordoned" : "uncordoned"}`, code: null, objects: [{ ref: `Node/${node}`, result: isChanged ? "configured" : "unchanged", why: "" }] };
}

async function setCordon({ objects, statusFault }: Cluster, { as, signal }: Pick<ChangeRun<unknown>, "as" | "signal">, node: string, isOn: boolean): Promise<boolean> {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}`;
  const found = await objects.call({ method: "GET", path, as, signal });
  if (found.status === 404) throw new Fault("COMMAND_FAILED", { what: `there is no node ${node}`, why: "the cluster does not know it", hint: "kubectl get nodes" });
  if (found.status !== 200) throw statusFault(found, `Node/${node} cannot be read`);
  if (((found.body as { spec?: { unschedulable?: boolean } }).spec?.unschedulable === true) === isOn) return false;
  const answer = await objects.call({ method: "PATCH", path: `${path}?fieldManager=bowline`, as, body: { spec: { unschedulable: isOn ? true : null } }, contentType: "application/merge-patch+json", signal });
  if (answer.status !== 200) throw statusFault(answer, `Node/${node} was not ${isOn ? "cordoned" : "uncordoned"}`);
  return true;
}

export async function runDrain(cluster: Cluster, clock: Clock, run: DrainRun): Promise<CommandOutcome> {
  const { spec, effect, signal } = run;
  const untilMs = clock.monoMs() + spec.timeoutMs;
  await setCordon(cluster, run, spec.node, true);
  const { pods, staying } = effect.resolved === null ? await resolve(cluster, run) : (JSON.parse(effect.resolved) as Resolved);
  const version = pods.length === 0 ? "" : await evictionVersion(cluster, run);
  /** Why each of them is still there. */
  const left = new Map(pods.map((pod) => [pod.uid, ""]));
  const failed = new Set<string>();
  for (let delayMs: number = lookMs.first; ; delayMs = Math.min(lookMs.most, delayMs * 1.5)) {
    const there = new Map((await podsOf(cluster, run)).map((pod) => [pod.metadata.uid, pod]));
    for (const uid of left.keys()) if (!there.has(uid)) left.delete(uid);
    if (clock.monoMs() >= untilMs || [...left.keys()].every((uid) => failed.has(uid))) return outcomeOf(spec, pods, staying, left);
    for (const pod of pods) {
      if (!left.has(pod.uid) || failed.has(pod.uid)) continue;
      if (there.get(pod.uid)!.metadata.deletionTimestamp !== undefined) left.set(pod.uid, ENDING);
      else await evict(cluster, run, version, pod, { left, failed });
    }
    effect.waits();
    await pause(clock, Math.min(delayMs, Math.max(1, untilMs - clock.monoMs())), signal);
  }
}

async function podsOf(cluster: Cluster, { spec, as, signal }: DrainRun): Promise<readonly Pod[]> {
  const { items, isCut } = await listAll<Pod>(cluster, { path: "/api/v1/pods", query: { fieldSelector: `spec.nodeName=${spec.node}` }, itemsMax: podsMax, as, signal });
  if (isCut) throw new Fault("COMMAND_FAILED", { what: `${spec.node} is cordoned and was not drained`, why: `it has more than ${podsMax} pods`, hint: "drain it with kubectl" });
  return items;
}

/** Whom to evict, or the Fault that names the options that are missing. Durable before the first eviction. */
async function resolve(cluster: Cluster, run: DrainRun): Promise<Resolved> {
  const { spec, effect } = run;
  const pods: Named[] = [];
  const staying: ObjectResult[] = [];
  const needing = { emptyDir: [] as string[], force: [] as string[] };
  for (const pod of await podsOf(cluster, run)) {
    const { name, namespace, uid, annotations = {}, ownerReferences = [] } = pod.metadata;
    const isOver = ["Succeeded", "Failed"].includes(pod.status?.phase ?? "");
    const controller = ownerReferences.find((owner) => owner.controller === true)?.kind ?? null;
    const whyStays = isAgent(pod) ? `it is Bowline's agent, and it may find no other node: kubectl -n ${namespace} delete pod ${name}` : "kubernetes.io/config.mirror" in annotations ? "it is a static pod of the node itself" : controller === "DaemonSet" && !isOver ? "a DaemonSet would make it again" : null;
    if (whyStays !== null) {
      staying.push({ ref: refOf({ namespace, name }), result: "unchanged", why: whyStays });
      continue;
    }
    if (!isOver && !spec.deleteEmptyDir && pod.spec?.volumes?.some(({ emptyDir }) => emptyDir !== undefined)) needing.emptyDir.push(`${namespace}/${name}`);
    if (!isOver && !spec.force && controller === null) needing.force.push(`${namespace}/${name}`);
    pods.push({ namespace, name, uid });
  }
  const why = [
    ...(needing.emptyDir.length === 0 ? [] : [`what pods keep in an emptyDir would be lost, and --delete-emptydir-data was not given: ${named(needing.emptyDir)}`]),
    ...(needing.force.length === 0 ? [] : [`pods without a controller would not come back, and --force was not given: ${named(needing.force)}`]),
  ];
  if (why.length > 0) throw new Fault("COMMAND_FAILED", { what: `${spec.node} is cordoned and was not drained; nothing was evicted`, why: why.join("; "), hint: `give the order again with these options, or take the cordon away: bowline uncordon ${spec.node}` });
  const resolved = { pods, staying };
  await effect.resolve(JSON.stringify(resolved));
  return resolved;
}

/** As the agent's manifest labels it. On the only node of a site it would be pending from then on, and nobody could take the cordon away from the centre. */
function isAgent({ metadata: { labels = {} } }: Pod): boolean {
  return labels["app.kubernetes.io/name"] === "bowline-agent" && labels["app.kubernetes.io/managed-by"] === "bowline";
}

function named(pods: readonly string[]): string {
  return `${pods.slice(0, namedMax).join(", ")}${pods.length > namedMax ? ` and ${pods.length - namedMax} more` : ""}`;
}

function refOf({ namespace, name }: Pick<Named, "namespace" | "name">): string {
  return `Pod/${namespace}/${name}`;
}

/** The version of policy in which the server takes an Eviction: v1 from 1.22 on, v1beta1 before. */
async function evictionVersion({ objects, statusFault }: Cluster, { as, signal }: DrainRun): Promise<string> {
  const answer = await objects.call({ method: "GET", path: "/api/v1", as, signal });
  if (answer.status !== 200) throw statusFault(answer, "the kinds of v1 could not be listed");
  const { resources = [] } = answer.body as { resources?: readonly { readonly name: string; readonly version?: string }[] };
  const version = resources.find(({ name }) => name === "pods/eviction")?.version;
  if (version === undefined) throw new Fault("COMMAND_FAILED", { what: "this cluster has no Eviction API", why: "its API server lists no pods/eviction", hint: "it is cordoned; delete its pods by name" });
  return version;
}

async function evict({ objects, statusFault }: Cluster, { spec, as, signal }: DrainRun, version: string, pod: Named, { left, failed }: { readonly left: Map<string, string>; readonly failed: Set<string> }): Promise<void> {
  const { namespace, name, uid } = pod;
  const grace = spec.gracePeriodMs === null ? {} : { gracePeriodSeconds: Math.ceil(spec.gracePeriodMs / 1000) };
  const body = { apiVersion: `policy/${version}`, kind: "Eviction", metadata: { name, namespace }, deleteOptions: { ...grace, preconditions: { uid } } };
  const answer = await objects.call({ method: "POST", path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/eviction`, as, body, signal });
  if (answer.status < 300) return void left.set(pod.uid, ENDING);
  // 404, 409: gone, or another of its name; the next look shows it. 429: a disruption budget, or a busy server.
  if ([404, 409, 429].includes(answer.status) || isNamespaceEnding(answer)) return void left.set(pod.uid, messageOf(answer));
  // 500 is what a pod with two disruption budgets gets; beyond it the API server is away.
  if (answer.status > 500) throw statusFault(answer, `${refOf(pod)} was not evicted`);
  left.set(pod.uid, messageOf(answer));
  failed.add(pod.uid);
}

/** The API server's words, with what it has to say of the budget. */
function messageOf(answer: KubeAnswer): string {
  const { message, details } = (answer.body ?? {}) as { message?: unknown; details?: { causes?: readonly { readonly message?: string }[] } };
  const words = typeof message === "string" ? message : `the API server answered ${answer.status}`;
  return [words, ...(details?.causes ?? []).map((cause) => cause.message ?? "")].filter((word) => word !== "").join(" ");
}

/** In a Namespace that is being deleted nothing is created, not even an Eviction; its pods go with it. */
function isNamespaceEnding(answer: KubeAnswer): boolean {
  const { details } = (answer.body ?? {}) as { details?: { causes?: readonly { readonly reason?: string }[] } };
  return answer.status === 403 && details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true;
}

function outcomeOf(spec: DrainRun["spec"], pods: readonly Named[], staying: readonly ObjectResult[], left: ReadonlyMap<string, string>): CommandOutcome {
  const results = pods.map((pod): ObjectResult => {
    const why = left.get(pod.uid);
    return why === undefined ? { ref: refOf(pod), result: "deleted", why: "" } : { ref: refOf(pod), result: "failed", why };
  });
  const objects = [...results, ...staying];
  const first = results.find(({ result }) => result === "failed");
  const stay = staying.length === 0 ? "" : `, ${staying.length} stay`;
  const gone = `${pods.length - left.size} of ${pods.length} ${pods.length === 1 ? "pod" : "pods"} evicted${stay}`;
  if (first === undefined) return { state: "succeeded", what: `${spec.node} is drained: ${gone}`, code: null, objects };
  return { state: "failed", what: `${spec.node} is cordoned and not drained: ${gone}; ${first.ref}: ${first.why}`.slice(0, 2_000), code: "COMMAND_FAILED", objects };
}
