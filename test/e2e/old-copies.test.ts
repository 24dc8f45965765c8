// An agent whose database is not the one that it was: an old copy swapped in, which the witness beside it finds out; a whole folder put back, which only the relay can
// find out. Each time the site links again, orders settle, and the centre hears of it.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "./kube-rest.ts";
import { Place, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: TestCluster;
let agent: Started;
const folder = place.agentData("north");
const copy = join(place.dir, "copy");

beforeAll(async () => {
  cluster = await startTestCluster();
  await place.relay();
  await place.login();
  agent = await place.site("north", cluster.kubeconfig);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

const epoch = (text: string): string => (JSON.parse(text) as { witness: { agentEpoch: string } }).witness.agentEpoch;
const witnessEpoch = (): string => epoch(readFileSync(join(folder, "witness"), "utf8"));
const isThere = async (name: string): Promise<boolean> => (await ask(place, "GET", `/k8s/north/api/v1/namespaces/default/configmaps/${name}`)).status === 200;

/** An order to make a ConfigMap; its id. */
async function apply(name: string, ...more: readonly string[]): Promise<string> {
  const manifest = join(place.dir, `${name}.yaml`);
  writeFileSync(manifest, JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } }));
  return (await place.ok(["apply", "-f", manifest, "--site", "north", "-o", "name", ...more])).trim();
}

test("an old copy of the database is put aside by its witness; the site goes on, and says so there and at the centre", async () => {
  await apply("one", "--wait=30s");
  await agent.stop();
  cpSync(join(folder, "agent.db"), copy);
  agent = place.agent("north", cluster.kubeconfig);
  await apply("two", "--wait=30s");
  await agent.stop();
  const before = witnessEpoch();
  cpSync(copy, join(folder, "agent.db"));
  const waiting = await apply("three");

  agent = place.agent("north", cluster.kubeconfig);
  await agent.said(/an old copy, or a log that lost its end.*"msg":"the database was put aside/);
  await place.ok(["command", "wait", waiting, "--timeout", "60s"]);
  expect(await Promise.all(["one", "two", "three"].map(isThere))).toEqual([true, true, true]);
  expect(await place.ok(["agent", "status", "--data", folder])).toMatch(/database {3}made anew .*: it ends at commit/);
  expect(await place.ok(["site", "describe", "north"])).toMatch(/quarantined +the database was put aside: it ends at commit/);
  const { items } = JSON.parse(await place.ok(["command", "ls", "--site", "north", "-o", "json"])) as { items: { state: string }[] };
  expect(items.map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded"]);
  await agent.stop();
  expect(witnessEpoch()).not.toBe(before);
  expect(readdirSync(join(folder, "quarantine"))).toHaveLength(1);
});

test("a whole folder that is put back does not know what it has receipted: the relay says so, and the agent makes its database anew where it runs", async () => {
  rmSync(copy, { recursive: true, force: true });
  cpSync(folder, copy, { recursive: true });
  agent = place.agent("north", cluster.kubeconfig, ["--crash-at", "receipt-sent"]);
  await agent.said(/"msg":"linked"/);
  const lost = await apply("four");
  await agent.ended;
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  expect(existsSync(join(folder, "witness"))).toBe(true);

  agent = place.agent("north", cluster.kubeconfig);
  await agent.said(/it does not know \S+, which it has receipted.*"msg":"the database is put aside and made anew"/, 60_000);
  await place.ok(["command", "wait", lost, "--timeout", "60s"]);
  expect(await isThere("four")).toBe(true);
  const described = await place.ok(["site", "describe", "north"]);
  expect(described).toMatch(/alarm +the site does not know \S+, which it has receipted/);
  expect(described).toMatch(/lost-disk +the agent has a new database/);
  expect(agent.hasEnded).toBe(false);
});
