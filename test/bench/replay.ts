// replay: a site returns with 10,000 results and 200 MB of history that it gathered while it was cut off. How long a small GET to it takes meanwhile, against the same
// link idle, and how fast the replay goes. The agent's store is filled through its own operations while it is stopped. The relay does not know the commands of these
// results: it keeps them as orphans, one row each, as it would write one row of a command.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { askStatus, type AgentStatus } from "../../agent/local.ts";
import * as agentModule from "../../agent/store/operations.ts";
import { StoreEngine, type Call } from "../../shared/kit/store-engine.ts";
import { failuresText, Ground, paths, pause, type LoadResult } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { spread, spreadText } from "./turns.ts";

const groupMax = 100;
/** What an event says, at its longest; a result lists some objects. */
const whatChars = 500;
const objectsPerResult = 10;
const storeBytes = "4GiB";

class Filling {
  readonly #engine: StoreEngine;
  readonly #nowMs = Date.now();
  #calls: Call[] = [];

  constructor(dir: string) {
    this.#engine = new StoreEngine({ file: join(dir, "agent.db"), module: agentModule, mustExist: true });
    this.#put({ name: "setRoom", args: { storeBytes: 4 * 2 ** 30 } });
    this.#flush();
  }

  #put(...calls: readonly Call[]): void {
    this.#calls.push(...calls);
    if (this.#calls.length >= groupMax) this.#flush();
  }

  #flush(): void {
    const failed = this.#engine.runGroup(this.#calls).find((outcome) => !outcome.ok);
    if (failed?.ok === false) throw failed.fault;
    this.#calls = [];
  }

  /** A command from its arrival to its outcome. */
  result(n: number): void {
    const id = `replay-${n}`;
    const body = Buffer.from(JSON.stringify({ n }));
    const bodyHash = createHash("sha256").update(body).digest("hex");
    const times = { nowMs: this.#nowMs, deadlineMs: this.#nowMs + 86_400_000, nbfMs: 0 };
    const objects = Array.from({ length: objectsPerResult }, (_value, index) => ({ ref: `ConfigMap default/replay-${n}-${index}`, result: "configured" as const, why: "" }));
    this.#put(
      { name: "storeCommand", args: { id, relayEpoch: 1, ord: n, after: null, lane: "deploy", kind: "apply", cls: "write", header: JSON.stringify({ cid: id, filler: "h".repeat(300) }), body, bodyHash, keys: [{ key: id, isOwn: true }], kid: "bench", seq: n, floor: n - 1, fence: 0, ...times } },
      { name: "claimCommand", args: { nowMs: this.#nowMs, errorMs: 0 } },
      { name: "settleCommand", args: { id, outcome: { state: "succeeded", what: "applied", code: null, objects }, startedMs: this.#nowMs, nowMs: this.#nowMs } },
    );
  }

  failure(n: number): void {
    this.#put({ name: "postEvent", args: { id: `replay-event-${n}`, atMs: this.#nowMs + n, event: "command", what: `${n} failed: `.padEnd(whatChars, "w"), isFailure: true } });
  }

  historyOctets(): number {
    this.#flush();
    const [room] = this.#engine.runGroup([{ name: "room", args: null }]);
    return room?.ok === true ? (room.value as AgentStatus["store"]).history : 0;
  }

  close(): void {
    this.#flush();
    this.#engine.close();
  }
}

function fill(dir: string, results: number, historyOctets: number): void {
  const filling = new Filling(dir);
  for (let n = 1; n <= results; n += 1) filling.result(n);
  for (let n = 0; n % 1_000 !== 0 || filling.historyOctets() < historyOctets; n += 1) filling.failure(n);
  filling.close();
}

const roundsMax = 20;

interface Pace {
  readonly letters: number;
  readonly seconds: number;
  readonly octets: number;
}

const used = ({ store }: AgentStatus): number => store.results + store.history;
const paceOf = (from: AgentStatus, to: AgentStatus, beginMs: number): Pace => ({ letters: from.lettersWaiting - to.lettersWaiting, seconds: (performance.now() - beginMs) / 1_000, octets: used(from) - used(to) });

/** Loads one after the other while letters wait; one during which they ended does not count. What is left then leaves with nobody beside it. */
async function besideReplay(ground: Ground, dir: string, seconds: number): Promise<{ readonly rounds: readonly LoadResult[]; readonly beside: Pace; readonly alone: Pace }> {
  const rounds: LoadResult[] = [];
  const begin = await askStatus(dir);
  const beginMs = performance.now();
  let beside = paceOf(begin, begin, beginMs);
  let now = begin;
  while (rounds.length < roundsMax) {
    const result = await ground.load(ground.product(), paths.small, ["-c", "1", "-d", String(seconds)]).done;
    now = await askStatus(dir);
    if (now.lettersWaiting < begin.lettersWaiting / 50) break;
    rounds.push(result);
    beside = paceOf(begin, now, beginMs);
  }
  const alone = now;
  const aloneMs = performance.now();
  while (now.lettersWaiting > 10) {
    await pause(500);
    now = await askStatus(dir);
  }
  return { rounds, beside, alone: paceOf(alone, now, aloneMs) };
}

export async function replay(options: BenchOptions): Promise<void> {
  const report = new Report("replay");
  const ground = new Ground();
  const seconds = options.isQuick ? 1 : 5;
  const [results, historyOctets] = options.isQuick ? [1_000, 20e6] : [10_000, 200e6];
  try {
    await ground.start({ profile: options.profile, agentArgs: ["--store-bytes", storeBytes] });
    const dir = ground.place.agentData("bench");
    const small = (): Promise<LoadResult> => ground.load(ground.product(), paths.small, ["-c", "1", "-d", String(seconds)]).done;
    await small(); // warm
    await ground.agent.stop();
    fill(dir, results, historyOctets);
    ground.agent = await ground.again("bench", ["--store-bytes", storeBytes]);
    const { rounds, beside, alone } = await besideReplay(ground, dir, seconds);
    const idle: LoadResult[] = [];
    for (let round = 0; round < 5; round += 1) idle.push(await small());
    const row = (name: string, of: readonly LoadResult[]): string[] => [name, spreadText(of.map(({ p50 }) => p50)), spreadText(of.map(({ p99 }) => p99)), spreadText(of.map(({ max }) => max)), String(of.length), failuresText(of.find((one) => one.errors > 0) ?? idle[0]!)];
    report.table(["", "p50 ms", "p99 ms", "max ms", "rounds", "failures"], [row("idle", idle), row("beside the replay", rounds)]);
    const pace = (name: string, { letters, seconds: took, octets }: Pace): (string | number)[] => [name, letters, took, letters / took, octets / 1e6 / took];
    report.table(["replayed", "letters", "s", "letters/s", "MB/s"], [pace("beside requests", beside), pace("alone", alone)]);
    const p99 = (of: readonly LoadResult[]): number => spread(of.map((one) => one.p99)).median;
    report.goal({ name: "replay.p99", sign: "<=", bound: 3, value: p99(rounds) / p99(idle) });
    report.write();
  } finally {
    await ground.stop();
  }
}
