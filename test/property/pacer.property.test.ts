// Whatever a peer acknowledges, whenever, and whatever the mux does in between: the pacer's figures stay numbers within their bounds, and a link is never shut.
// A failing run prints fast-check's seed and the shortest list of events.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RatePacer } from "../../shared/mux/pacer.ts";
import { tlsRecordBytes } from "../../shared/wire/limits.ts";

type Event =
  | { readonly kind: "send"; readonly part: number; readonly isClean: boolean }
  | { readonly kind: "ack"; readonly part: number }
  | { readonly kind: "idle" }
  | { readonly kind: "wait"; readonly ms: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), part: fc.double({ min: 0, max: 1, noNaN: true }), isClean: fc.boolean() }),
  fc.record({ kind: fc.constant("ack" as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant("idle" as const) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 20_000, noNaN: true })) }),
);

class Rig {
  nowMs = 5;
  sent = 0;
  acked = 0;
  readonly pacer = new RatePacer(this.nowMs);

  apply(one: Event): void {
    const { pacer } = this;
    if (one.kind === "wait") this.nowMs += one.ms;
    else if (one.kind === "idle") pacer.idle("nothing-to-send", this.nowMs);
    else if (one.kind === "ack") {
      this.acked += Math.floor((this.sent - this.acked) * one.part);
      pacer.acked(this.acked, this.nowMs);
    } else {
      const octets = Math.ceil(Math.min(pacer.allowance(this.nowMs), pacer.frameOctetsMax()) * one.part);
      if (octets === 0) return;
      this.sent += octets;
      pacer.sent(octets, this.nowMs, one.isClean);
    }
  }

  /** As on a path in use: something leaves every few ms, and is acknowledged half a round later. */
  warm(turns: number): void {
    for (let turn = 0; turn < turns; turn += 1) {
      this.apply({ kind: "send", part: 1, isClean: true });
      this.apply({ kind: "send", part: 1, isClean: false });
      this.apply({ kind: "wait", ms: 7 });
      this.apply({ kind: "ack", part: 0.5 });
    }
  }

  check(): void {
    const { pacer, nowMs } = this;
    const [allowance, frame, message, cap] = [pacer.allowance(nowMs), pacer.frameOctetsMax(), pacer.messageOctetsMax(), pacer.capOctets];
    for (const value of [allowance, frame, message, cap, pacer.rateBytesPerS, pacer.minRoundTripMs, pacer.roundTripMs]) expect(Number.isFinite(value) && value >= 0, `${value} is no size`).toBe(true);
    expect(Number.isInteger(allowance)).toBe(true);
    expect(frame).toBeGreaterThanOrEqual(1_024);
    expect(frame).toBeLessThanOrEqual(Math.max(1_024, Math.min(tlsRecordBytes, cap / 4)));
    expect(message).toBeGreaterThanOrEqual(1_024);
    expect(message).toBeLessThanOrEqual(tlsRecordBytes);
    expect(cap).toBeGreaterThanOrEqual(2_048);
    expect(cap).toBeLessThanOrEqual(16_777_216);
    if (this.sent === this.acked) expect(allowance).toBeGreaterThanOrEqual(frame);
    else expect(allowance).toBeLessThanOrEqual(Math.max(0, cap - (this.sent - this.acked)));
    expect(pacer.nextWakeMs(nowMs)).toBeGreaterThan(nowMs);
  }
}

describe("the pacer", () => {
  test("keeps its figures within their bounds, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 300 }), fc.constantFrom(0, 0, 50, 2_000), (events, turns) => {
        const rig = new Rig();
        rig.warm(turns);
        for (const one of events) {
          rig.apply(one);
          rig.check();
        }
      }),
      { numRuns: 300 },
    );
  });

  test("lets a link go on after anything: what is in flight comes back, and then a frame may leave", () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 200 }), fc.constantFrom(0, 0, 50, 2_000), (events, turns) => {
        const rig = new Rig();
        rig.warm(turns);
        for (const one of events) rig.apply(one);
        rig.apply({ kind: "ack", part: 1 });
        const before = rig.sent;
        rig.apply({ kind: "send", part: 1, isClean: true });
        expect(rig.sent - before).toBeGreaterThanOrEqual(1_024);
      }),
      { numRuns: 200 },
    );
  });

  test("starts small enough for a path of 8 kB/s: no more than two seconds of it, in frames of an eighth of a second", () => {
    const pacer = new RatePacer(0);
    expect(pacer.allowance(0)).toBe(16_384);
    expect(pacer.frameOctetsMax()).toBe(1_024);
    expect(pacer.messageOctetsMax()).toBe(1_024);
  });
});

/** One end of a path of `rate` octets per ms and `delayMs` each way, fed as fast as the pacer allows. */
class Feed {
  nowMs = 0;
  readonly pacer = new RatePacer(0);
  #sent = 0;
  #freeMs = 0;
  readonly #acks: { readonly atMs: number; readonly total: number }[] = [];
  readonly #rate: number;
  readonly #delayMs: number;

  constructor(rate: number, delayMs: number) {
    this.#rate = rate;
    this.#delayMs = delayMs;
  }

  #send(most: number): void {
    for (let left = most; left > 0; ) {
      const octets = Math.min(left, this.pacer.allowance(this.nowMs), this.pacer.messageOctetsMax());
      if (octets < 1) return;
      this.#sent += octets;
      left -= octets;
      this.pacer.sent(octets, this.nowMs, true);
      this.#freeMs = Math.max(this.#freeMs, this.nowMs) + octets / this.#rate;
      this.#acks.push({ atMs: this.#freeMs + 2 * this.#delayMs, total: this.#sent });
    }
    if (this.pacer.allowance(this.nowMs) > 0) this.pacer.idle("nothing-to-send", this.nowMs);
  }

  /** `octetsPerMs`: what its source gives; Infinity for as much as may leave. */
  run(forMs: number, octetsPerMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (; this.nowMs < untilMs; this.nowMs += 1) {
      while (this.#acks[0] !== undefined && this.#acks[0].atMs <= this.nowMs) this.pacer.acked(this.#acks.shift()!.total, this.nowMs);
      this.#send(octetsPerMs);
    }
  }
}

describe("the cap", () => {
  test("is what the path holds and a little more, and a source that gives less never lowers it", () => {
    const feed = new Feed(1_250, 30);
    feed.run(3_000, Infinity);
    const { capOctets, rateBytesPerS } = feed.pacer;
    expect(rateBytesPerS).toBeGreaterThan(1_200_000);
    expect(rateBytesPerS).toBeLessThan(1_300_000);
    expect(capOctets).toBeGreaterThan(1_250 * 60);
    expect(capOctets).toBeLessThan(1_250 * 60 * 1.5);
    feed.run(60_000, 20);
    expect(feed.pacer.capOctets).toBeGreaterThan(0.95 * capOctets);
  });

  test("holds over idle, and what it allows then is spread over one round trip", () => {
    const feed = new Feed(1_250, 30);
    feed.run(3_000, Infinity);
    const { capOctets } = feed.pacer;
    feed.run(60_000, 0);
    expect(feed.pacer.capOctets).toBe(capOctets);
    const { nowMs, pacer } = feed;
    pacer.sent(1_024, nowMs, true);
    expect(pacer.allowance(nowMs)).toBeLessThan(capOctets / 4);
    expect(pacer.nextWakeMs(nowMs)).toBeLessThan(nowMs + 10);
    expect(pacer.allowance(nowMs + 32)).toBeGreaterThan(capOctets / 3);
    expect(pacer.allowance(nowMs + 32)).toBeLessThan(capOctets * (2 / 3));
    expect(pacer.allowance(nowMs + 70)).toBeGreaterThan(capOctets - 2_048);
    expect(pacer.nextWakeMs(nowMs + 70)).toBe(Infinity);
  });

  test("does not follow a path that only stands still for a second", () => {
    const feed = new Feed(1_250, 30);
    feed.run(3_000, Infinity);
    const { capOctets } = feed.pacer;
    feed.nowMs += 1_000;
    feed.run(3_000, Infinity);
    expect(feed.pacer.capOctets).toBeGreaterThan(0.9 * capOctets);
    expect(feed.pacer.capOctets).toBeLessThan(1.2 * capOctets);
  });
});
