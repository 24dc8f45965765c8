// What counts as not well, for the report and for support bundles, whatever a cluster sends.
import { expect, test } from "vitest";
import { whyPod, WORKLOADS, type Watched } from "./unwell.ts";

const why = (kind: string, object: unknown): string | null => WORKLOADS.find((workload) => workload.kind === kind)!.why(object as Watched);
const nowMs = Date.UTC(2026, 10, 25, 9, 10);

test("a workload is not well while fewer are ready than are wanted, a Job when it has failed", () => {
  expect(why("Deployment", { spec: { replicas: 2 }, status: { readyReplicas: 1 } })).toBe("1 of 2 ready");
  expect(why("StatefulSet", { status: {} })).toBe("0 of 1 ready");
  expect(why("StatefulSet", { spec: { replicas: 0 } })).toBeNull();
  expect(why("DaemonSet", { status: { desiredNumberScheduled: 3, numberReady: 2 } })).toBe("2 of 3 ready");
  expect(why("Job", { status: { conditions: [{ type: "Failed", status: "True", message: "too late" }] } })).toBe("failed: too late");
  expect(why("Job", { status: { conditions: [{ type: "Complete", status: "True" }] } })).toBeNull();
});

test.each([
  ["has ended well", { phase: "Succeeded" }, null],
  ["runs and is ready", { phase: "Running", containerStatuses: [{ name: "c", ready: true, restartCount: 0 }] }, null],
  ["waits", { phase: "Pending" }, "Pending"],
  ["has failed", { phase: "Failed" }, "Failed"],
  ["says nothing", {}, "Unknown"],
  ["is not ready", { phase: "Running", containerStatuses: [{ name: "c", ready: false }] }, "c is not ready"],
  ["was restarted just now", { phase: "Running", containerStatuses: [{ name: "c", ready: true, restartCount: 2, lastState: { terminated: { finishedAt: "2026-11-25T09:09:00Z" } } }] }, "c was restarted 2 times"],
  ["was restarted long ago", { phase: "Running", containerStatuses: [{ name: "c", ready: true, restartCount: 2, lastState: { terminated: { finishedAt: "2026-11-24T09:09:00Z" } } }] }, null],
  ["has statuses of no form", { phase: "Running", containerStatuses: "none" }, null],
])("of a pod that %s", (_what, status, expected) => {
  expect(whyPod({ status } as Watched, nowMs - 3_600_000)).toBe(expected);
});
