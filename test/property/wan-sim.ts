// Two muxes on a simulated wide-area path, in virtual time: each end is a real Mux with the pacer of the product, run as shared/link runs it (what arrived is
// received, effects are drained, what wants to leave is put into the socket, timers of whole milliseconds). The path is two WanWays. Deterministic from its
// seed; nothing here is random but the path. Used by the pacer's property tests; the loads are in wan-load.ts.
import { messagesPerTurn } from "../../shared/link/link.ts";
import { seededRandom } from "../../shared/kit/random.ts";
import type { Effect } from "../../shared/mux/effects.ts";
import { Mux } from "../../shared/mux/mux.ts";
import type { Pacer } from "../../shared/mux/pacer-type.ts";
import { RatePacer } from "../../shared/mux/pacer.ts";
import type { MuxRole } from "../../shared/mux/settings.ts";
import { creditStartBytes, socketStuckBytes } from "../../shared/wire/limits.ts";
import { WanWay, type WayShape } from "./wan-way.ts";

export interface WanShape extends WayShape {
  readonly seed: number;
  readonly pacer?: (nowMs: number) => Pacer;
}

/** Windows follow the round trip that the reading end knows, so it has to ask now and then. */
const pingEveryMs = 2_000;

export interface End {
  readonly mux: Mux;
  readonly pacer: Pacer;
  /** What this end sends. */
  readonly out: WanWay;
  onEffect: (effect: Effect) => void;
}

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

export class WanSim {
  nowMs = 1_000;
  readonly relay: End;
  readonly agent: End;
  readonly #timers: Timer[] = [];
  readonly #wakes = new Map<End, number>();

  constructor(shape: WanShape) {
    const random = seededRandom(shape.seed);
    this.relay = this.#end("relay", shape, new WanWay(shape, random, this.nowMs));
    this.agent = this.#end("agent", shape, new WanWay(shape, random, this.nowMs));
    this.#pingLater();
  }

  #end(role: MuxRole, shape: WanShape, out: WanWay): End {
    const credit = { letters: 128, octets: 8_388_608 };
    const pacer = shape.pacer?.(this.nowMs) ?? new RatePacer(this.nowMs);
    const mux = new Mux(
      {
        role,
        allocate: (octets) => Buffer.allocUnsafe(octets),
        peerStartCredit: creditStartBytes,
        ownStartCredit: creditStartBytes,
        peerLetterCredit: credit,
        ownLetterCredit: credit,
        random: seededRandom(shape.seed),
        wallMs: () => 1_700_000_000_000 + this.nowMs,
        pacer,
      },
      this.nowMs,
    );
    return { mux, pacer, out, onEffect: () => {} };
  }

  #pingLater(): void {
    for (const end of [this.relay, this.agent]) end.mux.ping(this.nowMs);
    this.after(pingEveryMs, () => this.#pingLater());
  }

  /** Calls `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): void {
    const atMs = this.nowMs + delayMs;
    let at = this.#timers.length;
    while (at > 0 && this.#timers[at - 1]!.atMs > atMs) at -= 1;
    this.#timers.splice(at, 0, { atMs, run });
  }

  /** Both directions of the path. */
  change(shape: Partial<WayShape>): void {
    for (const { out } of [this.relay, this.agent]) out.change(shape, this.nowMs);
  }

  #receive(end: End, from: End): boolean {
    const message = from.out.take(this.nowMs);
    if (message === null) return false;
    end.mux.receive(message, this.nowMs);
    this.#drainEffects(end);
    return true;
  }

  #drainEffects(end: End): boolean {
    const effects = end.mux.effects();
    for (const effect of effects) {
      if (effect.kind === "fail") throw effect.fault;
      // The windows of the reading end grow by the round trip of its own pings.
      if (effect.kind === "roundTrip") Object.defineProperty(end.pacer, "roundTripMs", { value: effect.ms, configurable: true });
      end.onEffect(effect);
    }
    return effects.length > 0;
  }

  #pump({ mux, out }: End): boolean {
    let moved = false;
    for (let left = messagesPerTurn; left > 0 && out.bufferedOctets <= socketStuckBytes; left -= 1) {
      const message = mux.nextMessage(this.nowMs, out.bufferedOctets);
      if (message === null) break;
      moved = true;
      out.hand(message, this.nowMs);
    }
    return moved;
  }

  /** Everything that can happen at this instant. */
  #settle(): void {
    for (let turn = 0; turn < 10_000; turn += 1) {
      let moved = false;
      for (const [end, from] of [[this.relay, this.agent], [this.agent, this.relay]] as const) {
        from.out.advance(this.nowMs);
        while (this.#receive(end, from)) moved = true;
        if (this.#pump(end)) moved = true;
        if (this.#drainEffects(end)) moved = true;
      }
      if (!moved) return;
    }
    throw new Error("the two ends never come to rest");
  }

  /** When an end's timer fires: armed as the link arms it, in whole milliseconds from when its mux first named the time. */
  #wakeMs(end: End): number {
    const wantedMs = end.mux.nextWakeMs(this.nowMs);
    const armedMs = this.#wakes.get(end) ?? Infinity;
    if (wantedMs < armedMs) this.#wakes.set(end, this.nowMs + Math.max(1, Math.ceil(wantedMs - this.nowMs)));
    return this.#wakes.get(end) ?? Infinity;
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      this.#settle();
      const due = [this.#timers[0]?.atMs ?? Infinity];
      for (const end of [this.relay, this.agent]) due.push(this.#wakeMs(end), end.out.nextMs());
      const nextMs = Math.min(...due);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.#fire();
    }
    this.nowMs = untilMs;
    this.#settle();
  }

  #fire(): void {
    while (this.#timers[0] !== undefined && this.#timers[0].atMs <= this.nowMs) this.#timers.shift()!.run();
    for (const end of [this.relay, this.agent]) {
      end.out.advance(this.nowMs);
      if ((this.#wakes.get(end) ?? Infinity) > this.nowMs) continue;
      this.#wakes.delete(end);
      end.mux.tick(this.nowMs);
      this.#drainEffects(end);
    }
  }
}
