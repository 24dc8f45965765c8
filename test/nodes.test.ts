// The commands `cordon` and `drain` against an API server in memory: whom a drain evicts and whom it leaves, what it waits for, what it refuses before it evicts
// anything, and that a second run evicts nothing that came later.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentManifest } from "../agent/manifest.ts";
import type { KubeCall } from "../agent/kube/objects.ts";
import type { CommandOutcome } from "../shared/api.ts";
import { CommandBench } from "./kit/command-bench.ts";
import type { Tree } from "./kit/kubesim/tree.ts";

let bench: CommandBench;

beforeEach(async () => {
  bench = await CommandBench.open({ nodes: ["north", "south"] });
});
afterEach(() => bench.close());

const drain = (more: object = {}) => ({ kind: "drain", node: "north", ...more });
const isCordoned = (node = "north"): boolean => (bench.sim.find("Node", undefined, node)!["spec"] as { unschedulable?: boolean }).unschedulable === true;
const podNames = (): string[] => bench.sim.objects("Pod", "default").map(({ metadata }) => metadata.name).sort();
const evictions = (): KubeCall[] => bench.calls.filter(({ path }) => path.endsWith("/eviction"));
const shown = ({ objects }: CommandOutcome): string[] => objects.map(({ ref, result, why }) => `${ref} ${result}${why === "" ? "" : `: ${why}`}`).sort();

/** A pod that runs on a node. `controller`: the kind that made it, "" for none. */
function pod(name: string, { controller = "ReplicaSet", node = "north", spec = {}, annotations = {}, phase = "Running", labels = {} }: { controller?: string; node?: string; spec?: object; annotations?: Record<string, string>; phase?: string; labels?: Record<string, string> } = {}): void {
  const ownerReferences = controller === "" ? [] : [{ apiVersion: "apps/v1", kind: controller, name: "owner", uid: "uid-of-owner", controller: true }];
  const object = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", annotations, labels, ownerReferences }, spec: { nodeName: node, containers: [{ name: "c", image: "busybox" }], ...spec }, status: { phase, conditions: [{ type: "Ready", status: "True" }] } };
  bench.sim.put(object as unknown as Tree);
}

const ready = async (name: string): Promise<void> => void (await bench.sim.until("Pod", "default", name, (found) => JSON.stringify(found["status"]).includes('"type":"Ready","status":"True"')));

describe("cordon", () => {
  test("and uncordon set what the scheduler looks at, and say when it was set already", async () => {
    expect(await bench.run({ kind: "cordon", node: "north", isOn: true })).toMatchObject({ state: "succeeded", what: "north is cordoned", objects: [{ ref: "Node/north", result: "configured" }] });
    expect([isCordoned(), isCordoned("south")]).toEqual([true, false]);
    expect(await bench.run({ kind: "cordon", node: "north", isOn: true })).toMatchObject({ what: "north is already cordoned", objects: [{ result: "unchanged" }] });
    expect(await bench.run({ kind: "cordon", node: "north", isOn: false })).toMatchObject({ what: "north is uncordoned" });
    expect(isCordoned()).toBe(false);
  });

  test("of a node that is not there is an error", async () => {
    await expect(bench.run({ kind: "cordon", node: "west", isOn: true })).rejects.toMatchObject({ code: "COMMAND_FAILED", message: "there is no node west" });
  });
});

describe("drain", () => {
  test("evicts a node's pods, and leaves those of DaemonSets, static ones and other nodes", async () => {
    pod("web-1");
    pod("web-2", { node: "south" });
    pod("agent-1", { controller: "DaemonSet" });
    pod("static-1", { controller: "Node", annotations: { "kubernetes.io/config.mirror": "x" } });
    const outcome = await bench.run(drain());
    expect(outcome).toMatchObject({ state: "succeeded", what: "north is drained: 1 of 1 pod evicted, 2 stay" });
    expect(shown(outcome)).toEqual(["Pod/default/agent-1 unchanged: a DaemonSet would make it again", "Pod/default/static-1 unchanged: it is a static pod of the node itself", "Pod/default/web-1 deleted"]);
    expect(podNames()).toEqual(["agent-1", "static-1", "web-2"]);
    expect(isCordoned()).toBe(true);
  });

  test("leaves the agent where it is: on the only node of a site it would cut the site off", async () => {
    const deployment = agentManifest({ token: "t", image: "i", storageClass: "", proxy: { httpProxy: "", httpsProxy: "", noProxy: "" }, isConstrained: false }).find((doc) => doc["kind"] === "Deployment") as { spec: { template: { metadata: { labels: Record<string, string> } } } };
    pod("agent-1", { labels: deployment.spec.template.metadata.labels, spec: { volumes: [{ name: "tmp", emptyDir: {} }] } });
    const outcome = await bench.run(drain());
    expect([outcome.state, shown(outcome)]).toEqual(["succeeded", [expect.stringMatching(/^Pod\/default\/agent-1 unchanged: it is Bowline's agent/)]]);
    expect(podNames()).toEqual(["agent-1"]);
  });

  test.each([
    ["an emptyDir", { spec: { volumes: [{ name: "v", emptyDir: {} }] } }, "deleteEmptyDir", /--delete-emptydir-data was not given: default\/odd/],
    ["no controller", { controller: "" }, "force", /--force was not given: default\/odd/],
  ])("evicts nothing while one pod has %s and its option was not given", async (_what, odd, option, why) => {
    pod("web-1");
    pod("odd", odd);
    await expect(bench.run(drain())).rejects.toMatchObject({ code: "COMMAND_FAILED", message: expect.stringContaining("nothing was evicted") as string, why: expect.stringMatching(why) as string, hint: expect.stringContaining("bowline uncordon north") as string });
    expect([podNames(), evictions().length, isCordoned()]).toEqual([["odd", "web-1"], 0, true]);
    expect(await bench.run(drain({ [option]: true }))).toMatchObject({ state: "succeeded" });
    expect(podNames()).toEqual([]);
  });

  test("needs no option for a pod that has ended", async () => {
    pod("over", { controller: "", phase: "Succeeded", spec: { restartPolicy: "Never", volumes: [{ name: "v", emptyDir: {} }] } });
    const over = bench.sim.find("Pod", "default", "over")!;
    bench.strike = ({ path }) => (path.startsWith("/api/v1/pods?") && bench.sim.find("Pod", "default", "over") !== null ? { status: 200, body: { items: [{ ...over, status: { phase: "Succeeded" } }] } } : null);
    expect(await bench.run(drain())).toMatchObject({ state: "succeeded", what: "north is drained: 1 of 1 pod evicted" });
  });

  test("waits for a disruption budget, and others may work meanwhile", async () => {
    for (const name of ["db-1", "db-2"]) pod(name, { labels: { app: "db" }, ...(name === "db-2" ? { node: "south" } : {}) });
    await Promise.all([ready("db-1"), ready("db-2")]);
    bench.sim.put({ apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "db", namespace: "default" }, spec: { minAvailable: 2, selector: { matchLabels: { app: "db" } } } });
    const ending = bench.run(drain());
    await expect.poll(() => bench.gavePlace).toBeGreaterThan(0);
    expect(podNames()).toEqual(["db-1", "db-2"]);
    pod("db-3", { labels: { app: "db" }, node: "south" });
    expect(await ending).toMatchObject({ state: "succeeded" });
    expect(evictions().length).toBeGreaterThan(1);
    expect(podNames()).toEqual(["db-2", "db-3"]);
  });

  test("that is out of time names what is still there, and why", async () => {
    pod("db-1", { labels: { app: "db" } });
    pod("web-1");
    await ready("db-1");
    bench.sim.put({ apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "db", namespace: "default" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "db" } } } });
    const outcome = await bench.run(drain({ timeoutMs: 30_000 }));
    expect(outcome).toMatchObject({ state: "failed", code: "COMMAND_FAILED", what: expect.stringMatching(/^north is cordoned and not drained: 1 of 2 pods evicted; Pod\/default\/db-1: Cannot evict pod/) as string });
    expect(shown(outcome)).toEqual([expect.stringMatching(/db-1 failed: Cannot evict pod as it would violate .* needs 1 healthy pods and has 1 currently$/), "Pod/default/web-1 deleted"]);
  });

  test("run again evicts the pods that it found at first, and none that came later", async () => {
    pod("web-1");
    await bench.run(drain());
    pod("web-2");
    pod("web-1"); // the name is the same, the pod is another
    expect(await bench.again(drain())).toMatchObject({ state: "succeeded", what: "north is drained: 1 of 1 pod evicted" });
    expect(podNames()).toEqual(["web-1", "web-2"]);
    expect(evictions()).toHaveLength(1);
  });

  test("an eviction names the very pod, and the time that it gets", async () => {
    pod("web-1");
    const { uid } = bench.sim.find("Pod", "default", "web-1")!.metadata;
    await bench.run(drain({ gracePeriodMs: 5_000 }));
    expect(evictions()[0]!.body).toMatchObject({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "web-1", namespace: "default" }, deleteOptions: { gracePeriodSeconds: 5, preconditions: { uid } } });
  });

  test("asks an older server in the version that it takes, and one without evictions is told so", async () => {
    pod("web-1");
    bench.strike = ({ path }) => (path === "/api/v1" ? { status: 200, body: { resources: [{ name: "pods/eviction", version: "v1beta1" }] } } : null);
    await bench.run(drain());
    expect(evictions()[0]!.body).toMatchObject({ apiVersion: "policy/v1beta1" });
    pod("web-1");
    bench.strike = ({ path }) => (path === "/api/v1" ? { status: 200, body: { resources: [] } } : null);
    await expect(bench.run(drain())).rejects.toMatchObject({ message: "this cluster has no Eviction API" });
  });

  test("goes on with the others when one is refused for good, and waits where a Namespace is ending", async () => {
    pod("two-budgets");
    pod("ending");
    pod("web-1");
    let asked = 0;
    bench.strike = ({ path }) => {
      if (path.endsWith("/two-budgets/eviction")) return { status: 500, body: { message: "This pod has more than one PodDisruptionBudget" } };
      if (path.endsWith("/ending/eviction") && (asked += 1) === 1) return { status: 403, body: { message: "it is being terminated", details: { causes: [{ reason: "NamespaceTerminating" }] } } };
      return null;
    };
    const outcome = await bench.run(drain());
    expect(outcome).toMatchObject({ state: "failed", what: expect.stringContaining("2 of 3 pods evicted") as string });
    expect(shown(outcome)).toEqual(["Pod/default/ending deleted", "Pod/default/two-budgets failed: This pod has more than one PodDisruptionBudget", "Pod/default/web-1 deleted"]);
  });

  test("waits for a pod that takes its time to end", async () => {
    pod("web-1");
    const found = bench.sim.find("Pod", "default", "web-1")!;
    let looks = 0;
    bench.strike = ({ path }) => {
      if (path.endsWith("/eviction")) return { status: 201, body: {} };
      if (!path.startsWith("/api/v1/pods?")) return null;
      looks += 1;
      return { status: 200, body: { items: looks > 3 ? [] : [looks > 2 ? { ...found, metadata: { ...found.metadata, deletionTimestamp: "2026-11-25T09:10:00Z" } } : found] } };
    };
    expect(await bench.run(drain())).toMatchObject({ state: "succeeded" });
    expect([looks, evictions().length]).toEqual([4, 1]);
  });

  test.each([["GET", /nodes\/north/], ["GET", /\/pods\?/], ["POST", /eviction/]] as const)("is undecided while the API server fails on %s %s", async (method, path) => {
    pod("web-1");
    bench.strike = (call) => (call.method === method && path.test(call.path) ? { status: 503, body: { message: "away" } } : null);
    await expect(bench.run(drain())).rejects.toMatchObject({ code: "API_SERVER_DOWN", why: "away" });
  });
});
