// Jobs: one pod at a time per wanted completion, failures counted against the back-off limit, conditions as the real controller sets
// them. A failed pod is followed by another after a short, doubling wait (100 ms here, 10 s in a cluster).
import { defaultPodSpec } from "./defaults.ts";
import { isSame, branch, count, list, text, type KubeObject, type Tree } from "./tree.ts";
import type { World } from "./world.ts";
import { isReady, makePod, ownedBy, podsKind, setStatus } from "./workloads.ts";

const retryMsMin = 100;

/** Labels and selector that tie pods to their Job; added once. */
function withTies(world: World, job: KubeObject): KubeObject {
  if (Object.keys(branch(job, "spec", "selector")).length > 0) return job;
  const { name, uid } = job.metadata;
  const ties = { "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name, "controller-uid": uid, "job-name": name };
  const spec = branch(job, "spec");
  const template = branch(spec, "template");
  const metadata = branch(template, "metadata");
  defaultPodSpec(branch(template, "spec"));
  const labels = { ...branch(metadata, "labels"), ...ties };
  return world.store.replace(world.kinds.find("batch", "v1", "jobs")!, { ...job, spec: { ...spec, selector: { matchLabels: { "batch.kubernetes.io/controller-uid": uid } }, template: { ...template, metadata: { ...metadata, labels } } } });
}

const isFinished = (job: KubeObject): boolean => list(job, "status", "conditions").some((condition) => ["Complete", "Failed"].includes(text(condition, "type")) && text(condition, "status") === "True");

function ending(world: World, type: "Complete" | "Failed", reason: string, message: string): Tree[] {
  const now = world.store.now();
  const condition = (name: string): Tree => ({ type: name, status: "True", lastProbeTime: now, lastTransitionTime: now, reason, message });
  return type === "Complete" ? [condition("SuccessCriteriaMet"), condition("Complete")] : [condition("FailureTarget"), condition("Failed")];
}

export function reconcileJob(world: World, given: KubeObject): void {
  const kind = world.kinds.find("batch", "v1", "jobs")!;
  if (given.metadata.deletionTimestamp !== undefined || isFinished(given)) return removeLater(world, given);
  const job = withTies(world, given);
  const { name } = job.metadata;
  const pods = ownedBy(world, podsKind(world), job);
  const phase = (wanted: string): KubeObject[] => pods.filter((pod) => text(pod, "status", "phase") === wanted);
  const succeeded = phase("Succeeded").length;
  const failed = phase("Failed").length;
  const completions = count(job, "spec", "completions") ?? 1;
  const parallelism = count(job, "spec", "parallelism") ?? 1;
  const startTime = text(job, "status", "startTime") || world.store.now();
  let active = pods.length - succeeded - failed;
  const old = list(job, "status", "conditions");
  const counts = (): Tree => ({ ...(active > 0 ? { active, ready: pods.filter(isReady).length } : { ready: 0 }), ...(succeeded > 0 ? { succeeded } : {}), ...(failed > 0 ? { failed } : {}), terminating: 0, uncountedTerminatedPods: {} });
  const isSuspended = branch(job, "spec")["suspend"] === true;

  if (succeeded >= completions) {
    setStatus(world, kind, job, { startTime, ...counts(), completionTime: world.store.now(), conditions: [...old, ...ending(world, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")] });
    return;
  }
  if (failed > (count(job, "spec", "backoffLimit") ?? 6)) {
    for (const pod of pods) if (!["Succeeded", "Failed"].includes(text(pod, "status", "phase"))) world.store.remove(podsKind(world), pod.metadata.namespace, pod.metadata.name);
    active = 0;
    setStatus(world, kind, job, { startTime, ...counts(), conditions: [...old, ...ending(world, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")] });
    return;
  }
  const missing = isSuspended ? 0 : Math.min(parallelism, completions - succeeded) - active;
  const start = (): void => {
    const now = world.store.find(kind, job.metadata.namespace, name);
    if (now === null || now.metadata.uid !== job.metadata.uid || isFinished(now)) return;
    makePod(world, now, `${name}-${world.store.newSuffix()}`);
  };
  if (failed === 0) {
    for (let index = 0; index < missing; index += 1) start();
    active += Math.max(0, missing);
  } else if (missing > 0) retryLater(world, job, failed, start);
  const status = { startTime, ...counts(), ...(old.length > 0 ? { conditions: old } : {}) };
  const current = world.store.find(kind, job.metadata.namespace, name);
  if (current !== null && !isSame(current["status"], status)) setStatus(world, kind, current, status);
}

/** One retry per number of failures, or each look at the Job would add a pod. */
const retried = new WeakMap<World, Set<string>>();

function retryLater(world: World, job: KubeObject, failed: number, start: () => void): void {
  const seen = retried.get(world) ?? new Set<string>();
  retried.set(world, seen);
  const key = `${job.metadata.uid}/${failed}`;
  if (seen.has(key)) return;
  seen.add(key);
  world.clock.after(Math.min(retryMsMin * 2 ** (failed - 1), 10_000), start);
}

/** ttlSecondsAfterFinished. */
function removeLater(world: World, job: KubeObject): void {
  const ttl = count(job, "spec", "ttlSecondsAfterFinished");
  if (ttl === undefined) return;
  const kind = world.kinds.find("batch", "v1", "jobs")!;
  world.clock.after(ttl * 1000, () => {
    const now = world.store.find(kind, job.metadata.namespace, job.metadata.name);
    if (now?.metadata.uid !== job.metadata.uid) return;
    for (const pod of ownedBy(world, podsKind(world), job)) world.store.remove(podsKind(world), pod.metadata.namespace, pod.metadata.name);
    world.store.remove(kind, job.metadata.namespace, job.metadata.name);
  });
}
