// Paths that change while they are in use: slower, faster, longer, shorter, with stalls and jitter, and with TCP's own slow start. In virtual time, so the
// seconds until a link is as good again are exact. The walk over random paths prints its seed.
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../shared/kit/random.ts";
import { quantile, WanLoad, type Direction } from "./wan-load.ts";
import { WanSim } from "./wan-sim.ts";
import type { WayShape } from "./wan-way.ts";

const wan60: WayShape = { rate: 12.5e6, delayMs: 30 };
/** A third of it, where the rate is not the point: what is simulated is paid per octet. */
const wan60slow: WayShape = { rate: 4e6, delayMs: 30 };
const wan600: WayShape = { rate: 1.25e6, delayMs: 300 };

interface Change {
  readonly name: string;
  readonly before: WayShape;
  readonly after: Partial<WayShape>;
  /** How long the path is used before it changes. */
  readonly usedMs: number;
  /** From the change until bulks have the path again and small requests their time. What was under way has to leave at the new rate first, twice at the worst. */
  readonly againMs: number;
  readonly runMs: number;
}

const CHANGES: readonly Change[] = [
  { name: "becomes ten times slower", before: wan60, after: { rate: 1.25e6 }, usedMs: 4_000, againMs: 2_000, runMs: 5_000 },
  { name: "becomes ten times faster", before: { ...wan60, rate: 1.25e6 }, after: { rate: 12.5e6 }, usedMs: 4_000, againMs: 2_500, runMs: 3_000 },
  { name: "becomes three times longer", before: wan60slow, after: { delayMs: 100 }, usedMs: 4_000, againMs: 2_500, runMs: 2_500 },
  { name: "becomes a quarter longer", before: wan60slow, after: { delayMs: 37.5 }, usedMs: 4_000, againMs: 1_500, runMs: 3_000 },
  { name: "becomes three times shorter", before: { ...wan60slow, delayMs: 100 }, after: { delayMs: 30 }, usedMs: 4_000, againMs: 12_000, runMs: 3_000 },
  { name: "becomes ten times slower and three times longer", before: wan60, after: { rate: 1.25e6, delayMs: 100 }, usedMs: 4_000, againMs: 3_500, runMs: 5_000 },
  { name: "of a satellite becomes ten times slower", before: wan600, after: { rate: 125e3 }, usedMs: 15_000, againMs: 11_000, runMs: 6_000 },
  { name: "of a satellite becomes ten times faster", before: { ...wan600, rate: 125e3 }, after: { rate: 1.25e6 }, usedMs: 15_000, againMs: 12_000, runMs: 20_000 },
  { name: "held more than a kernel takes, and becomes slower and shorter,", before: { rate: 30e6, delayMs: 100 }, after: { rate: 4e6, delayMs: 30 }, usedMs: 4_000, againMs: 4_000, runMs: 3_000 },
];

interface Figures {
  /** Of the path's octets, those of bulks. */
  readonly share: number;
  readonly smallMs: number;
  /** What a small request takes on this path without anything beside it. */
  readonly idleMs: number;
}

function figuresOf(load: WanLoad, way: WayShape): Figures {
  return { share: load.rate / way.rate, smallMs: quantile(load.times, 0.5), idleMs: 2 * way.delayMs + (2_100 * 1_000) / way.rate };
}

function told(seed: number, { share, smallMs, idleMs }: Figures): string {
  return `seed ${seed}: ${(share * 100).toFixed(1)} % of the path, small requests ${smallMs.toFixed(1)} ms, idle ${idleMs.toFixed(1)}`;
}

describe.each(CHANGES)("a path that $name", ({ before, after, usedMs, againMs, runMs }) => {
  test.each([[1, "up"], [4, "down"]] as const)("is used in full by %i bulks %s within the stated time, with no queue but ours", (bulks, direction) => {
    const seed = 11;
    const sim = new WanSim({ ...before, seed });
    const load = new WanLoad(sim, seed);
    for (let count = 0; count < bulks; count += 1) load.bulk(direction);
    load.smallRequests(150);
    sim.run(usedMs);
    sim.change(after);
    sim.run(againMs);
    load.reset();
    sim.run(runMs);
    const figures = figuresOf(load, { ...before, ...after });
    expect(figures.share, told(seed, figures)).toBeGreaterThan(0.85);
    expect(figures.smallMs, told(seed, figures)).toBeLessThan(1.5 * figures.idleMs);
  });
});

describe.each([
  { name: "stalls for 200 ms, one hundredth of the time", way: { ...wan60slow, stallShare: 0.01, stallMs: 200 }, runMs: 20_000, share: 0.9, times: 1.4 },
  { name: "of a satellite stalls for 200 ms, one hundredth of the time", way: { ...wan600, stallShare: 0.01, stallMs: 200 }, runMs: 60_000, share: 0.9, times: 1.4 },
  { name: "is late by up to 5 ms", way: { ...wan60slow, jitterMs: 5 }, runMs: 8_000, share: 0.9, times: 1.6 },
  { name: "begins slowly, as TCP does", way: { ...wan60, slowStart: true }, runMs: 4_000, share: 0.9, times: 1.4 },
])("a path that $name", ({ way, runMs, share, times }) => {
  test.each([1, 2])("is used in full, with no queue but ours, with seed %i", (seed) => {
    const sim = new WanSim({ ...way, seed });
    const load = new WanLoad(sim, seed);
    load.bulk("down");
    load.smallRequests(150);
    sim.run(way.delayMs * 40);
    load.reset();
    sim.run(runMs);
    const figures = figuresOf(load, way);
    expect(figures.share, told(seed, figures)).toBeGreaterThan(share);
    expect(figures.smallMs, told(seed, figures)).toBeLessThan(times * figures.idleMs);
  });
});

describe("a walk over random paths", () => {
  /** On a path whose round trip is below what ACKs may take, a few of these are all that waits. */
  const shortMs = 30;
  /** More than this under way a kernel does not take. */
  const productMax = 1_900_000;

  /** In a walk some legs end while the round trip is being found anew: of 600 legs 2 % were above the bound, the worst by half (measured). */
  const lateShareMax = 0.05;

  // Nothing but computing: on a machine that is busy with other things it takes many times its two seconds, and fails of nothing else.
  test("leaves no path half used and no queue outside, with seeds 41 to 48", { timeout: 120_000 }, () => {
    const late: string[] = [];
    let legs = 0;
    for (let seed = 41; seed <= 48; seed += 1) {
      const random = seededRandom(seed);
      const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
      const draw = (): WayShape => ({ rate: one([1e5, 4e5, 1.25e6, 4e6]), delayMs: one([2, 10, 30, 60, 100]) });
      const direction: Direction = one(["down", "up"]);
      let way: WayShape = { ...draw(), stallShare: one([0, 0.01]), stallMs: 50, slowStart: one([true, false]), jitterMs: one([0, 1]) };
      const sim = new WanSim({ ...way, seed });
      const load = new WanLoad(sim, seed);
      for (let left = one([1, 4]); left > 0; left -= 1) load.bulk(direction);
      load.smallRequests(400);
      for (let change = 0; change < 4; change += 1, legs += 1) {
        const { mux } = direction === "down" ? sim.agent : sim.relay;
        const inFlightOctets = mux.sentOctets - mux.peerAckedOctets;
        sim.run(8_000 + (2 * inFlightOctets * 1_000) / way.rate);
        load.reset();
        sim.run(6_000);
        const figures = figuresOf(load, way);
        const leg = `${JSON.stringify(way)} ${told(seed, figures)}`;
        if ((way.rate * 2 * way.delayMs) / 1_000 < productMax) expect(figures.share, leg).toBeGreaterThan(0.7);
        const boundMs = Math.max(1.6 * figures.idleMs, figures.idleMs + shortMs);
        expect(figures.smallMs, leg).toBeLessThan(2 * boundMs);
        if (figures.smallMs >= boundMs) late.push(leg);
        way = { ...way, ...draw() };
        sim.change(way);
      }
    }
    expect(late.length, late.join("\n")).toBeLessThanOrEqual(lateShareMax * legs);
  });
});
