// The courier on a made-up link with a clock moved by hand: what it asks of its store, when it judges a link stuck, and that a store that fails is tried again.
import { beforeEach, describe, expect, test } from "vitest";
import { Fault } from "../kit/errors.ts";
import { silentLog } from "../kit/log.ts";
import { ManualClock } from "../kit/manual-clock.ts";
import { Courier, type CourierSide, type LetterPort, type RenderedLetter, type SettleStatus } from "./courier.ts";
import { encodeLetter } from "./letter.ts";
import type { LeaseRoom } from "./outbox.ts";

let clock: ManualClock;
let room: { letters: number; octets: number };
let offered: string[];
let receipts: [number, SettleStatus][];
let asked: LeaseRoom[];
let stuck: number;
/** What the next leases give; a Fault is thrown. */
let leases: (RenderedLetter[] | Fault)[];
let settle: (id: string, status: SettleStatus) => Promise<void>;
let intake: CourierSide["intake"];
let courier: Courier;

const letter = (id: string, octets = 100): RenderedLetter => ({ id, lane: "deploy", bytes: new Uint8Array(octets) });
const ioFault = (): Fault => new Fault("STORE_FAILED", { what: "the disk" });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  clock = new ManualClock();
  room = { letters: 128, octets: 8_388_608 };
  offered = [];
  receipts = [];
  asked = [];
  leases = [];
  stuck = 0;
  settle = async () => {};
  intake = async () => "committed";
  const port: LetterPort = {
    isShared: false,
    get letterRoom() {
      return room;
    },
    offerLetter: ({ handle, bytes }) => {
      offered.push(handle);
      room = { letters: room.letters - 1, octets: room.octets - bytes.length };
    },
    settleLetter: (number, status) => void receipts.push([number, status]),
    grantLetters: () => {},
  };
  const side: CourierSide = {
    lease: async (wanted) => {
      asked.push(wanted);
      const next = leases.shift() ?? [];
      if (next instanceof Fault) throw next;
      return next;
    },
    settle: (id, status) => settle(id, status),
    intake: (taken) => intake(taken),
  };
  courier = new Courier({ port, side, clock, log: silentLog, granted: room, onStuck: () => void (stuck += 1) });
});

async function send(...letters: RenderedLetter[]): Promise<void> {
  leases.push(letters);
  courier.open();
  await turn();
  await turn();
}

describe("a link is judged stuck", () => {
  test("30 s after the acknowledgement of a letter's last octet, however long its octets took", async () => {
    await send(letter("a", 3_000_000));
    clock.advance(600_000);
    expect(stuck).toBe(0);
    courier.onLetterAcked("a");
    clock.advance(29_999);
    expect(stuck).toBe(0);
    clock.advance(1);
    expect(stuck).toBe(1);
  });

  test("not when the receipt came, and by the oldest one that has none", async () => {
    await send(letter("a"), letter("b"));
    courier.onLetterAcked("a");
    clock.advance(20_000);
    courier.onLetterAcked("b");
    courier.onSettled("a", "committed");
    clock.advance(29_000);
    expect(stuck).toBe(0);
    clock.advance(1_000);
    expect(stuck).toBe(1);
  });

  test("never after its end, and no timer stays", async () => {
    await send(letter("a"));
    courier.onLetterAcked("a");
    courier.onLinkEnd();
    clock.advance(60_000);
    expect([stuck, clock.timers]).toEqual([0, 0]);
  });
});

describe("what is asked of the store", () => {
  test("with nothing under way: 1 MiB, and one letter as large as the peer's credit", async () => {
    await send();
    expect(asked).toEqual([{ letters: 32, octets: 1_048_576, octetsMax: 8_388_608 }]);
  });

  test("with letters under way: what is left of 1 MiB, and nothing above it", async () => {
    await send(letter("a", 1_000_000));
    expect(asked.slice(1)).toEqual([{ letters: 32, octets: 48_576, octetsMax: 48_576 }]);
    room = { letters: 100, octets: 10_000_000 };
    leases.push([letter("b", 48_576)]);
    courier.poke();
    await turn();
    asked = [];
    courier.poke();
    await turn();
    expect(asked).toEqual([]);
  });

  test("never more letters than are left of 128, receipts that are being stored among them", async () => {
    room = { letters: 100_000, octets: 100_000_000 };
    let release: () => void = () => {};
    settle = () => new Promise((resolve) => (release = resolve));
    for (let batch = 0; batch < 4; batch += 1) leases.push(Array.from({ length: 32 }, (_value, index) => letter(`l-${batch * 32 + index}`)));
    courier.open();
    for (let step = 0; step < 10; step += 1) await turn();
    expect(offered).toHaveLength(128);
    asked = [];
    courier.onSettled("l-0", "committed");
    courier.poke();
    await turn();
    expect(asked).toEqual([]); // it is outstanding until its receipt is stored
    release();
    await turn();
    expect(asked).toMatchObject([{ letters: 1 }]);
  });

  test("again after a while when the store failed, without anybody calling", async () => {
    leases.push(ioFault(), ioFault(), [letter("a")]);
    courier.open();
    await clock.run(10_000);
    expect(offered).toEqual(["a"]);
  });
});

describe("a receipt", () => {
  test("that cannot be stored is tried until it is", async () => {
    await send(letter("a"));
    let tries = 0;
    settle = async () => {
      tries += 1;
      if (tries < 4) throw ioFault();
    };
    courier.onSettled("a", "committed");
    await clock.run(20_000);
    expect(tries).toBe(4);
    await clock.run(100_000);
    expect(tries).toBe(4);
  });

  test("is no longer stored after the link's end: the letter is in doubt then", async () => {
    await send(letter("a"));
    let tries = 0;
    settle = async () => {
      tries += 1;
      throw ioFault();
    };
    courier.onSettled("a", "committed");
    await turn();
    courier.onLinkEnd();
    await clock.run(100_000);
    expect([tries, clock.timers]).toEqual([1, 0]);
  });

  test("for a letter that comes twice settles once", async () => {
    await send(letter("a"));
    const settled: string[] = [];
    settle = async (id) => void settled.push(id);
    courier.onSettled("a", "committed");
    courier.onSettled("a", "committed");
    await turn();
    expect(settled).toEqual(["a"]);
  });
});

describe("a letter that comes", () => {
  test("of a kind that is unknown here is unsupported, and reaches no store", async () => {
    const taken: string[] = [];
    intake = async (whole) => {
      taken.push(whole.head.id);
      return "committed";
    };
    const future = encodeLetter({ id: "x", lane: "deploy", kind: "stack" as "command" }, new Uint8Array(10));
    courier.onLetterChunk(1, 0, future.length, future);
    await turn();
    expect([taken, receipts]).toEqual([[], [[1, "unsupported"]]]);
  });
});
