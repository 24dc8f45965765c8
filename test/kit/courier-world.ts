// What a courier stands between, made of arrays: a link whose room is set by hand and which notes what is offered, settled and granted, a store that leases
// what was put and answers when it may, a clock that is moved. Used by the courier's tests.
import type { Clock } from "../../shared/kit/clock.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { Courier, type CourierSide, type LetterPort, type RenderedLetter, type SettleStatus } from "../../shared/outbox/courier.ts";
import { encodeLetter, type Letter } from "../../shared/outbox/letter.ts";

/** Everything that is under way in promises has settled: a handful of turns of the loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

class HandClock implements Clock {
  nowMs = 0;
  readonly #timers = new Map<() => void, number>();

  wallMs = (): number => this.nowMs;
  monoMs = (): number => this.nowMs;

  after(delayMs: number, wake: () => void): () => void {
    this.#timers.set(wake, this.nowMs + delayMs);
    return () => void this.#timers.delete(wake);
  }

  get timers(): number {
    return this.#timers.size;
  }

  move(ms: number): void {
    this.nowMs += ms;
    for (const [wake, atMs] of this.#timers) {
      if (atMs > this.nowMs) continue;
      this.#timers.delete(wake);
      wake();
    }
  }
}

export class World implements LetterPort, CourierSide {
  room = { letters: 10, octets: 1_000_000 };
  /** The link has streams. */
  isShared = false;
  readonly waiting: RenderedLetter[] = [];
  readonly offered: string[] = [];
  readonly settledHere: string[] = [];
  readonly receipts: string[] = [];
  readonly granted: { letters: number; octets: number }[] = [];
  readonly leases: { letters: number; octets: number }[] = [];
  readonly clock = new HandClock();
  stuck = 0;
  leaseGate: Promise<void> = Promise.resolve();
  takes: (letter: Letter) => Promise<SettleStatus> = () => Promise.resolve("committed");
  /** What a refused letter becomes in the store. */
  onRefused: (id: string) => void = () => {};
  readonly courier: Courier;

  constructor() {
    this.courier = new Courier({
      port: this,
      side: this,
      clock: this.clock,
      log: silentLog,
      granted: { letters: 4, octets: 4_000 },
      onStuck: () => void (this.stuck += 1),
    });
  }

  /** Leases wait from now on until the returned function is called. */
  holdLeases(): () => void {
    let open = (): void => {};
    this.leaseGate = new Promise((resolve) => (open = resolve));
    return () => open();
  }

  put(...ids: string[]): void {
    for (const id of ids) this.waiting.push({ id, lane: "deploy", bytes: new Uint8Array(100) });
  }

  get letterRoom(): { letters: number; octets: number } {
    return this.room;
  }

  offerLetter(letter: { readonly handle: string; readonly bytes: Uint8Array }): void {
    this.offered.push(letter.handle);
    this.room = { letters: this.room.letters - 1, octets: this.room.octets - letter.bytes.length };
  }

  settleLetter(number: number, status: SettleStatus): void {
    this.receipts.push(`${number} ${status}`);
  }

  grantLetters(total: { letters: number; octets: number }): void {
    this.granted.push(total);
  }

  async lease(room: { letters: number; octets: number }): Promise<RenderedLetter[]> {
    this.leases.push(room);
    await this.leaseGate;
    return this.waiting.splice(0, room.letters);
  }

  settle(id: string, status: SettleStatus): Promise<void> {
    this.settledHere.push(`${id} ${status}`);
    if (status !== "committed") this.onRefused(id);
    return Promise.resolve();
  }

  intake(letter: Letter): Promise<SettleStatus> {
    return this.takes(letter);
  }
}

export const letterOctets = (id: string, envelopeBytes = 3): Uint8Array => encodeLetter({ id, lane: "deploy", kind: "command" }, new Uint8Array(envelopeBytes));
