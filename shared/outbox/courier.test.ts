// The courier between an outbox and a link, with a link and a store made of arrays: what leaves once, what waits for room, what is receipted only after the
// commit, and what happens when the link ends in between.
import { describe, expect, test } from "vitest";
import { Fault } from "../kit/errors.ts";
import { silentLog } from "../kit/log.ts";
import type { Clock } from "../kit/clock.ts";
import { Courier, type CourierSide, type LetterPort, type RenderedLetter, type SettleStatus } from "./courier.ts";
import { encodeLetter, type Letter } from "./letter.ts";

/** Everything that is under way in promises has settled: a handful of turns of the loop. */
async function settled(): Promise<void> {
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

class World implements LetterPort, CourierSide {
  room = { letters: 10, octets: 1_000_000 };
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

const letterOctets = (id: string, envelopeBytes = 3): Uint8Array => encodeLetter({ id, lane: "deploy", kind: "command" }, new Uint8Array(envelopeBytes));

describe("letters that leave", () => {
  test("wait until what is in doubt has been settled", async () => {
    const world = new World();
    world.put("a");
    world.courier.poke();
    await settled();
    expect([world.leases.length, world.offered]).toEqual([0, []]);
    world.courier.open();
    await settled();
    expect(world.offered).toEqual(["a"]);
  });

  test("leave once on a live link, however often somebody pokes", async () => {
    const world = new World();
    world.put("a", "b");
    world.courier.open();
    for (let count = 0; count < 5; count += 1) world.courier.poke();
    await settled();
    world.courier.poke();
    world.courier.onLetterRoom();
    world.clock.move(50_000);
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
  });

  test("are asked for one lease at a time, and what is put meanwhile is not forgotten", async () => {
    const world = new World();
    let openGate = (): void => {};
    world.leaseGate = new Promise((resolve) => (openGate = resolve));
    world.put("a");
    world.courier.open();
    await settled();
    world.put("b");
    world.courier.poke();
    world.courier.poke();
    await settled();
    expect(world.leases).toHaveLength(1);
    openGate();
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
  });

  test("stop where the peer's room stops, and go on with the room that a receipt or a credit brings", async () => {
    const world = new World();
    world.room = { letters: 2, octets: 1_000_000 };
    world.put("a", "b", "c", "d");
    world.courier.open();
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
    world.courier.onSettled("a", "committed");
    await settled();
    expect(world.offered, "a receipt alone is no room").toEqual(["a", "b"]);
    world.room = { letters: 1, octets: 1_000_000 };
    world.courier.onLetterRoom();
    await settled();
    expect(world.offered).toEqual(["a", "b", "c"]);
    expect(world.leases.every(({ letters, octets }) => letters >= 1 && octets >= 1)).toBe(true);
  });

  test("are under way up to a mebibyte, so that a thousand sites that return at once do not hold a gigabyte", async () => {
    const world = new World();
    world.room = { letters: 100, octets: 100_000_000 };
    world.put("a");
    world.courier.open();
    await settled();
    world.put("b");
    world.courier.poke();
    await settled();
    expect(world.leases.at(-1)!.octets).toBeLessThanOrEqual(1_048_576);
    expect(world.leases.every(({ letters }) => letters <= 32)).toBe(true);
  });

  test("are settled in the store by their receipt, with the peer's word", async () => {
    const world = new World();
    world.put("a", "b");
    world.courier.open();
    await settled();
    world.courier.onSettled("b", "policy");
    world.courier.onSettled("a", "committed");
    await settled();
    expect(world.settledHere).toEqual(["b policy", "a committed"]);
  });

  test("that were refused for a reason that may pass are offered once more, and once only for each time that they wait again", async () => {
    const world = new World();
    const refusedOnes: string[] = [];
    world.onRefused = (id) => void refusedOnes.push(id);
    world.put("a");
    world.courier.open();
    await settled();
    world.courier.onSettled("a", "storage");
    await settled();
    expect(world.offered, "the store has not put it back yet").toEqual(["a"]);
    world.put(...refusedOnes);
    world.courier.poke();
    await settled();
    world.courier.poke();
    await settled();
    expect(world.offered).toEqual(["a", "a"]);
  });

  test("without a receipt for a minute resume the link; with one, or none under way, they do not", async () => {
    const world = new World();
    world.put("a", "b");
    world.courier.open();
    await settled();
    world.clock.move(59_000);
    world.courier.onSettled("a", "committed");
    await settled();
    expect(world.stuck).toBe(0);
    world.clock.move(1_000);
    expect(world.stuck).toBe(1);
    const quiet = new World();
    quiet.put("a");
    quiet.courier.open();
    await settled();
    quiet.courier.onSettled("a", "committed");
    await settled();
    quiet.clock.move(600_000);
    expect([quiet.stuck, quiet.clock.timers]).toEqual([0, 0]);
  });

  test("are tried again at the next poke when the store failed", async () => {
    const world = new World();
    world.leaseGate = Promise.reject(new Fault("DISK_FULL", { what: "full" }));
    world.put("a");
    world.courier.open();
    await settled();
    world.leaseGate = Promise.resolve();
    world.courier.poke();
    await settled();
    expect(world.offered).toEqual(["a"]);
  });
});

describe("letters that come", () => {
  test("are receipted after their commit and not before, and then one more is granted, with as many octets", async () => {
    const world = new World();
    let commit = (): void => {};
    world.takes = () => new Promise((resolve) => (commit = () => resolve("committed")));
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    await settled();
    expect([world.receipts, world.granted]).toEqual([[], []]);
    commit();
    await settled();
    expect(world.receipts).toEqual(["1 committed"]);
    expect(world.granted).toEqual([{ letters: 5, octets: 4_000 + octets.length }]);
  });

  test("are put together from chunks, of several letters at once", async () => {
    const world = new World();
    const seen: string[] = [];
    world.takes = ({ head, envelope }) => {
      seen.push(`${head.id} ${envelope.length}`);
      return Promise.resolve("committed");
    };
    const first = letterOctets("c-1", 500);
    const second = letterOctets("c-2", 10);
    world.courier.onLetterChunk(1, 0, first.length, first.subarray(0, 7));
    world.courier.onLetterChunk(2, 0, second.length, second);
    world.courier.onLetterChunk(1, 7, first.length, first.subarray(7, 300));
    world.courier.onLetterChunk(1, 300, first.length, first.subarray(300));
    await settled();
    expect(seen).toEqual(["c-2 10", "c-1 500"]);
  });

  test("that are no letters are refused, and give their room back like any other", async () => {
    const world = new World();
    world.courier.onLetterChunk(1, 0, 3, Uint8Array.of(1, 2, 3));
    await settled();
    expect(world.receipts).toEqual(["1 malformed"]);
    expect(world.granted).toEqual([{ letters: 5, octets: 4_003 }]);
  });

  test.each([
    ["a store that is full", new Fault("DISK_FULL", { what: "full" }), "storage"],
    ["a bug", new TypeError("x is not a function"), "storage"],
    ["a letter that breaks a rule", new Fault("ENVELOPE_KEY", { what: "who?" }), "malformed"],
  ])("whose intake throws for %s are answered %s... and nothing is lost", async (_name, error, status) => {
    const world = new World();
    world.takes = () => Promise.reject(error);
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    await settled();
    expect(world.receipts).toEqual([`1 ${status}`]);
  });

  test("out of order are a bug of the link's, and stop there", () => {
    const world = new World();
    world.courier.onLetterChunk(1, 0, 10, new Uint8Array(3));
    expect(() => world.courier.onLetterChunk(1, 4, 10, new Uint8Array(3))).toThrow(expect.objectContaining({ code: "BUG" }));
  });
});

describe("when the link ends", () => {
  test("a commit that comes later is not receipted on it: the next link names the letter as held", async () => {
    const world = new World();
    let commit = (): void => {};
    world.takes = () => new Promise((resolve) => (commit = () => resolve("committed")));
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    world.courier.onLinkEnd();
    commit();
    await settled();
    expect([world.receipts, world.granted]).toEqual([[], []]);
  });

  test("what was being leased is not offered on it: it is in doubt, and the next link settles that", async () => {
    const world = new World();
    let openGate = (): void => {};
    world.leaseGate = new Promise((resolve) => (openGate = resolve));
    world.put("a");
    world.courier.open();
    await settled();
    world.courier.onLinkEnd();
    openGate();
    await settled();
    expect(world.offered).toEqual([]);
    world.courier.poke();
    await settled();
    expect(world.leases).toHaveLength(1);
  });

  test("nothing is watched any more", async () => {
    const world = new World();
    world.put("a");
    world.courier.open();
    await settled();
    expect(world.clock.timers).toBe(1);
    world.courier.onLinkEnd();
    world.clock.move(600_000);
    expect([world.stuck, world.clock.timers]).toEqual([0, 0]);
  });
});
