// An API server that is down, shows a wrong certificate, refuses the agent, or breaks its answer off; and a site that is not there. Each gets its own Status at once,
// never a short body that looks whole, and the next good request works.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { kubeconfigText } from "../kit/kubesim/kubeconfig.ts";
import { startKubesim } from "../kit/kubesim/kubesim.ts";
import { expectFault } from "./expect-fault.ts";
import { ask } from "./kube-rest.ts";
import { Live, statusParts } from "./live.ts";
import { Place, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const promptMs = 1_000;
const configMaps = "/k8s/site/api/v1/namespaces/default/configmaps";
const place = new Place();
let cluster: SimCluster;
let agent: Started;

beforeAll(async () => {
  cluster = await startSimCluster({ tokens: { any: "agent", rotated: "agent" } });
  cluster.sim.fill("configmaps", "default", 200, 10_000);
  await place.relay();
  await place.login();
  agent = await place.site("site", cluster.kubeconfig, ["--report-every", "10m"]);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

async function expectStatus(target: string | Live, code: number, fault: string, ...words: readonly RegExp[]): Promise<void> {
  const live = typeof target === "string" ? new Live(place, target) : target;
  expect((await live.ended).how).toBe("complete");
  const answer = await live.head;
  expect((await live.ended).atMs - live.begunMs).toBeLessThan(promptMs);
  const parts = statusParts(live.tail);
  expect(parts).toMatchObject({ code, fault });
  expect(live.status).toBe(code);
  expect(answer!.headers["retry-after"]).toBeUndefined(); // kubectl would wait in silence
  expect([parts.what, parts.why].every((part) => part !== "")).toBe(true);
  for (const word of words) expect(`${parts.what}\n${parts.why}\n${parts.hint}`).toMatch(word);
}

const expectServed = async (): Promise<void> => expect((await ask(place, "GET", "/k8s/site/version")).status).toBe(200);

/** The message that kubectl shows holds our code and what to try. */
const message = async (path: string): Promise<string> => ((await ask(place, "GET", path)).body as { message: string }).message;

describe("an API server", () => {
  test("that is down is a 502 with the cause, and serves again when it is back", async () => {
    const { port } = cluster.sim;
    const { sim } = cluster;
    await sim.stop();
    await expectStatus("/k8s/site/version", 502, "API_SERVER_DOWN", new RegExp(`127\\.0\\.0\\.1:${port} cannot be reached`), /nothing listens there/);
    expect(await message("/k8s/site/version")).toMatch(/nothing listens there.*\n {2}try .*\n {2}code {3}API_SERVER_DOWN/s);
    const again = await startKubesim({ port, tokens: { any: "agent", rotated: "agent" } });
    again.fill("configmaps", "default", 200, 10_000);
    cluster = { ...cluster, sim: again, stop: () => again.stop() };
    await expectServed();
  });

  test("that hangs up before it answers is a 502 for what may not be sent twice; what may is sent once more when the connection was a kept one", async () => {
    const hangUpOnce = (): void => void cluster.sim.fault({ match: { resource: "configmaps" }, times: 1, action: { kind: "hangUp" } });
    await expectServed(); // and leaves a connection that is kept
    hangUpOnce();
    expect((await ask(place, "GET", `${configMaps}/x`)).status).toBe(404);
    hangUpOnce();
    const post = new Live(place, `${configMaps}/x`, { method: "POST", headers: { "content-length": "0" } });
    await expectStatus(post, 502, "API_SERVER_DOWN", /did not answer/);
    await expectServed();
  });

  test.each(["reset", "close", "halfChunk"] as const)("that breaks off half way (%s) makes the client see an abort, never a short valid body", async (kind) => {
    for (const afterBytes of [5_000, 1_000_000]) {
      cluster.sim.fault({ match: { resource: "configmaps" }, times: 1, action: { kind, afterBytes } });
      const live = new Live(place, configMaps);
      const end = await live.ended;
      expect([live.status, end.how]).toEqual([200, "aborted"]);
      expect(end.atMs - live.begunMs).toBeLessThan(5 * promptMs);
      expect(() => JSON.parse(live.tail) as unknown).toThrow();
    }
    const whole = new Live(place, configMaps);
    expect((await whole.ended).how).toBe("complete");
    expect(whole.octets).toBeGreaterThan(200 * 10_000);
  });

  test("that breaks off a watch inside an event makes the client see an abort", async () => {
    cluster.sim.fault({ match: { verb: "watch" }, times: 1, action: { kind: "reset", afterBytes: 5_000 } });
    const live = new Live(place, `${configMaps}?watch=1`);
    expect((await live.ended).how).toBe("aborted");
    await expectServed();
  });

  test("whose 4xx and 5xx are its own: they pass as they are, Retry-After included", async () => {
    for (const code of [403, 404, 409, 410, 422, 429, 500, 503]) {
      cluster.sim.fault({ match: { resource: "configmaps" }, times: 1, action: { kind: "status", code, message: `simulated ${code}`, ...(code === 429 ? { retryAfterS: 7 } : {}) } });
      const live = new Live(place, `${configMaps}/x`);
      const answer = (await live.head)!;
      await live.ended;
      expect([live.status, (JSON.parse(live.tail) as { message: string }).message]).toEqual([code, `simulated ${code}`]);
      expect(answer.headers["retry-after"]).toBe(code === 429 ? "7" : undefined);
    }
  });

  test("that shows a certificate of another authority is not spoken to: 502 with the reason, at the agent's doctor too", async () => {
    const [right, wrong] = await Promise.all([makeAuthority("right", 1, Date.now()), makeAuthority("wrong", 1, Date.now())]);
    const pair = await issueCertificate(wrong, ["127.0.0.1"], 1, Date.now());
    const impostor = await startKubesim({ tls: { ...pair, ca: wrong.cert } });
    const kubeconfig = join(place.dir, "impostor.kubeconfig");
    writeFileSync(kubeconfig, kubeconfigText(impostor.url, right.cert, "any"));
    const other = await place.site("impostor", kubeconfig, ["--report-every", "10m"]);
    await expectStatus("/k8s/impostor/version", 502, "API_SERVER_TLS", /no trusted TLS with 127\.0\.0\.1/, /authority that is not trusted/, /never turn verification off/);
    const upgrade = new Live(place, "/k8s/impostor/api/v1/namespaces/default/pods/p/exec?command=x", { method: "POST", headers: { connection: "Upgrade", upgrade: "SPDY/3.1", "content-length": "0" } });
    await upgrade.ended;
    expect([upgrade.status, statusParts(upgrade.tail).fault]).toEqual([502, "API_SERVER_TLS"]);
    expect(impostor.audit()).toEqual([]); // not even the token was shown
    const doctor = await place.cli(["agent", "doctor", "--data", place.agentData("impostor"), "--kubeconfig", kubeconfig]);
    expect([doctor.code, doctor.out]).toEqual([1, expect.stringMatching(/FAIL +cluster.*not trusted/)]);
    // Named right, the same server serves: a kubeconfig is read again within a minute, a start reads it at once.
    writeFileSync(kubeconfig, kubeconfigText(impostor.url, wrong.cert, "any"));
    await other.stop();
    await place.agent("impostor", kubeconfig).said(/"msg":"linked"/);
    expect((await ask(place, "GET", "/k8s/impostor/version")).status).toBe(200);
    await impostor.stop();
  });

  test("that refuses the agent's token is a 502 that says whose it is, and a rotated one is picked up by the next request", async () => {
    const strict = await startKubesim({ tokens: { good: "agent" } });
    const kubeconfig = join(place.dir, "rotating.kubeconfig");
    writeFileSync(kubeconfig, kubeconfigText(strict.url, "", "stale"));
    await place.site("rotating", kubeconfig, ["--report-every", "10m"]);
    await expectStatus("/k8s/rotating/version", 502, "API_SERVER_AUTH"); // a 401 would tell the client that its own token is wrong
    writeFileSync(kubeconfig, kubeconfigText(strict.url, "", "good"));
    expect((await ask(place, "GET", "/k8s/rotating/version")).status).toBe(200);
    await strict.stop();
  });
});

describe("a site that is not there", () => {
  test("is a 503 at once with four parts and no Retry-After, for requests and upgrades; the command line says the same", async () => {
    expect(await agent.stop()).toBe(0);
    await expectStatus("/k8s/site/version", 503, "SITE_OFFLINE", /site is offline/, /no contact since .* the last link ended: the agent is shutting down/, /bowline site describe site/);
    const upgrade = new Live(place, "/k8s/site/api/v1/namespaces/default/pods/p/exec?command=x", { method: "POST", headers: { connection: "Upgrade", upgrade: "SPDY/3.1", "content-length": "0" } });
    await upgrade.ended;
    expect([upgrade.status, statusParts(upgrade.tail).fault]).toEqual([503, "SITE_OFFLINE"]);
    const described = await place.ok(["site", "describe", "site"]);
    expect(described).toMatch(/Link: +quiet, last contact/);
    expect(described).toMatch(/the agent is shutting down/);
    expectFault(await place.cli(["site", "wait", "site", "--timeout", "1s"]), "GAVE_UP_WAITING", 8);
  });

  test("serves when it is back, and an order given meanwhile has run", async () => {
    const order = { site: "site", spec: { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "meanwhile", namespace: "default" }, data: {} }] } };
    expect((await ask(place, "POST", "/api/v1/commands", { body: order })).status).toBe(202);
    agent = place.agent("site", cluster.kubeconfig);
    await cluster.sim.until("configmaps", "default", "meanwhile");
    await expectServed();
  });
});
