// An agent whose clock is wrong, by injection: a year ahead or at 1970, with and without a reboot, while the relay is away. Orders that wait at the site go on
// waiting where the time is unknown and run where it is known by the machine's uptime; nothing expires because of one wrong year; a link settles all of it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, commands } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const year = 365 * 86_400_000;
const place = new Place();
let cluster: SimCluster;
let relay: Started;
let agent: Started;
let orders = 0;

beforeAll(async () => {
  cluster = await startSimCluster();
  relay = await place.relay();
  await place.login();
  agent = await place.site("anvil", cluster.kubeconfig);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

async function submit(spec: unknown): Promise<void> {
  const { status } = await ask(place, "POST", "/api/v1/commands", { body: { site: "anvil", spec, orderingKey: `turn-${orders}` } });
  expect(status).toBe(202);
}

/** An apply that has begun, and a Job that waits for its end: both at the site, with the relay gone and the API server back. */
async function leftAtSite(): Promise<string> {
  orders += 1;
  const name = `order-${orders}`;
  cluster.sim.fault({ match: { method: "PATCH" }, action: { kind: "status", code: 503 } });
  await submit({ kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: {} }], forceConflicts: false });
  await submit({ kind: "job", name, namespace: "default", image: "localhost/busybox:1", command: ["true"], env: {}, timeoutMs: 60_000 });
  await until("both are at the site, and one has begun", async () => (await commands(place)).filter(({ state }) => state === "stored").length === 1 && (await commands(place)).some(({ state }) => state === "running"));
  expect(await agent.stop()).toBe(0);
  expect(await relay.stop()).toBe(0);
  cluster.sim.clearFaults();
  return name;
}

const openAtSite = async (): Promise<number> => Number(/(\d+) commands/.exec(await place.ok(["agent", "status", "--data", place.agentData("anvil")]))![1]);
const jobsOf = (name: string): number => cluster.sim.objects("jobs", "default").filter(({ metadata }) => metadata.name.startsWith(`${name}-`)).length;

async function linkedAgain(): Promise<void> {
  relay = await place.relay();
  await until("both have ended well", async () => (await commands(place).catch(() => [{ state: "" }])).every(({ state }) => state === "succeeded"), 60_000);
}

test.each([
  ["a year ahead", String(year)],
  ["at 1970", String(-Date.now())],
])("without a reboot, %s: the time is known by the machine's uptime, and what waits runs without a link", async (_name, shift) => {
  const name = await leftAtSite();
  agent = place.agent("anvil", cluster.kubeconfig, ["--clock-shift", shift]);
  await until("both have run", async () => cluster.sim.find("configmaps", "default", name) !== null && jobsOf(name) === 1 && (await openAtSite().catch(() => 2)) === 0);
  await linkedAgain();
  expect(jobsOf(name)).toBe(1);
});

test.each([
  ["a year ahead", `${year},reboot`],
  ["at 1970", `${-Date.now()},reboot`],
])("after a reboot, %s: the time is unknown, nothing starts and nothing expires until a link says it", async (_name, shift) => {
  const name = await leftAtSite();
  const before = cluster.sim.audit().length;
  agent = place.agent("anvil", cluster.kubeconfig, ["--clock-shift", shift]);
  await agent.said(/"msg":"no link; dialling again"/);
  // Two looks at what waits, five seconds apart; a claim that was found again is judged at once.
  await until("it has looked at the cluster twice", () => cluster.sim.audit().slice(before).filter(({ resource, verb }) => resource === "nodes" && verb === "list").length >= 4, 40_000);
  expect(await openAtSite()).toBe(2);
  expect([cluster.sim.find("configmaps", "default", name), jobsOf(name)]).toEqual([null, 0]);
  await linkedAgain();
  expect([cluster.sim.find("configmaps", "default", name) !== null, jobsOf(name)]).toEqual([true, 1]);
});
