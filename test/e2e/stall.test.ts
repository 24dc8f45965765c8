// Clients that stop reading: fifty answers of 16 MiB left in their sockets. Each stalls its own stream and nobody else's: other requests on the link are answered
// as before, and neither end holds more than its windows. Whoever reads on gets every octet; whoever leaves frees its stream, down to the API server.
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { creditLinkBytesMax, creditStartBytes, streamQueueHighBytes } from "../../shared/wire/limits.ts";
import { BulkUpstream } from "../kit/bulk-upstream.ts";
import { kubeconfigText } from "../kit/kubesim/kubeconfig.ts";
import { inspectable, Inspector } from "../kit/inspect.ts";
import { expectDescriptorsBack, footprint, rssKiB } from "../kit/leaks.ts";
import { ask, contextToken } from "./kube-rest.ts";
import { Live } from "./live.ts";
import { Place, until, type Started } from "./place.ts";

const readers = 50;
const answerBytes = 16 * 1_048_576;
/** A reader's socket and state in the process that serves it, and one read of it that waits. */
const socketBytes = 65_536;
/**
 * Loopback's kernel takes some megabytes of each answer before its reader is seen to stall, and windows grow meanwhile: all of them together by what one link may
 * grow. From then on a stalled stream has its start window. The last part is the process' own: code that was compiled meanwhile, pools that were filled.
 */
const relayHeldKiBMax = creditLinkBytesMax / 1_024 + (readers * (creditStartBytes + socketBytes)) / 1_024 + 8 * 1_024;
/** At the agent a stream holds what its mux may queue, the chunk that filled it, and what the API server's socket has read ahead. */
const agentHeldKiBMax = (readers * (streamQueueHighBytes + 2 * socketBytes)) / 1_024 + 8 * 1_024;
/** Resident pages above what is held: garbage of the 400 MiB that went by, which the allocator keeps for the next. */
const flowKiB = 48 * 1_024;
/** "Promptly" (ms) for a small request on two cores that other work shares; nothing here waits for a stalled reader. */
const promptMsMax = 250;

const place = new Place();
let upstream: BulkUpstream;
let relay: Started;
let agent: Started;
const grown = {} as Awaited<ReturnType<typeof memory>>;
let inside: { readonly relay: Inspector; readonly agent: Inspector };

beforeAll(async () => {
  upstream = await BulkUpstream.start();
  const kubeconfig = join(place.dir, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigText(upstream.url, "", "any"));
  Object.assign(place.env, inspectable);
  relay = await place.relay();
  await place.login();
  agent = await place.site("bulk", kubeconfig, ["--report-every", "10m"]);
  inside = { relay: await Inspector.attach(relay), agent: await Inspector.attach(agent) };
});
afterAll(async () => {
  await place.close();
  await upstream?.stop();
});

const bulk = (isUnread: boolean): Live => new Live(place, `/k8s/bulk/bulk/${answerBytes}`, { isUnread });
/** What is held after a collection, and resident memory, by process. */
async function memory(): Promise<Record<"relay" | "agent", { readonly heldKiB: number; readonly rssKiB: number }>> {
  const of = async (started: Started, inspector: Inspector): Promise<{ heldKiB: number; rssKiB: number }> => {
    const before = rssKiB(started.child.pid!);
    return { heldKiB: Math.round((await inspector.alive()).octets / 1_024), rssKiB: before };
  };
  return { relay: await of(relay, inside.relay), agent: await of(agent, inside.agent) };
}

async function expectWhole(live: Live): Promise<void> {
  expect((await live.ended).how).toBe("complete");
  expect(live.sha256()).toBe(upstream.sha256(answerBytes));
}

/** Resolves when the upstream has sent nothing for a while: everybody is held back. */
function heldBack(): Promise<unknown> {
  let before = -1;
  let sinceMs = performance.now();
  return until("the upstream is held back", () => {
    if (before !== upstream.sentOctets) sinceMs = performance.now();
    before = upstream.sentOctets;
    return performance.now() - sinceMs > 1_000;
  });
}

/** Times (ms) of small requests, one after the other on one socket: the median and the slowest of them. */
async function smallRequests(count: number): Promise<{ medianMs: number; slowestMs: number }> {
  const pool = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8") });
  const options = { agent: pool, host: "127.0.0.1", port: new URL(place.relayUrl).port, path: "/k8s/bulk/version", headers: { authorization: `Bearer ${contextToken(place)}` } };
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const begunMs = performance.now();
    const status = await new Promise<number | undefined>((resolve, reject) => request(options, (answer) => answer.resume().once("end", () => resolve(answer.statusCode))).once("error", reject).end());
    expect(status).toBe(200);
    if (index > 0) times.push(performance.now() - begunMs); // the first one opens the socket
  }
  pool.destroy();
  times.sort((left, right) => left - right);
  return { medianMs: times[times.length >> 1]!, slowestMs: times.at(-1)! };
}

test(`${readers} answers that nobody reads hold up nobody, and go on or end as their readers do`, { timeout: 180_000 }, async () => {
  for (let round = 0; round < 2; round += 1) await Promise.all(Array.from({ length: 8 }, () => expectWhole(bulk(false))));
  const idle = await smallRequests(300);
  const before = await memory();
  const held = { relay: footprint(relay.child.pid!), agent: footprint(agent.child.pid!) };

  const unread: Live[] = [];
  for (let index = 0; index < readers; index += 1) {
    const live = bulk(true);
    unread.push(live);
    expect((await live.head)?.statusCode).toBe(200);
  }
  await heldBack();
  const stalled = await smallRequests(300);
  const now = await memory();
  for (const side of ["relay", "agent"] as const) grown[side] = { heldKiB: now[side].heldKiB - before[side].heldKiB, rssKiB: now[side].rssKiB - before[side].rssKiB };
  process.stderr.write(`stall: grown ${JSON.stringify(grown)}; small requests ms idle ${JSON.stringify(idle)}, beside ${readers} stalled ${JSON.stringify(stalled)}\n`);
  expect(stalled.slowestMs).toBeLessThan(promptMsMax);
  expect(upstream.underWay).toBe(readers);
  expect(upstream.sentOctets).toBeLessThan((16 + readers) * answerBytes); // else nothing was held back, and nothing was shown

  const [goOn, leave] = [unread.slice(0, 8), unread.slice(8)];
  for (const live of leave) live.drop();
  await until("the streams of those who left are freed, at the API server too", () => upstream.underWay === goOn.length, 2_000);
  for (const live of goOn) live.read();
  for (const live of goOn) await expectWhole(live);
  await until("no stream is left", async () => ((await ask(place, "GET", "/api/v1/sites/bulk")).body as { liveStreams: number }).liveStreams === 0);
  await expectDescriptorsBack("relay", relay.child.pid!, held.relay, { spare: 2 });
  await expectDescriptorsBack("agent", agent.child.pid!, held.agent, { spare: 2 });
});

test("the relay held no more than the windows of these streams", () => {
  expect(grown.relay.heldKiB).toBeLessThan(relayHeldKiBMax);
  expect(grown.relay.rssKiB).toBeLessThan(relayHeldKiBMax + flowKiB);
});

test("the agent held no more than the queues of these streams", () => {
  expect(grown.agent.heldKiB).toBeLessThan(agentHeldKiBMax);
  expect(grown.agent.rssKiB).toBeLessThan(agentHeldKiBMax + flowKiB);
});
