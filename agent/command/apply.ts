// The command `apply`: server-side apply of each object, as the operator who asked, with one field manager. Idempotent: a second run changes
// nothing. Conflicts are reported with the other manager's name, never forced unless asked. Called by the runner.
import type { CommandOutcome, CommandSpec, KubeObject } from "../../shared/api.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Cluster } from "./cluster.ts";

const FIELD_MANAGER = "bowline";
/** What others stand on comes first: a namespace before what lives in it. */
const FIRST = ["Namespace", "CustomResourceDefinition", "StorageClass", "PersistentVolume", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Secret", "PersistentVolumeClaim", "Service"];

type ObjectResult = CommandOutcome["objects"][number];

export async function runApply(cluster: Cluster, spec: Extract<CommandSpec, { kind: "apply" }>, as: Impersonation, signal: AbortSignal): Promise<CommandOutcome> {
  const results: ObjectResult[] = [];
  for (const [index, object] of inOrder(spec.objects).entries()) {
    results.push(await applyOne(cluster, object, spec.forceConflicts, as, signal));
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

async function applyOne({ objects, statusFault }: Cluster, object: KubeObject, force: boolean, as: Impersonation, signal: AbortSignal): Promise<ObjectResult> {
  const ref = `${object.kind}/${object.metadata.name}`;
  try {
    const path = await objects.pathOf(object, as, signal);
    const before = await objects.call({ method: "GET", path, as, signal });
    const answer = await objects.call({
      method: "PATCH",
      path: `${path}?fieldManager=${FIELD_MANAGER}&force=${force}`,
      as,
      body: object,
      contentType: "application/apply-patch+yaml", // JSON is YAML; the API server takes no other name for server-side apply
      signal,
    });
    if (answer.status !== 200 && answer.status !== 201) throw statusFault(answer, `${ref} was refused`);
    if (before.status === 404) return { ref, result: "created", why: "" };
    return { ref, result: resourceVersion(before.body) === resourceVersion(answer.body) ? "unchanged" : "configured", why: "" };
  } catch (error) {
    signal.throwIfAborted();
    const fault = asFault(error);
    // An API server that is away is no verdict about the object: the command is tried again.
    if (fault.family === "unavailable") throw fault;
    return { ref, result: "failed", why: fault.why.slice(0, 500) };
  }
}

function resourceVersion(body: unknown): string {
  return String((body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion ?? "");
}
