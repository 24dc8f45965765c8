// storm: thousands of sites are linked, the relay is killed and starts again, and all of them return at once, by the agents' own loop and delays. Until all are linked, what the
// relay spent on it, and how often they had to dial. The control: as many TLS sockets that return in the same way to a plain Node server.
import { join } from "node:path";
import { cpuSeconds, rssPeakOctets } from "./cost.ts";
import { Ground, here, pause } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { makeSites } from "./swarm-sites.ts";
import { membersPossible, startSwarm, type RunningSwarm, type SwarmCounts } from "./swarm.ts";
import type { Started } from "../e2e/place.ts";

const awayMs = 5_000;
/** Dials in progress when the storm comes: more than a relay shakes hands with at once, and what one process of members can do without being late itself. */
const stormParallel = 600;
const timeoutMs = 300_000;
const mib = 1024 * 1024;

interface Storm {
  readonly linked: number;
  /** Seconds after the server listens, until half and until all are linked. */
  readonly halfS: number;
  readonly allS: number;
  readonly cpuS: number;
  readonly peakMiB: number;
  readonly counts: SwarmCounts;
}

/** The server is killed and started again; the swarm does the rest, and is ended. */
async function storm(server: Started, count: number, swarm: RunningSwarm, again: () => Promise<Started>): Promise<Storm> {
  try {
    await swarm.untilLinked(count, timeoutMs);
    await pause(2_000);
    await server.kill();
    await pause(awayMs);
    await swarm.clear(stormParallel);
    const next = await again();
    const sinceMs = Date.now();
    const counts = await swarm.untilLinked(count, timeoutMs);
    const pid = next.child.pid!;
    const came = counts.cameMs.map((atMs) => (atMs - sinceMs) / 1_000).sort((left, right) => left - right);
    const allS = counts.linked >= count ? came.at(-1)! : Infinity;
    return { linked: counts.linked, halfS: came[Math.floor(count / 2)] ?? Infinity, allS, cpuS: cpuSeconds([pid]), peakMiB: rssPeakOctets(pid) / mib, counts };
  } finally {
    await swarm.stop();
  }
}

const failuresOf = ({ failures }: SwarmCounts): string =>
  Object.entries(failures)
    .sort((left, right) => right[1] - left[1])
    .slice(0, 3)
    .map(([words, times]) => `${times} x ${words}`)
    .join("; ");

export async function stormBench(options: BenchOptions): Promise<void> {
  const report = new Report("storm");
  const ground = new Ground();
  const wanted = options.isQuick ? 1_000 : 5_000;
  const count = membersPossible(wanted);
  if (count < wanted) report.say(`only ${count} of ${wanted} sites: a process here may have no more descriptors (ulimit -n)`);
  try {
    const sitesFile = join(ground.place.dir, "sites.json");
    await makeSites(ground.place.relayData, count, sitesFile);
    ground.profile = options.profile; // of the relay that is started again: the first one is killed
    const relay = await ground.startRelay();
    const common = { from: 0, count, parallel: 100, isSpread: true };
    const swarm = startSwarm({ ...common, port: Number(new URL(ground.place.relayUrl).port), caFile: join(ground.place.relayData, "tls", "ca.crt"), sitesFile });
    const product = await storm(relay, count, swarm, () => ground.startRelay());
    await ground.relay.stop();
    const dir = await ground.certificates();
    const plain = async (port: string): Promise<{ started: Started; port: string }> => {
      const started = ground.run(process.execPath, [join(here, "plain-tls.mjs"), dir, port]);
      return { started, port: (await started.said(/plain tls at (\d+)/))[1]! };
    };
    const server = await plain("0");
    const sockets = startSwarm({ ...common, port: Number(server.port), caFile: join(dir, "ca.crt"), sitesFile: "" });
    const control = await storm(server.started, count, sockets, async () => (await plain(server.port)).started);
    const row = (name: string, one: Storm): (string | number)[] => [name, one.linked, one.halfS, one.allS, one.cpuS, (one.cpuS * 1_000) / count, one.peakMiB, one.counts.dials / count, one.counts.refused, failuresOf(one.counts)];
    report.table(["", "linked", "half s", "all s", "CPU s", "CPU ms each", "peak MiB", "dials each", "refused", "failed dials"], [row("control, TLS sockets", control), row("product, links", product)]);
    report.say(`away for ${awayMs / 1_000} s; every site dials from an address of its own, ${stormParallel} at once, from one process on the same cores; CPU includes the server's start; dials are counted from shortly before it listens`);
    report.goal({ name: "storm.allS", sign: "<=", bound: 60, value: product.allS });
    report.write();
  } finally {
    await ground.stop();
  }
}
