// Histories that are told in advance, where the usual ones are drawn: a day without a line, lines that flap. Each with a size for every run of the ring and its whole
// one on demand. What they must come to is the checker's, as always.
import { CRASH_POINTS } from "../../shared/kit/crash.ts";
import type { Faults } from "./faults.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { SimSite } from "./sim-site.ts";
import { usualObjects, type Objects } from "./workload.ts";
import type { World } from "./world.ts";

const minuteMs = 60_000;
const hourMs = 3_600_000;

export interface Troubled {
  readonly world: World;
  readonly relay: SimRelay;
  readonly sites: readonly SimSite[];
  readonly faults: Faults;
}

export interface Scenario {
  readonly name: string;
  readonly sites: readonly string[];
  /** Drawn from the seed where they are not given. */
  readonly orders: number | null;
  readonly faults: number | null;
  readonly objects: Objects;
  /** Orders are given until then (ms), trouble ends then, and by then (ms after the trouble) everything has ended. */
  readonly ordersMs: number;
  readonly stormMs: number;
  readonly convergeMs: number;
  readonly happeningsMax: number;
  readonly trouble: (troubled: Troubled) => void;
}

const names = (count: number): string[] => Array.from({ length: count }, (_none, index) => `site-${index + 1}`);
/** So many that few orders of a crowd meet. */
const manyNames = Array.from({ length: 60 }, (_none, index) => `cm-${index + 1}`);

/** A relay, two sites, a few orders and faults within four minutes; two back-off ceilings after them, and the work of the slowest Jobs behind each other. */
const usual: Scenario = { name: "usual", sites: ["anvil", "birch"], orders: null, faults: null, objects: usualObjects, ordersMs: 4 * minuteMs, stormMs: 4 * minuteMs, convergeMs: 30 * minuteMs, happeningsMax: 400_000, trouble: () => {} };

/** Every line is cut every few seconds, and now and then so that nobody hears of it. */
function flap({ world, sites }: Troubled, untilMs: number): void {
  for (const site of sites) {
    const cut = (): void => {
      if (world.nowMs > untilMs) return;
      site.line.cut(world.chance(0.02));
      world.after(world.between(2_000, 10_000), cut);
    };
    world.after(world.between(0, 10_000), cut);
  }
}

function flapping(name: string, sites: number, each: number): Scenario {
  const stormMs = 5 * minuteMs;
  return { name, sites: names(sites), orders: sites * each, faults: 0, objects: { names: manyNames, sizes: [0, 200, 2_000], short: 0.05 }, ordersMs: 4 * minuteMs, stormMs, convergeMs: 60 * minuteMs, happeningsMax: 30_000_000, trouble: (troubled) => flap(troubled, stormMs) };
}

/** Nothing passes for so long; then both ends are killed again and again while what waited is replayed: at any time, and at points where it hurts. */
function away({ world, relay, sites, faults }: Troubled, awayMs: number, replayMs: number): void {
  for (const { line } of sites) {
    line.isDown = true;
    world.at(awayMs, () => (line.isDown = false));
  }
  for (let kill = 0; kill < 4; kill += 1) world.at(awayMs + world.between(1_000, replayMs), () => relay.kill("during the replay"));
  for (const site of sites) for (let kill = 0; kill < 4; kill += 1) world.at(awayMs + world.between(1_000, replayMs), () => site.kill("during the replay"));
  for (const point of CRASH_POINTS) world.at(awayMs + world.between(0, replayMs), () => faults.arm(world.chance(0.5) ? "relay" : world.pick(sites).name, point, 1 + Math.floor(world.between(0, 20))));
}

function dayOffline(name: string, orders: number, awayMs: number): Scenario {
  const replayMs = 4 * minuteMs;
  return { name, sites: names(1), orders, faults: 0, objects: { names: manyNames, sizes: [0, 200, 2_000, 10_000], short: 0.05 }, ordersMs: awayMs, stormMs: awayMs + 10 * minuteMs, convergeMs: 2 * hourMs, happeningsMax: 30_000_000, trouble: (troubled) => away(troubled, awayMs, replayMs) };
}

const SCENARIOS: readonly Scenario[] = [usual, flapping("flapping", 50, 200), flapping("flapping-few", 8, 25), dayOffline("day-offline", 1_000, 24 * hourMs), dayOffline("hours-offline", 120, 2 * hourMs)];
/** Those of every run of the ring, beside the usual ones. */
export const RING: readonly string[] = ["flapping-few", "hours-offline"];

export function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((known) => known.name === name);
  if (found === undefined) throw new Error(`there is no scenario "${name}"; there are ${SCENARIOS.map((known) => known.name).join(", ")}`);
  return found;
}
