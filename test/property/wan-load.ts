// Loads for a WanSim, as operators make them: bulks that never end in either direction, and small requests one after the other beside them. What a reader
// gets it takes at once. Measures what the goals of the design speak of: share of the path, times of small requests, octets queued outside the mux.
import { seededRandom, type Random } from "../../shared/kit/random.ts";
import type { Effect, StreamId } from "../../shared/mux/effects.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import type { End, WanSim } from "./wan-sim.ts";

export type Direction = "down" | "up";

/** What one read of a socket gives. */
const chunk = new Uint8Array(65_536);
const smallAnswer = new Uint8Array(2_000);

function head(target: string, interactive: boolean): RequestHead {
  const flags = { interactive, upgrade: false } as RequestHead["flags"];
  return { flags, method: "GET", target, operator: "ann", tier: "admin", requestId: "r-1", source: "127.0.0.1", headers: ["accept", "application/json"] };
}

/** The middle of the sorted times, or another quantile. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

interface Bulk {
  readonly direction: Direction;
  got: number;
}

export class WanLoad {
  readonly #sim: WanSim;
  readonly #random: Random;
  readonly #bulks = new Map<StreamId, Bulk>();
  readonly #small = new Map<StreamId, number>();
  readonly #stalled = new Set<StreamId>();
  /** Times of the small requests that came back since the last `reset`, in ms. */
  times: number[] = [];
  /** Greatest number of octets outside the mux since the last `reset`, in the direction of the bulks. */
  queuedMost = 0;
  #since = { ms: 0, got: 0 };

  constructor(sim: WanSim, seed: number) {
    this.#sim = sim;
    this.#random = seededRandom(seed);
    sim.relay.onEffect = (effect) => this.#atRelay(effect);
    sim.agent.onEffect = (effect) => this.#atAgent(effect);
  }

  bulk(direction: Direction): StreamId {
    const { mux } = this.#sim.relay;
    const id = mux.open(head(`/bulk/${direction}`, false), this.#sim.nowMs);
    this.#bulks.set(id, { direction, got: 0 });
    if (direction === "up") this.#feed(this.#sim.relay, id);
    else mux.finish(id);
    return id;
  }

  /** Gives up a bulk. */
  stop(id: StreamId): void {
    this.#bulks.delete(id);
    this.#sim.relay.mux.reset(id, "cancelled");
  }

  /** The reader of a bulk takes nothing any more. */
  stall(id: StreamId): void {
    this.#stalled.add(id);
  }

  /** A small request, and the next one half to one and a half `everyMs` after its answer. */
  smallRequests(everyMs: number): void {
    const { mux } = this.#sim.relay;
    const id = mux.open(head("/small", false), this.#sim.nowMs);
    mux.finish(id);
    this.#small.set(id, this.#sim.nowMs);
    this.#everyMs = everyMs;
  }

  #everyMs = 0;

  #feed({ mux }: End, id: StreamId): void {
    while (mux.write(id, chunk)) if (!mux.streams.has(id)) return;
  }

  #read(end: End, id: StreamId, octets: number): void {
    const bulk = this.#bulks.get(id);
    if (bulk !== undefined) bulk.got += octets;
    if (!this.#stalled.has(id)) end.mux.take(id, octets);
  }

  #atAgent(effect: Effect): void {
    const { agent } = this.#sim;
    if (effect.kind === "open") {
      agent.mux.respond(effect.id, { status: 200, headers: ["content-type", "text/plain"] });
      if (effect.head.target === "/bulk/down") this.#feed(agent, effect.id);
      else if (effect.head.target === "/small") {
        agent.mux.write(effect.id, smallAnswer);
        agent.mux.finish(effect.id);
      }
    } else if (effect.kind === "data") this.#read(agent, effect.id, effect.chunk.length);
    else if (effect.kind === "writable") this.#feed(agent, effect.id);
    this.#watch();
  }

  #atRelay(effect: Effect): void {
    const { relay } = this.#sim;
    if (effect.kind === "data") this.#read(relay, effect.id, effect.chunk.length);
    else if (effect.kind === "writable") this.#feed(relay, effect.id);
    else if (effect.kind === "end" && this.#small.has(effect.id)) {
      this.times.push(this.#sim.nowMs - this.#small.get(effect.id)!);
      this.#small.delete(effect.id);
      this.#sim.after(this.#everyMs * (0.5 + this.#random()), () => this.smallRequests(this.#everyMs));
    }
    this.#watch();
  }

  #watch(): void {
    for (const { out } of [this.#sim.relay, this.#sim.agent]) this.queuedMost = Math.max(this.queuedMost, out.queuedOctets);
  }

  get #got(): number {
    let got = 0;
    for (const bulk of this.#bulks.values()) got += bulk.got;
    return got;
  }

  /** Octets that each bulk's reader got. */
  get shares(): number[] {
    return [...this.#bulks.values()].map((bulk) => bulk.got);
  }

  /** Measures from here. */
  reset(): void {
    this.times = [];
    this.queuedMost = 0;
    this.#since = { ms: this.#sim.nowMs, got: this.#got };
  }

  /** Octets per second that the bulks' readers got since the last `reset`. */
  get rate(): number {
    return ((this.#got - this.#since.got) * 1_000) / (this.#sim.nowMs - this.#since.ms);
  }
}
