// The command `collect` against an API server in memory: what a support bundle holds, what is never in it, and that it stays within its bound, the least first.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gunzipSync } from "node:zlib";
import { fittedBundle } from "../agent/command/bundle.ts";
import type { SupportBundle } from "../shared/api.ts";
import { boundedOutcome, bundleCharsMax } from "../shared/rules/outcome.ts";
import { CommandBench } from "./kit/command-bench.ts";

const opened = (bundle: string | undefined): SupportBundle => JSON.parse(gunzipSync(Buffer.from(bundle!, "base64")).toString("utf8")) as SupportBundle;

describe("a bundle", () => {
  let bench: CommandBench;
  const collect = (more: object = {}) => ({ kind: "collect", namespaces: [], ...more });

  beforeEach(async () => {
    bench = await CommandBench.open({ settings: { podStartMs: 1 } });
    const { sim } = bench;
    sim.put({ apiVersion: "v1", kind: "Secret", metadata: { name: "password", namespace: "default" }, stringData: { word: "hunter2-secret" } });
    sim.put({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "default" }, data: { word: "hunter2-config" } });
    const env = [{ name: "WORD", valueFrom: { secretKeyRef: { name: "password", key: "word" } } }, { name: "PLAIN", value: "hunter2-env" }];
    const bad = { name: "bad", image: "busybox", env, command: ["sh", "-c", "echo it went wrong; exit 1"] };
    const template = { metadata: { labels: { app: "bad" }, annotations: { "kubectl.kubernetes.io/last-applied-configuration": "hunter2-applied" } }, spec: { containers: [bad] } };
    sim.put({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "bad", namespace: "default" }, spec: { replicas: 1, selector: { matchLabels: { app: "bad" } }, template } });
    sim.put({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "good", namespace: "default" }, spec: { replicas: 0, selector: { matchLabels: { app: "good" } }, template: { metadata: { labels: { app: "good" } }, spec: { containers: [{ name: "good", image: "busybox" }] } } } });
    for (const [name, type, ageMs] of [["old", "Warning", 7_200_000], ["warning", "Warning", 60_000], ["normal", "Normal", 1_000]] as const) {
      sim.put({ apiVersion: "v1", kind: "Event", metadata: { name, namespace: "default" }, involvedObject: { kind: "Pod", name: "bad" }, reason: "BackOff", message: name, type, lastTimestamp: new Date(Date.now() - ageMs).toISOString() });
    }
    await expect.poll(() => JSON.stringify(sim.objects("Pod", "default"))).toContain("CrashLoopBackOff");
  });
  afterEach(() => bench.close());

  test("holds the agent, the nodes, what is not well with its logs, and events of the time that was asked for", async () => {
    const outcome = await bench.run(collect());
    expect(outcome).toMatchObject({ state: "succeeded", what: "1 node, 1 unwell workload, 1 unwell pod, 2 events, 1 log", objects: [] });
    const bundle = opened(outcome.bundle);
    expect(bundle).toMatchObject({ kind: "SupportBundle", agent: { name: "plant-07" }, version: { gitVersion: expect.stringMatching(/^v1/) as string }, problems: [], leftOut: {} });
    expect(bundle.workloads).toMatchObject([{ kind: "Deployment", metadata: { name: "bad" } }]);
    expect(bundle.events).toMatchObject([{ message: "warning" }, { message: "normal" }]);
    expect(bundle.logs).toMatchObject([{ pod: expect.stringMatching(/^default\/bad-/) as string, container: "bad", isPrevious: false, text: "it went wrong\n", missingOctets: 0 }]);
  });

  test("never holds Secrets, data of ConfigMaps, values of environments, what was applied, or who manages which field", async () => {
    const text = JSON.stringify(opened((await bench.run(collect())).bundle));
    expect(text).toContain("secretKeyRef");
    expect(text).not.toMatch(/hunter2|managedFields/);
    expect(bench.calls.map(({ path }) => path).filter((path) => /secrets|configmaps/.test(path))).toEqual([]);
  });

  test("of one namespace holds only that, and the nodes", async () => {
    expect(await bench.run(collect({ namespaces: ["kube-system"] }))).toMatchObject({ what: "1 node, 0 unwell workloads, 0 unwell pods, 0 events, 0 logs" });
  });

  test("reads on when a part may not be read, and says which", async () => {
    bench.strike = ({ path }) => (path.startsWith("/api/v1/nodes") ? { status: 403, body: { message: "nodes is forbidden" } } : path.includes("/log?") ? { status: 500, body: { message: "the kubelet is away" } } : null);
    const outcome = await bench.run(collect());
    expect(outcome.what).toBe("0 nodes, 1 unwell workload, 1 unwell pod, 2 events, 1 log; 1 problem");
    expect(opened(outcome.bundle)).toMatchObject({ problems: ["nodes: nodes is forbidden"], logs: [{ text: "", why: "the kubelet is away" }] });
  });

  test("is asked for again while the API server is away", async () => {
    bench.strike = ({ path }) => (path.includes("/events") ? { status: 503, body: { message: "away" } } : null);
    await expect(bench.run(collect())).rejects.toMatchObject({ code: "API_SERVER_DOWN" });
  });
});

describe("within its bound", () => {
  const head = { apiVersion: "bowline/v1", kind: "SupportBundle", madeAt: "2026-11-25T09:10:00.000Z", namespaces: [], sinceMs: 1, problems: [], agent: {}, version: {} } as const;
  /** Text that no compression makes much smaller. */
  const noise = (seed: number, length: number): string => {
    let state = seed + 1;
    return Array.from({ length }, () => String.fromCharCode(33 + ((state = (state * 48_271) % 2_147_483_647) % 90))).join("");
  };
  const findings = (["nodes", "pods", "events"] as const).flatMap((section) => Array.from({ length: 200 }, (_value, index) => ({ section, item: { text: noise(index + section.length * 1_000, 1_000) } })));

  test("what is worth least is left out first, and counted", async () => {
    const { bundle, content } = await fittedBundle(head, findings);
    expect(bundle.length).toBeLessThanOrEqual(bundleCharsMax);
    expect(bundle.length).toBeGreaterThan(bundleCharsMax * 0.97);
    expect(content.nodes).toHaveLength(content.pods.length === 0 ? content.nodes.length : 200);
    expect(content.nodes.length + content.pods.length + content.events.length + Object.values(content.leftOut).reduce((sum, count) => sum + count, 0)).toBe(600);
    expect(opened(bundle)).toEqual(content);
    expect(boundedOutcome({ state: "succeeded", what: "", code: null, objects: [], bundle }).bundle).toBe(bundle);
  });

  test("what fits is there whole", async () => {
    expect((await fittedBundle(head, findings.slice(0, 20))).content).toMatchObject({ leftOut: {}, nodes: { length: 20 } });
    expect((await fittedBundle(head, [])).content).toMatchObject({ leftOut: {}, nodes: [] });
  });

  test("one finding that is larger than all of it is left out", async () => {
    expect((await fittedBundle(head, [{ section: "logs", item: { text: noise(1, 400_000) } }])).content).toMatchObject({ leftOut: { logs: 1 }, logs: [] });
  });
});
