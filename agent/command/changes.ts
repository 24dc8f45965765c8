// The commands `delete`, `scale` and `restart`: small changes to what is there already. Each may run twice and comes to the same: a delete removes the very objects that
// it found when it first looked, a scale sets a number, a restart writes the time of its claim.
import type { CommandOutcome, CommandSpec, KubeObject, ObjectRef } from "../../shared/api.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { KubeAnswer } from "../kube/objects.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Effect } from "./catalog.ts";
import { isAway, type Cluster } from "./cluster.ts";

const MERGE = "application/merge-patch+json";
/** What kubectl's own `rollout restart` writes. */
const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";

export type Of<Kind extends CommandSpec["kind"]> = Extract<CommandSpec, { kind: Kind }>;
type ObjectResult = CommandOutcome["objects"][number];

export interface ChangeRun<Spec> {
  readonly spec: Spec;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
  readonly effect: Effect;
  /** When it was claimed, ms: the same on every run of this command. */
  readonly startedMs: number;
}

export async function runDelete(cluster: Cluster, run: ChangeRun<Of<"delete">>): Promise<CommandOutcome> {
  const uids = await resolvedUids(cluster, run);
  const results: ObjectResult[] = [];
  for (const [index, ref] of run.spec.objects.entries()) results.push(await deleteOne(cluster, run, ref, uids[index]!));
  const failed = results.filter(({ result }) => result === "failed");
  if (failed.length > 0) return { state: "failed", what: `${failed.length} of ${results.length} objects could not be deleted: ${failed[0]!.ref}: ${failed[0]!.why}`.slice(0, 2_000), code: "COMMAND_FAILED", objects: results };
  const gone = results.filter(({ result }) => result === "deleted").length;
  return { state: "succeeded", what: `${gone} of ${results.length} ${results.length === 1 ? "object" : "objects"} deleted`, code: null, objects: results };
}

/** UID of each object as it was found first; null: it was not there. Durable before anything is deleted, so that a second run deletes nothing that was made anew. */
async function resolvedUids(cluster: Cluster, { spec, as, signal, effect }: ChangeRun<Of<"delete">>): Promise<(string | null)[]> {
  if (effect.resolved !== null) return JSON.parse(effect.resolved) as (string | null)[];
  const uids: (string | null)[] = [];
  for (const ref of spec.objects) {
    const found = await read(cluster, ref, as, signal);
    uids.push(found === null ? null : ((found as { metadata?: { uid?: string } }).metadata?.uid ?? null));
  }
  await effect.resolve(JSON.stringify(uids));
  return uids;
}

async function deleteOne(cluster: Cluster, { as, signal }: ChangeRun<Of<"delete">>, ref: ObjectRef, uid: string | null): Promise<ObjectResult> {
  const shown = refOf(ref);
  if (uid === null) return { ref: shown, result: "unchanged", why: "it was not there" };
  try {
    const path = await cluster.objects.pathOf(objectOf(ref), as, signal);
    const answer = await cluster.objects.call({ method: "DELETE", path, as, body: { propagationPolicy: "Background", preconditions: { uid } }, signal });
    if (answer.status === 404) return { ref: shown, result: "deleted", why: "" };
    if (answer.status === 409) return { ref: shown, result: "unchanged", why: "what has its name now was made after the order began" };
    if (answer.status !== 200 && answer.status !== 202) throw cluster.statusFault(answer, `${shown} was not deleted`);
    return { ref: shown, result: "deleted", why: "" };
  } catch (error) {
    signal.throwIfAborted();
    const fault = asFault(error);
    if (isAway(fault)) throw fault;
    return { ref: shown, result: "failed", why: fault.why.slice(0, 500) };
  }
}

export async function runScale(cluster: Cluster, run: ChangeRun<Of<"scale">>): Promise<CommandOutcome> {
  const { spec, as, signal } = run;
  const path = `${await cluster.objects.pathOf(objectOf(spec.object), as, signal)}/scale`;
  const before = await cluster.objects.call({ method: "GET", path, as, signal });
  if (before.status !== 200) throw missing(cluster, before, spec.object, "it cannot be scaled");
  const was = (before.body as { spec?: { replicas?: number } }).spec?.replicas ?? 0;
  const answer = await cluster.objects.call({ method: "PATCH", path, as, body: { spec: { replicas: spec.replicas } }, contentType: MERGE, signal });
  if (answer.status !== 200) throw missing(cluster, answer, spec.object, "it was not scaled");
  const ref = refOf(spec.object);
  return { state: "succeeded", what: `${ref} scaled from ${was} to ${spec.replicas}`, code: null, objects: [{ ref, result: was === spec.replicas ? "unchanged" : "configured", why: "" }] };
}

export async function runRestart(cluster: Cluster, run: ChangeRun<Of<"restart">>): Promise<CommandOutcome> {
  const { spec, as, signal, startedMs } = run;
  const path = await cluster.objects.pathOf(objectOf(spec.object), as, signal);
  const body = { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: new Date(startedMs).toISOString() } } } } };
  const answer = await cluster.objects.call({ method: "PATCH", path: `${path}?fieldManager=bowline`, as, body, contentType: MERGE, signal });
  if (answer.status !== 200) throw missing(cluster, answer, spec.object, "it was not restarted");
  const ref = refOf(spec.object);
  return { state: "succeeded", what: `${ref} is being restarted`, code: null, objects: [{ ref, result: "configured", why: "" }] };
}

async function read(cluster: Cluster, ref: ObjectRef, as: Impersonation, signal: AbortSignal): Promise<unknown> {
  const answer = await cluster.objects.call({ method: "GET", path: await cluster.objects.pathOf(objectOf(ref), as, signal), as, signal });
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw cluster.statusFault(answer, `${refOf(ref)} cannot be read`);
  return answer.body;
}

export function missing(cluster: Cluster, answer: KubeAnswer, ref: ObjectRef, what: string): Fault {
  const fault = cluster.statusFault(answer, `${refOf(ref)}: ${what}`);
  if (answer.status !== 404) return fault;
  return new Fault("COMMAND_FAILED", { what: fault.message, why: `there is no ${refOf(ref)} in ${ref.namespace ?? "default"}, or its kind has no replicas`, hint: `kubectl get ${ref.kind.toLowerCase()} -A` });
}

export function objectOf({ apiVersion, kind, name, namespace }: ObjectRef): KubeObject {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

export function refOf({ kind, name }: ObjectRef): string {
  return `${kind}/${name}`;
}
