// The commands `job` and `script`: one Job, named after the command, run once. Verifiable: whoever finds that name with our label knows that it
// was started, so neither a restart nor a lost disk runs it twice. It is the evidence until its result is receipted, and is removed a day later.
// A script is a word of the Job's own command line: there is no second object that could be lost, left or changed.
import { createHash } from "node:crypto";
import type { CommandOutcome, CommandSpec } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { KubeAnswer } from "../kube/objects.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Effect } from "./catalog.ts";
import type { Cluster } from "./cluster.ts";
import { withLog } from "./job-log.ts";

export const COMMAND_LABEL = "bowline.dev/command";
const CONTAINER = "job";
/** The node ends a pod that is out of time and keeps what it wrote; the Job's own deadline deletes it, and is for pods that no node takes. A pod has half of this (s) to end. */
const slackSeconds = 60;
/** Polling (ms) is slowest after a while; a Job's pod takes seconds to start anyway. */
const pollMs = { first: 200, most: 2_000 };

type JobSpec = Extract<CommandSpec, { kind: "job" | "script" }>;

export interface JobRun {
  readonly commandId: string;
  readonly spec: JobSpec;
  readonly operator: string;
  readonly tier: string;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
  readonly effect: Effect;
}

interface JobBody {
  readonly metadata?: { readonly uid?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[] };
}

/** `NAME-<12 hex of the command id>`: readable, and the same on every run of this command. A Job's name has at most 63 characters. */
function jobName(spec: Pick<JobSpec, "name">, commandId: string): string {
  return `${spec.name.slice(0, 50)}-${createHash("sha256").update(commandId).digest("hex").slice(0, 12)}`;
}

function labelOf(commandId: string): string {
  return createHash("sha256").update(commandId).digest("hex").slice(0, 32);
}

export function jobObject({ spec, commandId }: Pick<JobRun, "spec" | "commandId">): Record<string, unknown> {
  const labels = { [COMMAND_LABEL]: labelOf(commandId), "app.kubernetes.io/managed-by": "bowline" };
  const env = Object.entries(spec.env).map(([name, value]) => ({ name, value }));
  const activeDeadlineSeconds = Math.max(1, Math.ceil(spec.timeoutMs / 1000));
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: jobName(spec, commandId), namespace: spec.namespace, labels, annotations: { "bowline.dev/command-id": commandId } },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: "Failed",
      activeDeadlineSeconds: activeDeadlineSeconds + slackSeconds,
      template: {
        metadata: { labels },
        spec: { restartPolicy: "Never", activeDeadlineSeconds, containers: [{ name: CONTAINER, image: spec.image, ...commandOf(spec), ...(env.length > 0 ? { env } : {}) }] },
      },
    },
  };
}

function commandOf(spec: JobSpec): { readonly command?: readonly string[] } {
  if (spec.kind === "job") return spec.command.length > 0 ? { command: spec.command } : {};
  // Kubernetes reads $(NAME) in a command line, and $$ as one $: doubled, every $ arrives as it was written.
  return { command: [spec.shell, "-c", spec.script, spec.name, ...spec.args].map((word) => word.replaceAll("$", "$$$$")) };
}

function pathOf({ spec, commandId }: Pick<JobRun, "spec" | "commandId">): string {
  return `${collectionOf(spec.namespace)}/${jobName(spec, commandId)}`;
}

function collectionOf(namespace: string): string {
  return `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`;
}

/** Starts the Job unless it is there already, waits for its end. What is known to have begun is not started again, whoever deleted it. Faults of a cluster that is away mean: try again. */
export async function runJob(cluster: Cluster, clock: Clock, run: JobRun): Promise<CommandOutcome> {
  if (run.effect.hasBegun) return waitForEnd(cluster, clock, run);
  const name = jobName(run.spec, run.commandId);
  const created = await create(cluster, run);
  if (created.status === 409 && !(await isOurs(cluster, run))) return { state: "outcome-unknown", what: `the Job ${name} was there and is gone: somebody deleted it`, code: null, objects: [] };
  if (created.status !== 409 && created.status !== 201) throw cluster.statusFault(created, `the Job ${name} was refused`);
  return watchJob(cluster, clock, run);
}

/** Waits for the end of a Job that was seen in the cluster. */
export async function watchJob(cluster: Cluster, clock: Clock, run: JobRun): Promise<CommandOutcome> {
  const { spec, operator, tier } = run;
  if (!run.effect.hasBegun) await run.effect.begun(JSON.stringify({ kind: "job", name: spec.name, namespace: spec.namespace, operator, tier }));
  return waitForEnd(cluster, clock, run);
}

/** One request that may begin the effect. What is surely refused, or surely never arrived, leaves it as unknown or as known as before. */
async function create({ objects }: Cluster, run: JobRun): Promise<KubeAnswer> {
  const { effect } = run;
  const before = effect.mayHaveBegun;
  effect.mayHaveBegun = true;
  let answer: KubeAnswer;
  try {
    answer = await objects.call({ method: "POST", path: `${collectionOf(run.spec.namespace)}?fieldManager=bowline`, as: run.as, body: jobObject(run), signal: run.signal });
  } catch (error) {
    if (!run.signal.aborted && asFault(error).facts["mayHaveArrived"] !== true) effect.mayHaveBegun = before;
    throw error;
  }
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 409) effect.mayHaveBegun = before;
  return answer;
}

/** What the cluster knows of this command: its outcome, null while it runs, or "absent". */
export async function probeJob(cluster: Cluster, run: JobRun): Promise<CommandOutcome | null | "absent"> {
  const { objects, statusFault } = cluster;
  const name = jobName(run.spec, run.commandId);
  const answer = await objects.call({ method: "GET", path: pathOf(run), as: run.as, signal: run.signal });
  if (answer.status === 404) return "absent";
  if (answer.status !== 200) throw statusFault(answer, `the Job ${name} could not be read`);
  return ended(cluster, run, answer.body as JobBody);
}

/** Whether the Job of that name carries our label; false when it is gone again. Fault COMMAND_FAILED: somebody else's. */
async function isOurs({ objects, statusFault }: Cluster, run: JobRun): Promise<boolean> {
  const answer = await objects.call({ method: "GET", path: pathOf(run), as: run.as, signal: run.signal });
  if (answer.status === 404) return false;
  if (answer.status !== 200) throw statusFault(answer, "the Job exists and cannot be read");
  if ((answer.body as JobBody).metadata?.labels?.[COMMAND_LABEL] === labelOf(run.commandId)) return true;
  run.effect.mayHaveBegun = false;
  throw new Fault("COMMAND_FAILED", { what: "another Job has this command's name", why: "it does not carry this command's label", hint: "delete or rename that Job, then ask again" });
}

async function waitForEnd(cluster: Cluster, clock: Clock, run: JobRun): Promise<CommandOutcome> {
  const { objects, statusFault } = cluster;
  const path = pathOf(run);
  const name = jobName(run.spec, run.commandId);
  let delayMs: number = pollMs.first;
  for (;;) {
    const answer = await objects.call({ method: "GET", path, as: run.as, signal: run.signal });
    if (answer.status === 404) return { state: "outcome-unknown", what: `the Job ${name} was deleted before its end was seen`, code: null, objects: [] };
    if (answer.status === 200) {
      const outcome = await ended(cluster, run, answer.body as JobBody);
      if (outcome !== null) return outcome;
    } else if (answer.status < 500) throw statusFault(answer, `the Job ${name} could not be read`);
    await pause(clock, delayMs, run.signal);
    delayMs = Math.min(pollMs.most, delayMs * 1.5);
  }
}

/** Its end with what it wrote, null while it runs. */
async function ended(cluster: Cluster, { commandId, spec, as, signal }: JobRun, job: JobBody): Promise<CommandOutcome | null> {
  const outcome = outcomeOf(job, jobName(spec, commandId));
  return outcome === null ? null : withLog(cluster, outcome, { namespace: spec.namespace, label: `${COMMAND_LABEL}=${labelOf(commandId)}`, container: CONTAINER, as, signal });
}

function outcomeOf(job: JobBody, name: string): CommandOutcome | null {
  for (const condition of job.status?.conditions ?? []) {
    if (condition.status !== "True") continue;
    if (condition.type === "Complete") return { state: "succeeded", what: `the Job ${name} completed`, code: null, objects: [{ ref: `Job/${name}`, result: "completed", why: "" }] };
    if (condition.type === "Failed") {
      const why = condition.message ?? condition.reason ?? "no reason given";
      return { state: "failed", what: `the Job ${name} failed: ${why}`, code: "COMMAND_FAILED", objects: [{ ref: `Job/${name}`, result: "failed", why }] };
    }
  }
  return null;
}

/** Ends a Job that has not ended, with its pods. One that has ended meanwhile says how. */
export async function stopJob(cluster: Cluster, run: JobRun): Promise<CommandOutcome | "stopped" | "absent"> {
  const found = await probeJob(cluster, run);
  if (found !== null) return found;
  const { spec, operator, tier } = run;
  await removeJob(cluster, run.commandId, JSON.stringify({ name: spec.name, namespace: spec.namespace, operator, tier }), run.signal);
  return "stopped";
}

/** Removes the Job and its pods, as the operator who asked for it; one that is gone, or is not ours any more, is nothing to remove. */
export async function removeJob({ objects, impersonationOf, statusFault }: Cluster, commandId: string, leaves: string, signal: AbortSignal): Promise<void> {
  const { name, namespace, operator, tier } = JSON.parse(leaves) as { name: string; namespace: string; operator: string; tier: string };
  const as = impersonationOf(operator, tier);
  const path = `${collectionOf(namespace)}/${jobName({ name }, commandId)}`;
  const found = await objects.call({ method: "GET", path, as, signal });
  if (found.status === 404) return;
  if (found.status !== 200) throw statusFault(found, "the Job cannot be read");
  const { uid, labels } = (found.body as JobBody).metadata ?? {};
  if (labels?.[COMMAND_LABEL] !== labelOf(commandId)) return;
  const removed = await objects.call({ method: "DELETE", path, as, body: { propagationPolicy: "Background", ...(uid === undefined ? {} : { preconditions: { uid } }) }, signal });
  if (removed.status !== 200 && removed.status !== 202 && removed.status !== 404 && removed.status !== 409) throw statusFault(removed, "the Job cannot be removed");
}
