// The process of a swarm: thousands of members, each keeping its link as an agent does (agent/dial's loop and delays). Started by swarm.ts. Sites have a processor each and
// these share one loop: no more than `parallel` dials are in progress, and the others wait their turn before their dial begins, so that no ceiling of a dial counts a
// wait for our own loop. Answers how many are linked, how often they dialled, and when each came.
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { untilLinked } from "../../agent/dial.ts";
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { systemRandom } from "../../shared/kit/random.ts";
import { dialDelayMs } from "../../shared/rules/backoff.ts";
import { ByeFault } from "../../shared/link/frame-socket.ts";
import { joinAsAgent, joinPlainly, type Joined } from "./swarm-member.ts";
import type { SwarmSites } from "./swarm-sites.ts";

export interface SwarmStart {
  readonly port: number;
  readonly caFile: string;
  /** Of swarm-sites.ts; empty for plain sockets. */
  readonly sitesFile: string;
  readonly from: number;
  readonly count: number;
  /** Dials in progress at once. */
  readonly parallel: number;
  /** Each member from an address of its own. */
  readonly isSpread: boolean;
}

export interface SwarmCounts {
  readonly linked: number;
  /** Since the last `clear`: dials, those that the relay refused with a hint, other failures by their words, and when each member that is linked came (ms since 1970). */
  readonly dials: number;
  readonly refused: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly cameMs: readonly number[];
}

export interface SwarmOrder {
  readonly id: number;
  readonly what: "counts" | "clear";
  /** With `clear`: from here on. */
  readonly parallel?: number;
}

const start = JSON.parse(process.argv[2]!) as SwarmStart;
const isPlain = start.sitesFile === "";
const { identity, sites } = isPlain ? { identity: "", sites: [] } : (JSON.parse(readFileSync(start.sitesFile, "utf8")) as SwarmSites);
const way = { port: start.port, ca: readFileSync(start.caFile, "utf8"), identity, isSpread: start.isSpread };
const ending = new AbortController();
setMaxListeners(0, ending.signal);

let dials = 0;
let refused = 0;
let failures: Record<string, number> = {};
const came = new Map<number, number>();
const lastDial = new Map<number, number>();

let parallel = start.parallel;
let inProgress = 0;
const turns: (() => void)[] = [];

function letIn(): void {
  while (inProgress < parallel && turns.length > 0) {
    inProgress += 1;
    turns.shift()!();
  }
}

async function attempt(index: number): Promise<Joined> {
  await new Promise<void>((resolve) => {
    turns.push(resolve);
    letIn();
  });
  try {
    return await dialOnce(index);
  } finally {
    inProgress -= 1;
    letIn();
  }
}

function dialOnce(index: number): Promise<Joined> {
  dials += 1;
  if (isPlain) return joinPlainly(way, index, ending.signal);
  const dial = (lastDial.get(index) ?? 0) + 1;
  lastDial.set(index, dial);
  return joinAsAgent(way, index, sites[index]!, dial, ending.signal);
}

async function keep(index: number): Promise<void> {
  const { signal } = ending;
  const options: Parameters<typeof untilLinked>[0] = {
    clock: systemClock,
    random: systemRandom,
    signal,
    onFailed: (fault) => {
      if (fault instanceof ByeFault) refused += 1;
      const words = `${fault.code} ${fault.why}`.slice(0, 100);
      failures[words] = (failures[words] ?? 0) + 1;
    },
  };
  while (!signal.aborted) {
    const joined = await untilLinked(options, () => attempt(index));
    came.set(index, Date.now());
    const hintMs = await joined.ended;
    came.delete(index);
    await pause(systemClock, hintMs > 0 ? hintMs : dialDelayMs({ forMs: 0, attempts: 0 }, systemRandom), signal);
  }
}

process.on("message", ({ id, what, parallel: wanted }: SwarmOrder) => {
  const counts: SwarmCounts = { linked: came.size, dials, refused, failures, cameMs: [...came.values()] };
  if (what === "clear") {
    dials = 0;
    refused = 0;
    failures = {};
    parallel = wanted ?? parallel;
  }
  process.send!({ id, counts });
});
process.on("disconnect", () => process.exit(0));
setInterval(() => {}, 1 << 30); // the product's own timers keep no process alive
for (let index = start.from; index < start.from + start.count; index += 1) void keep(index).catch(() => {});
