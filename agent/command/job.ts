// The command `job`: one Job, named after the command, run once. Verifiable: whoever finds that name with our label knows that it was
// started, so neither a restart nor a lost disk runs it twice. Removed by nobody here: the Job is the evidence until the result is receipted.
import { createHash } from "node:crypto";
import type { CommandOutcome, CommandSpec } from "../../shared/api.ts";
import { pause, type Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Cluster } from "./cluster.ts";

export const COMMAND_LABEL = "bowline.dev/command";
/** Polling (ms) is slowest after a while; a Job's pod takes seconds to start anyway. */
const pollMs = { first: 200, most: 2_000 };

type JobSpec = Extract<CommandSpec, { kind: "job" }>;

export interface JobRun {
  readonly commandId: string;
  readonly spec: JobSpec;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
  /** The cluster has the Job: durable before anything else is waited for. */
  readonly onStarted: () => Promise<void>;
}

interface JobBody {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[] };
}

/** `NAME-<12 hex of the command id>`: readable, and the same on every run of this command. A Job's name has at most 63 characters. */
export function jobName(spec: JobSpec, commandId: string): string {
  return `${spec.name.slice(0, 50)}-${createHash("sha256").update(commandId).digest("hex").slice(0, 12)}`;
}

export function jobObject(run: JobRun): Record<string, unknown> {
  const { spec, commandId } = run;
  const labels = { [COMMAND_LABEL]: createHash("sha256").update(commandId).digest("hex").slice(0, 32), "app.kubernetes.io/managed-by": "bowline" };
  const env = Object.entries(spec.env).map(([name, value]) => ({ name, value }));
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: jobName(spec, commandId), namespace: spec.namespace, labels, annotations: { "bowline.dev/command-id": commandId } },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: "Failed",
      activeDeadlineSeconds: Math.max(1, Math.ceil(spec.timeoutMs / 1000)),
      template: {
        metadata: { labels },
        spec: { restartPolicy: "Never", containers: [{ name: "job", image: spec.image, ...(spec.command.length > 0 ? { command: spec.command } : {}), ...(env.length > 0 ? { env } : {}) }] },
      },
    },
  };
}

/** Starts the Job unless it is there already, waits for its end. Faults of the family unavailable mean: try again. */
export async function runJob(cluster: Cluster, clock: Clock, run: JobRun): Promise<CommandOutcome> {
  const { objects, statusFault } = cluster;
  const collection = `/apis/batch/v1/namespaces/${encodeURIComponent(run.spec.namespace)}/jobs`;
  const name = jobName(run.spec, run.commandId);
  const created = await objects.call({ method: "POST", path: `${collection}?fieldManager=bowline`, as: run.as, body: jobObject(run), signal: run.signal });
  if (created.status === 409) await requireOurs(cluster, `${collection}/${name}`, run);
  else if (created.status !== 201) {
    const fault = statusFault(created, `the Job ${name} was refused`);
    if (fault.family === "unavailable") throw fault;
    return { state: "failed", what: `the Job was refused: ${fault.why}`, code: "COMMAND_FAILED", objects: [{ ref: `Job/${name}`, result: "failed", why: fault.why }] };
  }
  await run.onStarted();
  return waitForEnd(cluster, clock, run, `${collection}/${name}`);
}

/** What the cluster knows of this command: its outcome, null while it runs, or "absent". */
export async function probeJob({ objects, statusFault }: Cluster, run: JobRun): Promise<CommandOutcome | null | "absent"> {
  const name = jobName(run.spec, run.commandId);
  const path = `/apis/batch/v1/namespaces/${encodeURIComponent(run.spec.namespace)}/jobs/${name}`;
  const answer = await objects.call({ method: "GET", path, as: run.as, signal: run.signal });
  if (answer.status === 404) return "absent";
  if (answer.status !== 200) throw statusFault(answer, `the Job ${name} could not be read`);
  return outcomeOf(answer.body as JobBody, name);
}

async function requireOurs({ objects }: Cluster, path: string, run: JobRun): Promise<void> {
  const answer = await objects.call({ method: "GET", path, as: run.as, signal: run.signal });
  if (answer.status !== 200) throw new Fault("API_SERVER_DOWN", { what: "the Job exists and cannot be read", why: `the API server answered ${answer.status}` });
  const wanted = (jobObject(run)["metadata"] as { labels: Record<string, string> }).labels[COMMAND_LABEL];
  if ((answer.body as JobBody).metadata?.labels?.[COMMAND_LABEL] !== wanted) {
    throw new Fault("COMMAND_FAILED", { what: "another Job has this command's name", why: "it does not carry this command's label", hint: "delete or rename that Job, then ask again" });
  }
}

async function waitForEnd({ objects, statusFault }: Cluster, clock: Clock, run: JobRun, path: string): Promise<CommandOutcome> {
  let delayMs: number = pollMs.first;
  for (;;) {
    const answer = await objects.call({ method: "GET", path, as: run.as, signal: run.signal });
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (answer.status === 404) return { state: "failed", what: "the Job was deleted before it ended", code: "COMMAND_FAILED", objects: [{ ref: `Job/${name}`, result: "failed", why: "deleted" }] };
    if (answer.status === 200) {
      const outcome = outcomeOf(answer.body as JobBody, name);
      if (outcome !== null) return outcome;
    } else if (answer.status < 500) throw statusFault(answer, `the Job ${name} could not be read`);
    await pause(clock, delayMs, run.signal);
    delayMs = Math.min(pollMs.most, delayMs * 1.5);
  }
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
