// The command `apply`: server-side apply of each object, as the operator who asked, with one field manager. Idempotent: a second run changes
// nothing. Conflicts are reported with the other manager's name, never forced unless asked. What a definition in
// the order defines may come right behind it. Called by the runner.
import type { CommandOutcome, CommandSpec, KubeObject } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import type { Impersonation } from "../kube/policy.ts";
import { isAway, type Cluster } from "./cluster.ts";
import { definedKind, groupKind, isDefinition, isUnserved, servedLookMs, servedMsMax, untilEstablished } from "./definitions.ts";

const FIELD_MANAGER = "bowline";
/** What others stand on comes first: a namespace before what lives in it. */
const FIRST = ["Namespace", "CustomResourceDefinition", "StorageClass", "PersistentVolume", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Secret", "PersistentVolumeClaim", "Service"];

type ObjectResult = CommandOutcome["objects"][number];

export interface ApplyRun {
  readonly spec: Extract<CommandSpec, { kind: "apply" }>;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
}

export async function runApply(cluster: Cluster, clock: Clock, run: ApplyRun): Promise<CommandOutcome> {
  const { spec } = run;
  const results: ObjectResult[] = [];
  /** Until when (ms, monotonic) a kind that this order has defined may still be on its way. */
  const servedByMs = new Map<string, number>();
  for (const [index, object] of inOrder(spec.objects).entries()) {
    const untilMs = isDefinition(object) ? clock.monoMs() + servedMsMax : (servedByMs.get(groupKind(object)) ?? 0);
    const result = await applyOne(cluster, clock, { ...run, object, servedByMs: untilMs });
    results.push(result);
    if (isDefinition(object) && result.result !== "failed") servedByMs.set(definedKind(object), untilMs);
    if (index === Math.floor(spec.objects.length / 2)) crashPoint("effect-half-done");
  }
  const failed = results.filter((result) => result.result === "failed");
  if (failed.length === 0) return { state: "succeeded", what: `${results.length} ${results.length === 1 ? "object" : "objects"} applied`, code: null, objects: results };
  return { state: "failed", what: `${failed.length} of ${results.length} objects failed: ${failed[0]!.ref}: ${failed[0]!.why}`.slice(0, 2_000), code: "COMMAND_FAILED", objects: results };
}

function inOrder(objects: readonly KubeObject[]): KubeObject[] {
  const rank = (object: KubeObject): number => (FIRST.includes(object.kind) ? FIRST.indexOf(object.kind) : FIRST.length);
  return [...objects].sort((left, right) => rank(left) - rank(right)); // stable: the author's order inside a rank
}

interface ObjectRun extends ApplyRun {
  readonly object: KubeObject;
  /** Until then (ms, monotonic) the kind may still be on its way to being served; 0 for kinds that this order does not define. */
  readonly servedByMs: number;
}

async function applyOne(cluster: Cluster, clock: Clock, run: ObjectRun): Promise<ObjectResult> {
  const { object, signal, servedByMs } = run;
  for (;;) {
    try {
      return await send(cluster, clock, run);
    } catch (error) {
      signal.throwIfAborted();
      const fault = asFault(error);
      // A cluster that is away is no verdict about the object: the command is tried again.
      if (isAway(fault)) throw fault;
      if (isDefinition(object) || !isUnserved(fault) || clock.monoMs() >= servedByMs) return { ref: refOf(object), result: "failed", why: fault.why.slice(0, 500) };
    }
    await pause(clock, servedLookMs, signal);
  }
}

async function send(cluster: Cluster, clock: Clock, { object, spec, as, signal, servedByMs }: ObjectRun): Promise<ObjectResult> {
  const { objects, statusFault } = cluster;
  const ref = refOf(object);
  const path = await objects.pathOf(object, as, signal);
  const before = await objects.call({ method: "GET", path, as, signal });
  const answer = await objects.call({
    method: "PATCH",
    path: `${path}?fieldManager=${FIELD_MANAGER}&force=${spec.forceConflicts}`,
    as,
    body: object,
    contentType: "application/apply-patch+yaml", // JSON is YAML; the API server takes no other name for server-side apply
    signal,
  });
  if (answer.status !== 200 && answer.status !== 201) throw statusFault(answer, `${ref} was refused`);
  const why = isDefinition(object) ? await untilEstablished(cluster, clock, { path, body: answer.body, as, signal, untilMs: servedByMs }) : "";
  if (before.status === 404) return { ref, result: "created", why };
  return { ref, result: resourceVersion(before.body) === resourceVersion(answer.body) ? "unchanged" : "configured", why };
}

function refOf(object: KubeObject): string {
  return `${object.kind}/${object.metadata.name}`;
}

function resourceVersion(body: unknown): string {
  return String((body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion ?? "");
}
