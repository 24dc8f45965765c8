// What the mux says about itself is state and no queue: asked a thousand times it is said once, and what does not fit one message is in the next.
import { describe, expect, test } from "vitest";
import { Control } from "./control.ts";
import { GrowthBudget } from "./credit.ts";
import { LettersIn } from "./letters.ts";
import { MuxStream } from "./stream.ts";

const PONG = 0x08;
const ACK = 0x09;
const RESET = 0x25;
const STOP = 0x24;
const CREDIT = 0x26;
const BYE = 0x06;

const letters = (): LettersIn => new LettersIn({ letters: 1, octets: 1 });
const stream = (id: number): MuxStream => new MuxStream(id, false, { peerStart: 10, ownStart: 10, budget: new GrowthBudget(0) });

/** Frames as `type stream`, at most `most` of them until the message is full. */
function emitted(control: Control, most = Infinity, from = letters()): string[] {
  const frames: string[] = [];
  control.emit(
    (type, id) => {
      frames.push(`${type} ${id}`);
      return frames.length < most;
    },
    from,
    () => 1_700_000_000_000.5,
  );
  return frames;
}

test("nothing is due at the beginning, nor after everything was said", () => {
  const control = new Control();
  const from = letters();
  expect(control.isDue(from)).toBe(false);
  control.pong = 5;
  control.ping = 6;
  control.resets.set(1, { code: "cancelled", reason: "" });
  control.stops.set(2, "unreadable");
  control.credits.add(stream(3));
  control.bye = { code: "none", greatestId: 0, retryAfterMs: 0, reason: "", otherRelay: "" };
  from.grant({ letters: 2, octets: 2 });
  expect(control.isDue(from)).toBe(true);
  expect(emitted(control, Infinity, from)).toHaveLength(7);
  expect(control.isDue(from)).toBe(false);
  expect(emitted(control, Infinity, from)).toEqual([]);
});

test("a thousand pings are answered by one PONG, with the last time", () => {
  const control = new Control();
  for (let time = 0; time < 1_000; time += 1) control.pong = time;
  expect(emitted(control)).toEqual([`${PONG} 0`]);
});

test("an ACK covers all that was decoded, once", () => {
  const control = new Control();
  control.decodedOctets = 5_000;
  expect(control.unackedOctets).toBe(5_000);
  expect(emitted(control)).toEqual([`${ACK} 0`]);
  expect(control.unackedOctets).toBe(0);
  expect(emitted(control)).toEqual([]);
});

describe("more than one message holds", () => {
  test("goes on in the next, nothing twice, nothing left out, BYE last", () => {
    const control = new Control();
    for (let id = 1; id <= 10; id += 1) {
      control.resets.set(id, { code: "busy", reason: "" });
      control.stops.set(10 + id, "unreadable");
      control.credits.add(stream(20 + id));
    }
    control.bye = { code: "draining", greatestId: 0, retryAfterMs: 0, reason: "", otherRelay: "" };
    const all: string[] = [];
    for (let message = 0; message < 40 && control.isDue(letters()); message += 1) all.push(...emitted(control, 3));
    const ids = (type: number, from: number): string[] => Array.from({ length: 10 }, (_value, index) => `${type} ${from + index}`);
    expect(all).toEqual([...ids(RESET, 1), ...ids(STOP, 11), ...ids(CREDIT, 21), `${BYE} 0`]);
  });

  test("of credits: a stream whose CREDIT left may be granted again", () => {
    const control = new Control();
    const one = stream(1);
    one.creditIsDue = true;
    control.credits.add(one);
    emitted(control);
    expect([one.creditIsDue, control.credits.size]).toEqual([false, 0]);
  });
});
