// One stream: its states, its queue of octets that wait, and when it is small enough to go first.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GrowthBudget } from "./credit.ts";
import { MuxStream, STREAM_TABLE, type StreamEvent, type StreamState } from "./stream.ts";

const make = (isInteractive = false, budget = new GrowthBudget(1_000_000)): MuxStream =>
  new MuxStream(1, isInteractive, { peerStart: 10_000_000, ownStart: 65_536, budget });
/** The first `octets` octets of the queue, in one piece. */
function shift(stream: MuxStream, octets: number): Uint8Array {
  const parts: Uint8Array[] = [];
  stream.shiftInto(parts, octets);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const states = Object.keys(STREAM_TABLE) as StreamState[];
const events: readonly StreamEvent[] = ["sendFin", "receiveFin", "reset"];

/** PROTOCOL.md section 4: half-closed per direction, closed when both are complete or by one RESET. */
const STEPS: Readonly<Record<string, StreamState>> = {
  "open sendFin": "localDone",
  "open receiveFin": "remoteDone",
  "open reset": "closed",
  "localDone receiveFin": "closed",
  "localDone reset": "closed",
  "remoteDone sendFin": "closed",
  "remoteDone reset": "closed",
};

test.each(states.flatMap((state) => events.map((event) => [state, event] as const)))("a stream that is %s takes %s as the page says", (state, event) => {
  const stream = make();
  stream.state = state;
  const to = STEPS[`${state} ${event}`];
  if (to === undefined) {
    expect(() => stream.move(event)).toThrow(expect.objectContaining({ code: "FRAME_MISPLACED" }));
    expect(stream.state).toBe(state);
  } else expect([stream.move(event), stream.state]).toEqual([to, to]);
});

describe("the queue", () => {
  test("lets go of what has left it, while more waits", async () => {
    setFlagsFromString("--expose_gc");
    const collect = runInNewContext("gc") as () => void;
    const stream = make();
    const left = ((): WeakRef<Uint8Array> => {
      const chunk = new Uint8Array(65_536);
      stream.push(chunk, 0);
      return new WeakRef(chunk);
    })();
    stream.push(new Uint8Array(65_536), 0);
    shift(stream, 65_536);
    // A WeakRef holds what it was made from until the end of its turn.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(stream.queuedOctets).toBe(65_536);
    expect(left.deref()).toBeUndefined();
  });

  test("gives every octet once and in order, in parts of any size, across chunks", () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 150 });
    fc.assert(
      fc.property(chunks, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (written, sizes) => {
        const stream = make();
        const out: number[] = [];
        let turn = 0;
        const drain = (least: number): void => {
          while (stream.queuedOctets > least) {
            const size = sizes[(turn += 1) % sizes.length]!;
            const part = shift(stream, Math.min(size, stream.queuedOctets));
            out.push(...part);
          }
        };
        for (const [index, chunk] of written.entries()) {
          stream.push(chunk, index);
          if (index % 3 === 2) drain(100);
        }
        expect(stream.queuedOctets).toBe(written.reduce((sum, chunk) => sum + chunk.length, 0) - out.length);
        drain(0);
        expect(out).toEqual(written.flatMap((chunk) => [...chunk]));
      }),
      { numRuns: 60 },
    );
  });

  test("hands chunks on as views: nothing is copied", () => {
    const stream = make();
    const chunk = new Uint8Array(100);
    stream.push(chunk, 0);
    stream.push(new Uint8Array(7), 0);
    const parts: Uint8Array[] = [];
    stream.shiftInto(parts, 40);
    expect(parts.map(({ buffer }) => buffer)).toEqual([chunk.buffer]);
    stream.shiftInto(parts, 67);
    expect(parts.map(({ length }) => length)).toEqual([60, 7]);
  });

  test("that is dropped is empty, and its growth is the link's again", () => {
    const budget = new GrowthBudget(1_000_000);
    const stream = make(false, budget);
    stream.push(new Uint8Array(500), 0);
    stream.record = new Uint8Array(5);
    stream.in.receive(65_536);
    stream.in.take(65_536, 0, 100);
    stream.in.receive(0);
    stream.in.take(0, 1, 100);
    stream.drop();
    expect([stream.queuedOctets, stream.record, budget.used, stream.hasBody, stream.hasBareWork]).toEqual([0, null, 0, false, false]);
  });
});

describe("work", () => {
  test("needs credit for octets, and nothing for a head or for an end that waits for nothing else", () => {
    const stream = new MuxStream(1, false, { peerStart: 10, ownStart: 10, budget: new GrowthBudget(0) });
    expect([stream.hasBody, stream.hasBareWork]).toEqual([false, false]);
    stream.wantsFin = true;
    expect([stream.hasBody, stream.hasBareWork]).toEqual([false, true]);
    stream.push(new Uint8Array(20), 0);
    expect([stream.hasBody, stream.hasBareWork]).toEqual([true, false]);
    stream.sentBody(shift(stream, 10).length, 0);
    expect([stream.hasBody, stream.hasBareWork], "no credit: the end waits behind the octets").toEqual([false, false]);
    stream.out.raise(20);
    expect([stream.hasBody, stream.hasBareWork]).toEqual([true, false]);
    stream.record = new Uint8Array(1);
    expect(stream.hasBareWork).toBe(true);
  });

  test("that nobody reads any more is gone, and the end may leave", () => {
    const stream = new MuxStream(1, false, { peerStart: 0, ownStart: 10, budget: new GrowthBudget(0) });
    stream.push(new Uint8Array(20), 0);
    stream.wantsFin = true;
    expect([stream.hasBody, stream.hasBareWork]).toEqual([false, false]);
    stream.dropQueue();
    expect([stream.hasBody, stream.hasBareWork, stream.queuedOctets]).toEqual([false, true, 0]);
  });
});

describe("going first", () => {
  const send = (stream: MuxStream, octets: number, nowMs: number): void => {
    stream.push(new Uint8Array(octets), nowMs);
    stream.sentBody(shift(stream, octets).length, nowMs);
  };

  test.each([
    [false, 32_768],
    [true, 131_072],
  ])("interactive: %s, is over after a burst of %d octets, whatever the stream was announced as", (isInteractive, octets) => {
    const stream = make(isInteractive);
    send(stream, octets - 1, 0);
    expect(stream.goesFirst).toBe(true);
    send(stream, 1, 50);
    expect(stream.goesFirst).toBe(false);
  });

  test("begins again after a pause of its own, and not after one in which it waited for its turn", () => {
    const stream = make();
    send(stream, 40_000, 0);
    stream.push(new Uint8Array(10), 90);
    expect(stream.goesFirst).toBe(false);
    stream.sentBody(shift(stream, 10).length, 500);
    expect(stream.goesFirst, "its octets waited 410 ms: that was no pause").toBe(false);
    stream.push(new Uint8Array(1), 700);
    expect(stream.goesFirst, "a keystroke after a screenful").toBe(true);
  });
});
