// The command `undo`: a Deployment, StatefulSet or DaemonSet back to the template of an earlier revision, as `kubectl rollout undo` does it. The template is found once
// and written into the claim: a second run sets the same one, and never what has become "the one before" meanwhile. What somebody changed since is left alone.
import { createHash } from "node:crypto";
import type { CommandOutcome } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { missing, objectOf, refOf, type ChangeRun, type Of } from "./changes.ts";
import type { Cluster } from "./cluster.ts";
import { listAll, selectorText } from "./listing.ts";

const REVISION = "deployment.kubernetes.io/revision";
/** Of the Deployment itself: an older template does not bring older ones of these. */
const KEPT: readonly string[] = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, "deployment.kubernetes.io/revision-history", "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas", "deprecated.deployment.rollback.to"];
/** A controller adds it to the template of a ReplicaSet. */
const HASH_LABEL = "pod-template-hash";
/** Revisions that are looked at: workloads keep ten unless told otherwise. */
const revisionsMax = 1_000;

type Annotations = Readonly<Record<string, string>>;
type Template = Readonly<Record<string, unknown>>;
type UndoRun = ChangeRun<Of<"undo">>;

interface Held {
  readonly metadata: { readonly uid?: string; readonly annotations?: Annotations; readonly ownerReferences?: readonly { readonly uid: string; readonly controller?: boolean }[] };
}

interface Workload extends Held {
  readonly spec: { readonly template: Template; readonly paused?: boolean; readonly selector?: Parameters<typeof selectorText>[0] };
}

interface Revision {
  readonly revision: number;
  readonly template: Template;
  /** Of a ReplicaSet: those that its Deployment had then. */
  readonly annotations: Annotations | null;
}

/** What the claim keeps. */
interface Resolved extends Revision {
  /** Hash of the template that was there when the order began. */
  readonly from: string;
}

export async function runUndo(cluster: Cluster, run: UndoRun): Promise<CommandOutcome> {
  const { spec, as, signal, effect } = run;
  const ref = refOf(spec.object);
  const path = await cluster.objects.pathOf(objectOf(spec.object), as, signal);
  const answer = await cluster.objects.call({ method: "GET", path, as, signal });
  if (answer.status !== 200) throw missing(cluster, answer, spec.object, "it was not rolled back");
  const workload = answer.body as Workload;
  const isFirst = effect.resolved === null;
  const to = effect.resolved === null ? await resolve(cluster, run, workload) : (JSON.parse(effect.resolved) as Resolved);
  const { template } = workload.spec;
  const now = hashOf(template);
  if (to.from === hashOf(to.template) && now === to.from) return succeeded(ref, `skipped rollback (current template already matches revision ${to.revision})`, false);
  // By an earlier run of this command; a newer API server may have added defaults to an old template.
  if (!isFirst && now !== to.from && covers(template, to.template)) return succeeded(ref, `${ref} is rolled back to revision ${to.revision}`, true);
  if (now !== to.from) throw refused(ref, `somebody has changed it since this order began: its template is neither the one that was there nor that of revision ${to.revision}`, "look at it, then ask again");
  await patch(cluster, run, path, to, workload.metadata.annotations);
  return succeeded(ref, `${ref} is rolled back to revision ${to.revision}`, true);
}

async function resolve(cluster: Cluster, run: UndoRun, workload: Workload): Promise<Resolved> {
  const { spec, effect } = run;
  const ref = refOf(spec.object);
  if (workload.spec.paused === true) throw refused(ref, "it is paused", `kubectl rollout resume ${spec.object.kind.toLowerCase()}/${spec.object.name}, then ask again`);
  const revisions = (await revisionsOf(cluster, run, workload)).toSorted((left, right) => left.revision - right.revision);
  const found = spec.toRevision === 0 ? revisions.at(-2) : revisions.find(({ revision }) => revision === spec.toRevision);
  if (found === undefined) {
    const known = revisions.length === 0 ? "it has no history" : `its history has ${revisions.length === 1 ? "revision" : "revisions"} ${revisions.map(({ revision }) => revision).join(", ")}`;
    throw refused(ref, spec.toRevision === 0 ? `there is no revision before the current one: ${known}` : `there is no revision ${spec.toRevision}: ${known}`, `kubectl rollout history ${spec.object.kind.toLowerCase()}/${spec.object.name}`);
  }
  const resolved: Resolved = { ...found, from: hashOf(workload.spec.template) };
  await effect.resolve(JSON.stringify(resolved));
  return resolved;
}

async function revisionsOf(cluster: Cluster, { spec, as, signal }: UndoRun, workload: Workload): Promise<Revision[]> {
  const isDeployment = spec.object.kind === "Deployment";
  const path = `/apis/apps/v1/namespaces/${encodeURIComponent(spec.object.namespace ?? "default")}/${isDeployment ? "replicasets" : "controllerrevisions"}`;
  const { items } = await listAll<Held & { readonly revision?: number; readonly spec?: { readonly template?: Template }; readonly data?: { readonly spec?: { readonly template?: Template } } }>(cluster, { path, query: { labelSelector: selectorText(workload.spec.selector ?? {}) }, itemsMax: revisionsMax, as, signal });
  return items
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid, controller }) => controller === true && uid === workload.metadata.uid))
    .map((item) =>
      isDeployment
        ? { revision: Number(item.metadata.annotations?.[REVISION] ?? 0), template: withoutHash(item.spec?.template ?? {}), annotations: item.metadata.annotations ?? {} }
        : { revision: item.revision ?? 0, template: without(item.data?.spec?.template ?? {}, "$patch"), annotations: null },
    );
}

function withoutHash(template: Template): Template {
  const metadata = (template["metadata"] ?? {}) as Template;
  return { ...template, metadata: { ...metadata, labels: without((metadata["labels"] ?? {}) as Template, HASH_LABEL) } };
}

function without(object: Template, name: string): Template {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

async function patch(cluster: Cluster, { spec, as, signal }: UndoRun, path: string, to: Resolved, annotations: Annotations = {}): Promise<void> {
  const template = { op: "replace", path: "/spec/template", value: to.template };
  const kept = (from: Annotations, isKept: boolean): [string, string][] => Object.entries(from).filter(([name]) => KEPT.includes(name) === isKept);
  const body = to.annotations === null ? [template] : [template, { op: "add", path: "/metadata/annotations", value: Object.fromEntries([...kept(annotations, true), ...kept(to.annotations, false)]) }];
  const answer = await cluster.objects.call({ method: "PATCH", path: `${path}?fieldManager=bowline`, as, body, contentType: "application/json-patch+json", signal });
  if (answer.status !== 200) throw missing(cluster, answer, spec.object, "it was not rolled back");
}

function succeeded(ref: string, what: string, isChanged: boolean): CommandOutcome {
  return { state: "succeeded", what, code: null, objects: [{ ref, result: isChanged ? "configured" : "unchanged", why: "" }] };
}

function refused(ref: string, why: string, hint: string): Fault {
  return new Fault("COMMAND_FAILED", { what: `${ref} was not rolled back`, why, hint });
}

/** The same for templates that say the same: the order of members and what is null count for nothing. */
function hashOf(template: Template): string {
  const sorted = (_name: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null).sort(([left], [right]) => (left < right ? -1 : 1)));
  };
  return createHash("sha256").update(JSON.stringify(template, sorted)).digest("hex");
}

/** Whether all that `wanted` says is in `found`. */
function covers(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return wanted === null || found === wanted;
  if (typeof found !== "object" || found === null || Array.isArray(found) !== Array.isArray(wanted)) return false;
  if (Array.isArray(wanted) && wanted.length !== (found as unknown[]).length) return false;
  return Object.entries(wanted).every(([name, value]) => covers((found as Record<string, unknown>)[name], value));
}
