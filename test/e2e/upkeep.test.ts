// Orders that look after a site, from the command line to a cluster: rollout undo, cordon and drain, scripts with their logs, support bundles; and what is refused
// before anything leaves.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandView, SupportBundle } from "../../shared/api.ts";
import { Place, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: SimCluster;
let agent: Started;

beforeAll(async () => {
  cluster = await startSimCluster({ nodes: ["north-1", "north-2"], settings: { jobRunMs: 20 } });
  await place.relay();
  await place.login();
  agent = await place.site("north", cluster.kubeconfig);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

const at = ["--site", "north"] as const;
const waiting = [...at, "--wait=60s"] as const;
const file = (name: string, text: string): string => {
  const path = join(place.dir, name);
  writeFileSync(path, text);
  return path;
};
const isCordoned = (name: string): boolean => (cluster.sim.find("Node", undefined, name)!["spec"] as { unschedulable?: boolean }).unschedulable === true;

async function deploy(image: string): Promise<void> {
  const web = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "default" }, spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image }] } } } };
  await place.ok(["apply", "-f", file("web.json", JSON.stringify(web)), ...waiting]);
  await expect.poll(() => cluster.sim.objects("ReplicaSet", "default").some((set) => JSON.stringify(set).includes(`"image":"${image}"`))).toBe(true);
}

test("rollout undo takes a workload back, also when the site was away", async () => {
  await deploy("v1");
  await deploy("v2");
  await agent.stop();
  const id = (await place.ok(["rollout", "undo", "deploy/web", ...at, "-o", "name"])).trim();
  agent = place.agent("north", cluster.kubeconfig);
  expect(await place.ok(["command", "wait", id, "--timeout", "60s"])).toMatch(/undo Deployment\/web +succeeded .*rolled back to revision 1/);
  expect(JSON.stringify(cluster.sim.find("Deployment", "default", "web")!["spec"])).toContain('"image":"v1"');
  const done = await place.cli(["rollout", "undo", "deploy/web", "--to-revision", "9", ...waiting]);
  expect([done.code, done.err]).toEqual([1, expect.stringContaining("there is no revision 9: its history has revisions 2, 3")]);
});

test("cordon and drain reach the node, and what a pod needs is said before anything is evicted", async () => {
  await place.ok(["cordon", "north-1", ...waiting]);
  expect(isCordoned("north-1")).toBe(true);
  await place.ok(["uncordon", "north-1", ...waiting]);
  expect(isCordoned("north-1")).toBe(false);
  cluster.sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "alone", namespace: "default" }, spec: { nodeName: "north-1", containers: [{ name: "c", image: "busybox" }] } });
  const refused = await place.cli(["drain", "north-1", ...waiting]);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("--force was not given: default/alone")]);
  expect(cluster.sim.find("Pod", "default", "alone")).not.toBeNull();
  const view = JSON.parse(await place.ok(["drain", "north-1", "--force", "--grace-period", "5s", ...waiting, "-o", "json"])) as CommandView;
  expect(view.outcome!.objects).toContainEqual({ ref: "Pod/default/alone", result: "deleted", why: "" });
  expect(cluster.sim.objects("Pod", "default").some((pod) => (pod["spec"] as { nodeName?: string }).nodeName === "north-1")).toBe(false);
});

describe("a script", () => {
  test("runs with its arguments, and what it wrote is printed when it was waited for, by describe, and by job logs", async () => {
    const script = file("hello.sh", "echo hello $1\necho '\u001b[31mred\u001b[0m'\n");
    const out = await place.ok(["script", "run", "hello", "--image", "busybox", "-f", script, ...waiting, "--", "plant"]);
    expect(out).toMatch(/script default\/hello +succeeded[^]*\nlog of \S+ at north:\nhello plant\n\[31mred\[0m\n$/);
    const id = /log of (\S+) at/.exec(out)![1]!;
    expect(await place.ok(["job", "logs", id])).toBe("hello plant\n[31mred[0m\n");
    expect(await place.ok(["command", "describe", `command/${id}`])).toContain("Log:\nhello plant\n");
    expect((JSON.parse(await place.ok(["command", "describe", id, "-o", "json"])) as CommandView).outcome!.log).toEqual({ text: "hello plant\n\u001b[31mred\u001b[0m\n", missingOctets: 0, why: "" });
  });

  test("that fails says its exit code, and its log is printed all the same", async () => {
    const done = await place.cli(["script", "run", "bad", "--image", "busybox", "-f", "-", ...waiting], { input: "echo no space; exit 3" });
    expect(done).toMatchObject({ code: 1, out: expect.stringContaining(":\nno space\n") as string, err: expect.stringContaining("exit code 3") as string });
  });

  test("of any other order there is no log", async () => {
    const id = (await place.ok(["cordon", "north-2", ...waiting, "-o", "name"])).trim();
    expect(await place.cli(["job", "logs", id])).toMatchObject({ code: 5, err: expect.stringContaining("its outcome has none") as string });
  });
});

describe("a support bundle", () => {
  test("is written to a file that only its owner may read, and what is in it is said", async () => {
    const path = join(place.dir, "north.json");
    const done = await place.cli(["collect", ...at, "-f", path]);
    expect(done).toMatchObject({ code: 0, err: expect.stringMatching(/north: \S+north\.json holds 2 nodes, \d+ workloads/) as string });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const bundle = JSON.parse(readFileSync(path, "utf8")) as SupportBundle;
    expect(bundle).toMatchObject({ kind: "SupportBundle", agent: { name: "north", state: "linked" }, nodes: [{ metadata: { name: "north-1" } }, { metadata: { name: "north-2" } }] });
  });

  test("of a site that is away comes when it returns, and is fetched then", async () => {
    await agent.stop();
    const id = (await place.ok(["collect", ...at, "--defer", "-n", "default,kube-system", "-o", "name"])).trim();
    agent = place.agent("north", cluster.kubeconfig);
    await place.ok(["command", "wait", id, "--timeout", "60s"]);
    const path = join(place.dir, "later.json");
    await place.ok(["command", "bundle", id, "-f", path]);
    expect((JSON.parse(readFileSync(path, "utf8")) as SupportBundle).namespaces).toEqual(["default", "kube-system"]);
  });
});

test.each([
  [["rollout", "undo", "cm/settings", ...at], 2, /Deployment, StatefulSet, DaemonSet/],
  [["rollout", "undo", "deploy/web", "--to-revision", "-1", ...at], 2, /whole number from 0/],
  [["drain", "../x", ...at], 2, /spec\.node/],
  [["drain", "north-1", "--grace-period", "2d", ...at], 2, /from 0s to 1d/],
  [["drain", "north-1", "--timeout", "8d", ...at], 2, /1 second to 7 days/],
  [["script", "run", "a", "--image", "b", ...at], 2, /--filename/],
  [["script", "run", "a", "--image", "b", "-f", "/nowhere.sh", ...at], 1, /cannot be read/],
  [["script", "run", "a", "--image", "b", "-f", "-", ...at], 2, /not empty/],
  [["collect", ...at, "--since", "1s"], 2, /from 1m to 1w/],
  [["collect", ...at, "--expires", "2d"], 2, /24 hours at most/],
  [["collect", "--site", "north,south", "-f", "x.json"], 2, /several sites/],
  [["collect", ...at, "-n", "../x"], 2, /spec\.namespaces/],
] as [string[], number, RegExp][])("%j is refused before anything leaves", async (args, code, words) => {
  const done = await place.cli(args, { input: "" });
  expect([done.code, done.err]).toEqual([code, expect.stringMatching(words)]);
});
