// Half-open links on a real path: a router between relay and agent drops everything without a word. Both ends notice in their time, every client gets the end that
// is honest for what it was doing, and after healing the next link serves with nothing left of the old one.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { inspectable, Inspector } from "../kit/inspect.ts";
import { expectFlat } from "../kit/leaks.ts";
import { describeNeeding } from "../kit/needs.ts";
import { CutNetwork, cutNetworkMissing } from "./cut-network.ts";
import { ask } from "./kube-rest.ts";
import { Live, statusParts } from "./live.ts";
import { Place, until, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

/** PROTOCOL.md section 3: 45 s idle, 13 s owed; a second for a timer that fires late on a busy machine. */
const idleMsMax = 46_000;
const owedMsMax = 15_000;
/** The agent keeps idle sockets to its API server, as many as requests met in the round before; a leak of one a round is more than this. */
const spareDescriptors = 2;
const pods = "/k8s/far/api/v1/namespaces/default/pods";
const configMaps = "/k8s/far/api/v1/namespaces/default/configmaps";

describeNeeding(cutNetworkMissing(), "a half-open link", () => {
  const place = new Place();
  let network: CutNetwork;
  let cluster: SimCluster;
  let relay: Started;
  let agent: Started;

  beforeAll(async () => {
    network = new CutNetwork();
    const authority = await makeAuthority("half-open", 1, Date.now());
    const pair = await issueCertificate(authority, [network.apiAddress], 1, Date.now());
    cluster = await startSimCluster({ host: network.apiAddress, tls: { ...pair, ca: authority.cert } }, network.apiAddress);
    cluster.sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "clock" }, spec: { containers: [{ name: "main", image: "busybox", command: ["sh", "-c", "while true; do echo tick; sleep 0.1; done"] }] } });
    cluster.sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "bulky" }, spec: { containers: [{ name: "main", image: "busybox", command: ["sleep", "infinity"] }] } });
    await cluster.sim.until("pods", "default", "bulky", (pod) => (pod["status"] as { phase?: string }).phase === "Running");
    cluster.sim.bulkLog("default", "bulky", 4_000_000_000);
    await cluster.sim.until("pods", "default", "clock", (pod) => (pod["status"] as { phase?: string }).phase === "Running");
    place.relayUrl = "https://0.0.0.0:0";
    Object.assign(place.env, inspectable);
    relay = await place.relay(["--names", network.hostAddress]);
    await place.login();
    agent = await place.site("far", cluster.kubeconfig, ["--report-every", "10m"], { via: network.via, env: { NODE_OPTIONS: `--inspect-port=${network.siteAddress}:0` }, url: `https://${network.hostAddress}:${new URL(place.relayUrl).port}` });
  });

  afterEach(() => network.heal());
  afterAll(async () => {
    await place.close();
    await cluster?.stop();
    network?.close();
  });

  /** The Fault codes with which the links of an end have ended so far. */
  const linkEnds = ({ out, err }: Started): string[] => [...`${out}${err}`.matchAll(/"code":"(\w+)".*"msg":"link ended"/g)].map((found) => found[1]!);
  const noticed = async (end: Started, before: number, sinceMs: number, mostMs: number): Promise<number> => {
    await until("the end notices", () => linkEnds(end).length > before, mostMs + 5_000);
    return performance.now() - sinceMs;
  };
  const linkedAgain = (): Promise<unknown> => until("the site is linked and serves", async () => (await ask(place, "GET", "/k8s/far/version")).status === 200, 30_000);
  const liveStreams = async (): Promise<number> => ((await ask(place, "GET", "/api/v1/sites/far")).body as { liveStreams: number }).liveStreams;

  async function cutWithWork(): Promise<void> {
    const before = [linkEnds(relay).length, linkEnds(agent).length] as const;
    const withdraw = cluster.sim.fault({ match: { path: /configmaps\/held/ }, action: { kind: "silence" } });
    const watch = new Live(place, `${configMaps}?watch=1`);
    const log = new Live(place, `${pods}/clock/log?follow=true&tailLines=1`);
    await Promise.all([watch.said(/ADDED.*\n/), log.said(/tick\n/)]);
    const held = new Live(place, `${configMaps}/held`);
    const upload = new Live(place, `${configMaps}/held`, { method: "PUT", body: null, headers: { "content-type": "application/json" } });
    upload.request.write(" ".repeat(10_000));
    await until("the API server has both held requests", () => cluster.sim.audit().filter(({ name, outcome }) => name === "held" && outcome === "open").length === 2);
    // A bulk under way means that the cut falls inside a TLS record: octets that no message announces must not count as life later on.
    const bulk = new Live(place, `${pods}/bulky/log`);
    await until("the bulk flows", () => bulk.octets > 1_000_000);
    network.cut();
    const cutMs = performance.now();
    const ends = Promise.all([watch.ended, log.ended, held.ended, upload.ended, bulk.ended]);
    const [relayMs, agentMs] = await Promise.all([noticed(relay, before[0], cutMs, owedMsMax), noticed(agent, before[1], cutMs, owedMsMax)]);
    const [watchEnd, logEnd, heldEnd, uploadEnd, bulkEnd] = await ends;
    for (const end of [watchEnd, logEnd, heldEnd, uploadEnd, bulkEnd]) expect(end.atMs - cutMs).toBeLessThan(owedMsMax);
    expect([watchEnd.how, logEnd.how, heldEnd.how, bulkEnd.how]).toEqual(["complete", "aborted", "complete", "aborted"]);
    expect(statusParts(held.tail)).toMatchObject({ code: 504, fault: "LINK_SILENT", what: expect.stringMatching(/silent/) as string, why: expect.stringMatching(/ping/) as string });
    expect([held.status, upload.status]).toEqual([504, 504]);
    expect(Math.max(relayMs, agentMs)).toBeLessThan(owedMsMax);
    expect([linkEnds(relay).at(-1), linkEnds(agent).at(-1)]).toEqual(["LINK_SILENT", "LINK_SILENT"]);
    withdraw();
    network.heal();
    await linkedAgain();
    await until("nothing is left of the old link", async () => (await liveStreams()) === 0 && cluster.sim.openRequests() === 0);
  }

  test("with requests waiting: both ends notice within 15 s, each client gets its honest end, and rounds of it leave nothing behind", { timeout: 240_000 }, async () => {
    cluster.sim.put({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "seen" }, data: {} });
    const inside = { relay: await Inspector.attach(relay), agent: await Inspector.attach(agent) };
    const growth = await expectFlat({ processes: () => ({ relay: relay.child.pid!, agent: agent.child.pid! }), rounds: 3, spareDescriptors, inside, round: cutWithWork });
    process.stderr.write(`half-open: growth after three rounds, KiB: ${JSON.stringify(growth)}\n`);
  });

  test("idle: both ends notice within 45 s, a request meanwhile is refused at once, and the next link serves", { timeout: 120_000 }, async () => {
    await until("the first report is here", async () => ((await ask(place, "GET", "/api/v1/sites/far")).body as { reportReceived: string | null }).reportReceived !== null);
    const before = [linkEnds(relay).length, linkEnds(agent).length] as const;
    network.cut();
    const cutMs = performance.now();
    const [relayMs, agentMs] = await Promise.all([noticed(relay, before[0], cutMs, idleMsMax), noticed(agent, before[1], cutMs, idleMsMax)]);
    process.stderr.write(`half-open: noticed when idle, ms: relay ${Math.round(relayMs)}, agent ${Math.round(agentMs)}\n`);
    expect(Math.max(relayMs, agentMs)).toBeLessThan(idleMsMax);
    expect(linkEnds(relay).at(-1)).toBe("LINK_SILENT");
    // The agent's kernel may be first to give up (TCP keep-alive: 30 s and ten tries); then its word is the reason.
    expect(agent.err).toMatch(/"code":"LINK_SILENT".*"msg":"link ended"|"code":"LINK_LOST","why":"no answer \(timed out\)".*"msg":"link ended"/);
    const askedMs = performance.now();
    const { status, body } = await ask(place, "GET", "/k8s/far/version");
    expect([status, statusParts(JSON.stringify(body)).fault]).toEqual([503, "SITE_OFFLINE"]);
    expect(performance.now() - askedMs).toBeLessThan(1_000);
    network.heal();
    await linkedAgain();
  });
});
