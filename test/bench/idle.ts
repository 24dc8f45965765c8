// idle: what thousands of links cost when nothing happens. Memory of the relay per linked site, its CPU, and what a link says on the wire in a day. The control is as many
// idle TLS sockets on a plain Node server, in the same run. Beside it the memory of one real agent that has nothing to do.
import { join } from "node:path";
import { startLine } from "../kit/chaos.ts";
import { cpuSeconds, heldAfterCollection, rssOctets, segmentsTowards } from "./cost.ts";
import { Ground, here, pause } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report, shown } from "./report.ts";
import { makeSites } from "./swarm-sites.ts";
import { membersPossible, startSwarm, type RunningSwarm } from "./swarm.ts";
import type { Started } from "../e2e/place.ts";

const kib = 1024;
const dayS = 86_400;
/** Links whose octets are counted: they go through a line that forwards at once. */
const countedLinks = 50;
const parallelDials = 100;
/** What is freed after the handshakes has been freed by then (ms). */
const settleMs = 5_000;
/** IPv4 and TCP with timestamps. */
const segmentHeadOctets = 52;

interface Cost {
  readonly count: number;
  /** Resident as it stands, and after a full collection; what is held then. */
  readonly rssKiB: number;
  readonly collectedKiB: number;
  readonly heldKiB: number;
  /** CPU ms to take one member, and per second while nothing happens. */
  readonly joinCpuMs: number;
  readonly idleCpuMs: number;
  readonly joinS: number;
}

async function cost(server: Started, count: number, windowS: number, begin: () => RunningSwarm[], during: () => Promise<void>): Promise<Cost> {
  const pid = server.child.pid!;
  const before = await heldAfterCollection(server);
  const begunCpu = cpuSeconds([pid]);
  const begunMs = Date.now();
  const swarms = begin();
  try {
    const reached = await Promise.all(swarms.map((swarm, index) => swarm.untilLinked(index === 0 ? count - (swarms.length - 1) * countedLinks : countedLinks, 300_000)));
    const linked = reached.reduce((sum, one) => sum + one.linked, 0);
    const joinS = (Date.now() - begunMs) / 1_000;
    const joinCpu = cpuSeconds([pid]) - begunCpu;
    if (linked < count) throw new Error(`only ${linked} of ${count} are linked: ${JSON.stringify(reached[0]?.failures)}`);
    await pause(settleMs);
    const idleCpu = cpuSeconds([pid]);
    const idleMs = Date.now();
    await during();
    await pause(windowS * 1_000);
    const cpu = ((cpuSeconds([pid]) - idleCpu) * 1_000) / ((Date.now() - idleMs) / 1_000);
    const rss = rssOctets(pid);
    const after = await heldAfterCollection(server);
    return { count, rssKiB: (rss - before.rss) / kib / count, collectedKiB: (after.rss - before.rss) / kib / count, heldKiB: (after.heapUsed + after.external - before.heapUsed - before.external) / kib / count, joinCpuMs: (joinCpu * 1_000) / count, idleCpuMs: cpu, joinS };
  } finally {
    await Promise.all(swarms.map((swarm) => swarm.stop()));
  }
}

export async function idle(options: BenchOptions): Promise<void> {
  const report = new Report("idle");
  const ground = new Ground();
  const wanted = options.isQuick ? 1_000 : 5_000;
  const count = membersPossible(wanted);
  const windowS = options.isQuick ? 70 : 140; // two and four pings
  if (count < wanted) report.say(`only ${count} of ${wanted} links: a process here may have no more descriptors (ulimit -n)`);
  try {
    const sitesFile = join(ground.place.dir, "sites.json");
    await makeSites(ground.place.relayData, count, sitesFile);
    await ground.start({ profile: options.profile });
    const agent = ground.agent;
    const port = Number(new URL(ground.place.relayUrl).port);
    const line = await startLine(port, {});
    const caFile = join(ground.place.relayData, "tls", "ca.crt");
    const said = { octets: 0, segments: Number.NaN };
    const listen = async (): Promise<void> => {
      const [before, segmentsBefore] = [await line.counts(), segmentsTowards(line.port)];
      await pause(windowS * 1_000);
      const [after, segmentsAfter] = [await line.counts(), segmentsTowards(line.port)];
      said.octets = after.forth + after.back - before.forth - before.back;
      if (segmentsBefore !== null && segmentsAfter !== null) said.segments = segmentsAfter - segmentsBefore;
    };
    const common = { caFile, sitesFile, parallel: parallelDials, isSpread: false };
    const product = await cost(
      ground.relay,
      count,
      0,
      () => [startSwarm({ ...common, port, from: countedLinks, count: count - countedLinks }), startSwarm({ ...common, port: line.port, from: 0, count: countedLinks, parallel: 10 })],
      listen,
    );
    await line.stop();
    const plain = ground.run(process.execPath, [join(here, "plain-tls.mjs"), await ground.certificates()]);
    const plainPort = Number((await plain.said(/plain tls at (\d+)/))[1]);
    const plainCa = join(await ground.certificates(), "ca.crt");
    const control = await cost(plain, count, windowS, () => [startSwarm({ port: plainPort, caFile: plainCa, sitesFile: "", from: 0, count, parallel: parallelDials, isSpread: false })], async () => {});
    const agentRss = rssOctets(agent.child.pid!);
    const held = await heldAfterCollection(agent);
    const perDay = (amount: number): number => (amount / countedLinks / windowS) * dayS;
    report.say(`an agent with nothing to do: ${(agentRss / 1e6).toFixed(0)} MB resident, ${((held.heapUsed + held.external) / 1e6).toFixed(0)} MB held after a collection (a process outside a cluster with a kubeconfig; the goal is for a pod)`);
    tell(report, { product, control, octetsPerDay: perDay(said.octets), wirePerDay: perDay(said.octets + said.segments * segmentHeadOctets), windowS });
  } finally {
    await ground.stop();
  }
}

function tell(report: Report, seen: { readonly product: Cost; readonly control: Cost; readonly octetsPerDay: number; readonly wirePerDay: number; readonly windowS: number }): void {
  const { product, control, octetsPerDay, wirePerDay, windowS } = seen;
  const row = (name: string, one: Cost): (string | number)[] => [`${name} ${one.count}`, one.rssKiB, one.collectedKiB, one.heldKiB, one.joinS, one.joinCpuMs, one.idleCpuMs];
  report.table(["each", "RSS KiB", "collected KiB", "held KiB", "all linked s", "CPU ms to link", "CPU ms/s idle, all"], [row("control, TLS sockets", control), row("product, links", product)]);
  report.say(`octets of a link in a day, both ways, extrapolated from ${countedLinks} links that were counted for ${windowS} s: TLS ${(octetsPerDay / 1e6).toFixed(3)} MB; with ${segmentHeadOctets} octets for each TCP segment that the kernel counted ${shown(wirePerDay / 1e6)} MB`);
  report.goal({ name: "idle.rssKiB", sign: "<=", bound: 60, value: product.rssKiB });
  report.goal({ name: "idle.tlsMBPerDay", sign: "<=", bound: 0.2, value: octetsPerDay / 1e6 });
  if (Number.isFinite(wirePerDay)) report.goal({ name: "idle.wireMBPerDay", sign: "<=", bound: 0.6, value: wirePerDay / 1e6 });
  report.write();
}
