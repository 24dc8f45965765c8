// Small changes as orders, from the command line to a cluster: scale, restart, delete, now and for a site that is away, and what is refused before it leaves.
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask } from "./kube-rest.ts";
import { Place, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: TestCluster;
let agent: Started;
const manifest = join(place.dir, "web.yaml");
const deployment = "/apis/apps/v1/namespaces/default/deployments/web";
const configMap = "/api/v1/namespaces/default/configmaps/settings";

interface Workload {
  readonly spec: { readonly replicas: number; readonly template: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } } };
}

beforeAll(async () => {
  cluster = await startTestCluster();
  await place.relay();
  await place.login();
  agent = await place.site("north", cluster.kubeconfig);
  const web = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "default" }, spec: { replicas: 1, selector: { matchLabels: { app: "web" } }, template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "busybox" }] } } } };
  writeFileSync(manifest, `${JSON.stringify(web)}\n---\n${JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "default" } })}\n`);
  await place.ok(["apply", "-f", manifest, "--site", "north", "--wait=30s"]);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

const read = async (path: string): Promise<{ status: number; body: unknown }> => ask(place, "GET", `/k8s/north${path}`);
const web = async (): Promise<Workload> => (await read(deployment)).body as Workload;

test("scale and restart reach the workload, and say what came of it", async () => {
  expect(await place.ok(["scale", "deploy/web", "--replicas", "2", "--site", "north", "--wait=30s"])).toMatch(/scaled from 1 to 2|succeeded/);
  expect((await web()).spec.replicas).toBe(2);
  await place.ok(["restart", "deployment/web", "--site", "north", "--wait=30s"]);
  expect((await web()).spec.template.metadata.annotations?.["kubectl.kubernetes.io/restartedAt"]).toMatch(/^\d{4}-/);
  const { items } = JSON.parse(await place.ok(["command", "ls", "--site", "north", "-o", "json"])) as { items: { what: string; state: string }[] };
  expect(items.slice(0, 2).map(({ what, state }) => `${what}: ${state}`)).toEqual(["restart Deployment/web: succeeded", "scale Deployment/web to 2: succeeded"]);
});

test("orders for a site that is away wait, and run in their order", async () => {
  await agent.stop();
  await place.ok(["scale", "deploy/web", "--replicas", "5", "--site", "north"]);
  await place.ok(["delete", "-f", manifest, "--site", "north"]);
  const last = (await place.ok(["apply", "-f", manifest, "--site", "north", "-o", "name"])).trim();
  place.agent("north", cluster.kubeconfig);
  await place.ok(["command", "wait", last, "--timeout", "60s"]);
  expect((await web()).spec.replicas).toBe(1);
  expect((await read(configMap)).status).toBe(200);
});

test("delete by name removes it; again it was not there", async () => {
  await place.ok(["delete", "cm/settings", "--site", "north", "--wait=30s"]);
  expect((await read(configMap)).status).toBe(404);
  const done = JSON.parse(await place.ok(["delete", "cm/settings", "--site", "north", "--wait=30s", "-o", "json"])) as { outcome: { objects: unknown[] } };
  expect(done.outcome.objects).toEqual([{ ref: "ConfigMap/settings", result: "unchanged", why: "it was not there" }]);
});

test.each([
  [["scale", "deploy/web", "--site", "north"], /--replicas/],
  [["scale", "deploy/web", "--replicas", "-1", "--site", "north"], /0 to 10000/],
  [["restart", "cm/settings", "--site", "north"], /Deployment, StatefulSet, DaemonSet/],
  [["delete", "--site", "north"], /nothing to delete/],
  [["delete", "widget/x", "--site", "north"], /KIND\/NAME/],
])("%j is refused before anything leaves", async (args, words) => {
  const done = await place.cli(args);
  expect(done.code).toBe(2);
  expect(done.err).toMatch(words);
});
