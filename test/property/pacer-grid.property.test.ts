// The goals of the link's design (section 5, wan* and fair) on a grid of simulated paths, in virtual time: the figures are the same on every machine. What is
// measured is the product's mux and pacer; the paths are wan-way.ts. A case that fails prints its figures and its seed.
import { describe, expect, test } from "vitest";
import { quantile, WanLoad, type Direction } from "./wan-load.ts";
import { WanSim, type WanShape } from "./wan-sim.ts";

interface Path extends Omit<WanShape, "seed"> {
  readonly name: string;
  /** What a fresh link may take until it is as good as it gets. */
  readonly startMs: number;
  /** What is measured then, without and with small requests. */
  readonly runMs: number;
  readonly everyMs: number;
  /** Share of the path that bulks get, at least. */
  readonly bulkMin: number;
  /** Time of a small request beside bulks: so many times its time on an idle link, and so many ms, at most. */
  readonly times: number;
  readonly moreMs: number;
}

/** Ten ms of queue are below what event loops do to a link whose round trip is shorter; one frame of 1 KiB at 8 kB/s takes 128 ms. */
const PATHS: readonly Path[] = [
  { name: "loopback", rate: 500e6, delayMs: 0.025, startMs: 100, runMs: 60, everyMs: 1, bulkMin: 0.98, times: 1, moreMs: 13 },
  { name: "lan", rate: 100e6, delayMs: 0.5, startMs: 300, runMs: 200, everyMs: 5, bulkMin: 0.98, times: 1, moreMs: 13 },
  { name: "wan60", rate: 12.5e6, delayMs: 30, startMs: 1_500, runMs: 3_000, everyMs: 50, bulkMin: 0.95, times: 1.3, moreMs: 0 },
  { name: "wan600", rate: 1.25e6, delayMs: 300, startMs: 10_000, runMs: 30_000, everyMs: 300, bulkMin: 0.95, times: 1.25, moreMs: 0 },
  { name: "wan64k", rate: 8e3, delayMs: 300, startMs: 15_000, runMs: 60_000, everyMs: 500, bulkMin: 0.9, times: 1.5, moreMs: 128 },
];

const LOADS: readonly (readonly [number, Direction])[] = [
  [1, "down"],
  [1, "up"],
  [4, "down"],
  [4, "up"],
];

function idleMs(path: Path, seed: number): number {
  const sim = new WanSim({ ...path, seed });
  const load = new WanLoad(sim, seed);
  load.smallRequests(path.everyMs);
  sim.run(40 * path.everyMs + 5_000);
  return quantile(load.times, 0.5);
}

describe.each(PATHS)("on $name", (path) => {
  test.each(LOADS)("%i bulks %s fill the path, wait with us, and let small requests by", (bulks, direction) => {
    const seed = 7;
    const sim = new WanSim({ ...path, seed });
    const load = new WanLoad(sim, seed);
    for (let count = 0; count < bulks; count += 1) load.bulk(direction);
    sim.run(path.startMs);
    load.reset();
    sim.run(path.runMs);
    const share = load.rate / path.rate;
    load.smallRequests(path.everyMs);
    sim.run(path.runMs);
    const idle = idleMs(path, seed);
    const beside = quantile(load.times, 0.5);
    const { capOctets } = (direction === "down" ? sim.agent : sim.relay).pacer;
    const figures = `seed ${seed}: ${(share * 100).toFixed(1)} % of the path; small ${beside.toFixed(1)} ms, idle ${idle.toFixed(1)}; ${load.queuedMost} octets outside, cap ${capOctets}`;
    expect(load.times.length, figures).toBeGreaterThan(7);
    expect(share, figures).toBeGreaterThan(path.bulkMin);
    expect(beside, figures).toBeLessThan(path.times * idle + path.moreMs);
    expect(load.queuedMost, figures).toBeLessThan(capOctets);
    expect(Math.min(...load.shares) / Math.max(...load.shares), figures).toBeGreaterThan(0.9);
  });
});
