// Clean ends: a relay or an agent that is asked to stop says BYE, lets what is finite finish, gives the rest its honest end in bounded time, and exits 0; asked twice it
// ends at once. Whoever returns is served again, and requests that meet a site which is about to return wait for it.
import { Agent as HttpsAgent, request } from "node:https";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, contextToken } from "./kube-rest.ts";
import { Live, statusParts } from "./live.ts";
import { Place, until, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const drainMs = 3_000;
/** Beyond the drain: closing handshake, last writes, the process's own end, on a machine that does other work. */
const graceMs = 3_000;
const configMaps = "/k8s/site/api/v1/namespaces/default/configmaps";
const relayArgs = ["--drain", `${drainMs}ms`];
const agentArgs = ["--drain", `${drainMs}ms`];
const place = new Place();
let cluster: SimCluster;
let relay: Started;
let agent: Started;

beforeAll(async () => {
  cluster = await startSimCluster();
  cluster.sim.fill("configmaps", "default", 10, 10_000);
  cluster.sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "clock" }, spec: { containers: [{ name: "main", image: "busybox", command: ["sh", "-c", "while true; do echo tick; sleep 0.1; done"] }] } });
  await cluster.sim.until("pods", "default", "clock", (pod) => (pod["status"] as { phase?: string }).phase === "Running");
  cluster.sim.fault({ match: { path: /configmaps\/held/ }, action: { kind: "silence" } });
  relay = await place.relay(relayArgs);
  await place.login();
  agent = await place.site("site", cluster.kubeconfig, agentArgs);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

interface Work {
  readonly watch: Live;
  readonly log: Live;
  readonly upload: Live;
  readonly finite: Live;
}

/** A watch, a log that goes on, an upload that is not done, and an answer that takes a second. */
async function openWork(): Promise<Work> {
  const watch = new Live(place, `${configMaps}?watch=1`);
  const log = new Live(place, "/k8s/site/api/v1/namespaces/default/pods/clock/log?follow=true&tailLines=1");
  const upload = new Live(place, `${configMaps}/held`, { method: "PUT", body: null, headers: { "content-type": "application/json" } });
  upload.request.write(" ".repeat(10_000));
  await Promise.all([watch.said(/ADDED.*\n/), log.said(/tick\n/), until("the upload has begun", () => cluster.sim.audit().some(({ name, outcome }) => name === "held" && outcome === "open"))]);
  cluster.sim.fault({ match: { verb: "list" }, times: 1, action: { kind: "slow", bytesPerSecond: 100_000 } });
  const finite = new Live(place, configMaps);
  await finite.head;
  return { watch, log, upload, finite };
}

async function expectHonestEnds({ watch, log, upload, finite }: Work): Promise<void> {
  expect((await finite.ended).how).toBe("complete");
  expect(finite.octets).toBeGreaterThan(100_000);
  expect((await watch.ended).how).toBe("complete");
  expect(watch.tail.endsWith("\n")).toBe(true);
  expect((await log.ended).how).toBe("aborted");
  expect((await upload.ended).how).toBe("complete");
  expect([upload.status, statusParts(upload.tail)]).toMatchObject([503, { fault: "DRAINING", what: expect.stringMatching(/shutting down/) as string }]);
  await until("nothing is left at the API server", () => cluster.sim.openRequests() === 0);
}

/** Stops with SIGTERM; the exit code and how long it took. */
async function stopped(started: Started): Promise<{ code: number; ms: number }> {
  const begunMs = performance.now();
  return { code: await started.stop(), ms: performance.now() - begunMs };
}

/** One request on a pool's socket. */
function askOn(pool: HttpsAgent, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ agent: pool, host: "127.0.0.1", port: new URL(place.relayUrl).port, path, headers: { authorization: `Bearer ${contextToken(place)}` } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode!, text }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

const linkEnd = /"code":"DRAINING".*"saidBy":"peer".*"msg":"link ended"/;

describe("a relay that is asked to stop", () => {
  test("drains in its time, ends every client honestly, refuses what comes late, and exits 0", async () => {
    const work = await openWork();
    // A socket that is busy now and asks again later: everybody else finds the door closed.
    const pool = new HttpsAgent({ keepAlive: true, maxSockets: 1, ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8") });
    cluster.sim.fault({ match: { verb: "list" }, times: 1, action: { kind: "slow", bytesPerSecond: 100_000 } });
    const busy = askOn(pool, configMaps);
    const late = askOn(pool, "/k8s/site/version");
    await until("the busy one is under way", () => cluster.sim.audit().filter(({ verb, outcome }) => verb === "list" && outcome === "open").length === 2);
    const ending = stopped(relay);
    expect((await busy).status).toBe(200);
    const { status, text } = await late;
    expect([status, statusParts(text).fault]).toEqual([503, "DRAINING"]);
    pool.destroy();
    await expectHonestEnds(work);
    const { code, ms } = await ending;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(drainMs + graceMs);
    await agent.said(linkEnd);
  });

  test("and is started again serves its sites within seconds: requests wait for the site's return and succeed", async () => {
    relay = await place.relay(relayArgs);
    const begunMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(place, "GET", "/k8s/site/version")));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(performance.now() - begunMs).toBeLessThan(5_000);
  });

  test("a site that was away long before is refused at once, restart or not", async () => {
    await place.joined("gone", cluster.kubeconfig);
    const begunMs = performance.now();
    expect((await ask(place, "GET", "/k8s/gone/version")).status).toBe(503);
    expect(performance.now() - begunMs).toBeLessThan(1_000);
  });
});

describe("an agent that is asked to stop", () => {
  test("drains in its time, ends every client honestly, and exits 0; its site is offline from then on, and serves when it is back", async () => {
    const work = await openWork();
    const ending = stopped(agent);
    await expectHonestEnds(work);
    const { code, ms } = await ending;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(drainMs + graceMs);
    await relay.said(linkEnd);
    const begunMs = performance.now();
    const { status, body } = await ask(place, "GET", "/k8s/site/version");
    expect([status, statusParts(JSON.stringify(body)).fault]).toEqual([503, "SITE_OFFLINE"]);
    expect(performance.now() - begunMs).toBeLessThan(1_000);
    agent = place.agent("site", cluster.kubeconfig, agentArgs);
    await agent.said(/"msg":"linked"/);
    expect((await ask(place, "GET", "/k8s/site/version")).status).toBe(200);
  });
});

describe("asked twice", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s, either ends at once, whatever is open", async (signal, exit) => {
    for (const side of ["agent", "relay"] as const) {
      const log = new Live(place, "/k8s/site/api/v1/namespaces/default/pods/clock/log?follow=true&tailLines=1");
      await log.said(/tick\n/);
      const started = side === "agent" ? agent : relay;
      started.child.kill(signal);
      await started.said(/"msg":"stopping; once more stops at once"/);
      const begunMs = performance.now();
      started.child.kill(signal);
      expect(await started.ended).toBe(exit);
      expect(performance.now() - begunMs).toBeLessThan(1_000);
      expect((await log.ended).how).toBe("aborted");
      if (side === "agent") agent = place.agent("site", cluster.kubeconfig, agentArgs);
      else relay = await place.relay(relayArgs);
      await until("the site serves", async () => (await ask(place, "GET", "/k8s/site/version")).status === 200);
    }
  });
});
