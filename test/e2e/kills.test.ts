// kill -9 at named points, on real processes, again and again: every command ends once, every Job ran once, no result is missing. The relay's and the agent's
// points take turns with a restart of whichever died. `KILLS` says how often each point is passed (20 to show the claim, fewer in a quick run).
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, commands, list } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const kills = Number(process.env["KILLS"] ?? "5");
const agentPoints = ["letter-before-insert", "committed-before-receipt", "before-claim", "after-claim", "effect-half-done", "effect-before-outcome", "outcome-before-send", "after-send", "receipt-before-purge"];
const relayPoints = ["parsed-before-commit", "commit-before-answer", "offered-before-send", "after-send", "receipt-before-commit", "result-before-commit", "result-before-receipt"];
/** New for each run: what an earlier run left behind must not count. */
const namespace = `bowline-kills-${Date.now().toString(36)}`;
const endMs = 60_000;

const place = new Place();
let cluster: TestCluster;
let relay: Started;
let agent: Started;
let asked = 0;

beforeAll(async () => {
  cluster = await startTestCluster();
  relay = await place.relay();
  await place.login();
  agent = await place.site("anvil", cluster.kubeconfig);
  await ask(place, "POST", "/k8s/anvil/api/v1/namespaces", { body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } } });
});

afterAll(async () => {
  if (agent !== undefined && !agent.hasEnded) await ask(place, "DELETE", `/k8s/anvil/api/v1/namespaces/${namespace}`).catch(() => null);
  await place.close();
  await cluster?.stop();
});

/** One order of each kind; a submission that dies with the relay is asked again with the same key. */
async function order(): Promise<void> {
  asked += 1;
  const key = `kill-${asked}`;
  const objects = [1, 2, 3].map((index) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `cm-${asked}-${index}`, namespace }, data: { asked: String(asked) } }));
  await submit(`${key}-apply`, { kind: "apply", objects, forceConflicts: false });
  await submit(`${key}-job`, { kind: "job", name: `job-${asked}`, namespace, image: "localhost/busybox:1", command: ["sh", "-c", `echo ran ${asked}`], env: {}, timeoutMs: 60_000 });
}

async function submit(key: string, spec: unknown): Promise<void> {
  const file = join(place.dir, `${key}.json`);
  writeFileSync(file, JSON.stringify(spec));
  await until(`${key} is accepted`, async () => {
    if (relay.hasEnded) relay = await place.relay();
    const { status, body } = await postOnce(key, spec);
    if (status === 202) return true;
    if (status !== 0) throw new Error(`${key}: ${status} ${JSON.stringify(body)}`);
    return false;
  }, endMs);
}

async function postOnce(key: string, spec: unknown): Promise<{ status: number; body: unknown }> {
  const { request } = await import("node:https");
  const { readFileSync } = await import("node:fs");
  const { contextToken } = await import("./kube-rest.ts");
  const body = JSON.stringify({ site: "anvil", spec });
  return new Promise((resolve) => {
    const asking = request(
      { host: "127.0.0.1", port: new URL(place.relayUrl).port, method: "POST", path: "/api/v1/commands", agent: false, ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8"), headers: { authorization: `Bearer ${contextToken(place)}`, "content-type": "application/json", "content-length": Buffer.byteLength(body), "idempotency-key": key } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.on("end", () => resolve({ status: answer.statusCode!, body: text }));
        answer.on("error", () => resolve({ status: 0, body: "" }));
      },
    );
    asking.on("error", () => resolve({ status: 0, body: "" }));
    asking.end(body);
  });
}

/** Brings back whoever died, until everything that was asked has ended. */
async function settle(): Promise<void> {
  await until("every command ends", async () => {
    if (relay.hasEnded) relay = await place.relay();
    if (agent.hasEnded) agent = place.agent("anvil", cluster.kubeconfig);
    const all = await commands(place).catch(() => []);
    return all.length > 0 && all.every(({ state }) => state === "succeeded");
  }, endMs);
}

async function expectOnce(): Promise<void> {
  const all = await commands(place);
  expect(all.filter(({ state }) => state !== "succeeded")).toEqual([]);
  const jobs = await until("the site is linked", async () => list(place, "anvil", `/apis/batch/v1/namespaces/${namespace}/jobs`).catch(() => null));
  const pods = await list(place, "anvil", `/api/v1/namespaces/${namespace}/pods`);
  expect(jobs.items).toHaveLength(asked);
  // One pod a Job: a second start would have left a second one.
  const podsOf = jobs.items.map((job) => pods.items.filter((pod) => pod.metadata.labels?.["job-name"] === job.metadata.name).length);
  expect(podsOf).toEqual(jobs.items.map(() => 1));
  const configMaps = await list(place, "anvil", `/api/v1/namespaces/${namespace}/configmaps`);
  expect(configMaps.items.filter(({ metadata }) => metadata.name.startsWith("cm-"))).toHaveLength(3 * asked);
}

test.each(agentPoints)("the agent, killed at %s", { timeout: kills * endMs }, async (point) => {
  let deaths = 0;
  for (let round = 0; round < kills; round += 1) {
    await agent.stop();
    agent = place.agent("anvil", cluster.kubeconfig, ["--crash-at", point]);
    await order();
    deaths += (await Promise.race([agent.ended, new Promise<number>((resolve) => setTimeout(() => resolve(0), 10_000))])) === 137 ? 1 : 0;
    await settle();
  }
  expect(deaths).toBe(kills);
  await expectOnce();
});

test.each(relayPoints)("the relay, killed at %s", { timeout: kills * endMs }, async (point) => {
  let deaths = 0;
  for (let round = 0; round < kills; round += 1) {
    await relay.stop();
    relay = await place.relay(["--crash-at", point]);
    const doomed = relay;
    await order();
    deaths += (await Promise.race([doomed.ended, new Promise<number>((resolve) => setTimeout(() => resolve(0), 10_000))])) === 137 ? 1 : 0;
    await settle();
  }
  expect(deaths).toBe(kills);
  await expectOnce();
});
