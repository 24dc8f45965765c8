// Which of a cluster's objects are not well, and why in a few words: for the report, and for what a support bundle holds. Judged by what their status says, which is
// whatever a cluster sends: nothing of it is taken to be there. Pure.

/** As much of an object as is looked at. */
export interface Watched {
  readonly spec?: { readonly replicas?: number };
  readonly status?: Readonly<Record<string, unknown>> & { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[] };
}

/** Null: it is well. */
export type WhyUnwell = (object: Watched) => string | null;

export const WORKLOADS: readonly { readonly kind: string; readonly group: string; readonly plural: string; readonly why: WhyUnwell }[] = [
  { kind: "Deployment", group: "apps/v1", plural: "deployments", why: whyReplicas },
  { kind: "StatefulSet", group: "apps/v1", plural: "statefulsets", why: whyReplicas },
  { kind: "DaemonSet", group: "apps/v1", plural: "daemonsets", why: whyDaemonSet },
  { kind: "Job", group: "batch/v1", plural: "jobs", why: whyJob },
];

function count(object: Watched, name: string): number {
  const value = object.status?.[name];
  return typeof value === "number" ? value : 0;
}

function readyOf(ready: number, wanted: number): string | null {
  return ready >= wanted ? null : `${ready} of ${wanted} ready`;
}

function whyReplicas(object: Watched): string | null {
  return readyOf(count(object, "readyReplicas"), object.spec?.replicas ?? 1);
}

function whyDaemonSet(object: Watched): string | null {
  return readyOf(count(object, "numberReady"), count(object, "desiredNumberScheduled"));
}

function whyJob(object: Watched): string | null {
  const failed = object.status?.conditions?.find((condition) => condition.type === "Failed" && condition.status === "True");
  return failed === undefined ? null : `failed: ${failed.message ?? failed.reason ?? ""}`;
}

interface ContainerStatus {
  readonly name?: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly lastState?: { readonly terminated?: { readonly finishedAt?: string } };
}

/** A pod that has not ended well, is not ready, or has a container that ended since then (ms) and was started again. */
export function whyPod(pod: Watched, sinceMs: number): string | null {
  const { phase, containerStatuses } = pod.status ?? {};
  if (phase === "Succeeded") return null;
  if (phase !== "Running") return typeof phase === "string" ? phase : "Unknown";
  for (const { name = "", ready, restartCount = 0, lastState } of (Array.isArray(containerStatuses) ? containerStatuses : []) as ContainerStatus[]) {
    if (ready !== true) return `${name} is not ready`;
    if (restartCount > 0 && Date.parse(lastState?.terminated?.finishedAt ?? "") >= sinceMs) return `${name} was restarted ${restartCount} times`;
  }
  return null;
}
