// Two muxes on a simulated link: virtual time, a delay each way, an optional rate, stalls and cuts; messages arrive whole and in order, as a
// WebSocket gives them. Deterministic from its seed. Used by the mux's property tests.
import { FixedPacer, type Pacer } from "../../shared/mux/pacer-type.ts";
import type { Effect } from "../../shared/mux/effects.ts";
import { Mux } from "../../shared/mux/mux.ts";
import type { MuxRole } from "../../shared/mux/settings.ts";
import { seededRandom } from "../../shared/kit/random.ts";

export interface LinkShape {
  readonly delayMs: number;
  /** Octets per ms, Infinity for none. */
  readonly rate: number;
  readonly seed: number;
  readonly pacer?: (nowMs: number) => Pacer;
  readonly startCredit?: number;
}

interface Flight {
  readonly atMs: number;
  readonly message: Uint8Array;
}

export interface Side {
  readonly mux: Mux;
  readonly inFlight: Flight[];
  busyUntilMs: number;
  onEffect: (effect: Effect) => void;
}

export class TwoMuxes {
  nowMs = 1_000;
  isCut = false;
  /** Nothing arrives while true: half-open. */
  isFrozen = false;
  readonly relay: Side;
  readonly agent: Side;
  readonly shape: LinkShape;
  messages = 0;

  constructor(shape: LinkShape) {
    this.shape = shape;
    this.relay = this.#side("relay");
    this.agent = this.#side("agent");
  }

  #side(role: MuxRole): Side {
    const startCredit = this.shape.startCredit ?? 65_536;
    const credit = { letters: 128, octets: 8_388_608 };
    const mux = new Mux(
      {
        role,
        allocate: (octets) => new Uint8Array(octets),
        peerStartCredit: startCredit,
        ownStartCredit: startCredit,
        peerLetterCredit: credit,
        ownLetterCredit: credit,
        random: seededRandom(this.shape.seed),
        wallMs: () => 1_700_000_000_000 + this.nowMs,
        pacer: this.shape.pacer?.(this.nowMs) ?? new FixedPacer(1_048_576),
      },
      this.nowMs,
    );
    return { mux, inFlight: [], busyUntilMs: 0, onEffect: () => {} };
  }

  #send(from: Side, to: Side): boolean {
    let moved = false;
    // A real socket would have said that it is full.
    while (from.busyUntilMs <= this.nowMs + 50) {
      const message = from.mux.nextMessage(this.nowMs, 0);
      if (message === null) break;
      moved = true;
      this.messages += 1;
      from.busyUntilMs = Math.max(this.nowMs, from.busyUntilMs) + message.length / this.shape.rate;
      if (!this.isCut) to.inFlight.push({ atMs: from.busyUntilMs + this.shape.delayMs, message });
    }
    return moved;
  }

  #receive(side: Side): boolean {
    let moved = false;
    while (!this.isFrozen && side.inFlight[0] !== undefined && side.inFlight[0].atMs <= this.nowMs) {
      side.mux.receive(side.inFlight.shift()!.message, this.nowMs);
      moved = true;
    }
    for (let effects = side.mux.effects(); effects.length > 0; effects = side.mux.effects()) {
      moved = true;
      for (const effect of effects) side.onEffect(effect);
    }
    return moved;
  }

  /** Everything that can happen at this instant. */
  settle(): void {
    for (let turn = 0; turn < 10_000; turn += 1) {
      const moved = [this.#send(this.relay, this.agent), this.#send(this.agent, this.relay), this.#receive(this.relay), this.#receive(this.agent)];
      if (!moved.includes(true)) return;
    }
    throw new Error("the two muxes never come to rest");
  }

  /** Moves to the next instant at which something is due, at most `untilMs`; false when nothing is. */
  step(untilMs: number): boolean {
    this.settle();
    const due = [this.relay.mux.nextWakeMs(this.nowMs), this.agent.mux.nextWakeMs(this.nowMs)];
    for (const side of [this.relay, this.agent]) if (!this.isFrozen && side.inFlight[0]) due.push(side.inFlight[0].atMs);
    for (const side of [this.relay, this.agent]) if (side.busyUntilMs > this.nowMs + 50) due.push(side.busyUntilMs - 50);
    const next = Math.min(...due);
    if (next > untilMs) {
      this.nowMs = untilMs;
      return false;
    }
    this.nowMs = Math.max(next, this.nowMs + 0.01);
    this.relay.mux.tick(this.nowMs);
    this.agent.mux.tick(this.nowMs);
    return true;
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (let steps = 0; this.step(untilMs); steps += 1) if (steps > 2_000_000) throw new Error("too many steps");
    this.settle();
  }
}
