// The mux's promises, on simulated links of many shapes: every byte once and in order, nobody starves, a stalled reader holds its own window,
// everything ends when the link does, hostile input ends in a named error.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FixedPacer } from "../../shared/mux/pacer-type.ts";
import { seededRandom } from "../../shared/kit/random.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import { isFaultCode } from "../../shared/kit/errors.ts";
import { TwoMuxes } from "./two-muxes.ts";

export function requestHead(target: string, interactive = false): RequestHead {
  return { flags: { interactive, upgrade: false, ends: false }, method: "GET", target, operator: "ann", tier: "admin", requestId: "r-1", source: "127.0.0.1", headers: ["accept", "application/json", "x-own", "1"] };
}

/** Octets whose value tells their stream and place, so that a mix-up cannot go unseen. */
function octetAt(id: number, at: number): number {
  return (id * 31 + at * 7 + (at >> 8)) & 0xff;
}

function chunkOf(id: number, from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_value, index) => octetAt(id, from + index));
}

interface Flow {
  wrote: number;
  readonly total: number;
  got: number;
  ended: boolean;
  closed: boolean;
}

/** Each stream uploads `up` octets and downloads `down`; returns the flows. */
function exchange(link: TwoMuxes, sizes: readonly { up: number; down: number }[], chunk: number, takes: (id: number) => boolean): { up: Map<number, Flow>; down: Map<number, Flow> } {
  const up = new Map<number, Flow>();
  const down = new Map<number, Flow>();
  const feed = (side: "relay" | "agent", id: number, flow: Flow): void => {
    const { mux } = link[side];
    while (flow.wrote < flow.total) {
      const part = chunkOf(id, flow.wrote, Math.min(chunk, flow.total - flow.wrote));
      flow.wrote += part.length;
      if (!mux.write(id, part)) return;
    }
    mux.finish(id);
  };
  const read = (side: "relay" | "agent", flows: Map<number, Flow>, id: number, octets: Uint8Array): void => {
    const flow = flows.get(id)!;
    for (let index = 0; index < octets.length; index += 1) if (octets[index] !== octetAt(id, flow.got + index)) throw new Error(`stream ${id}: octet ${flow.got + index} is wrong`);
    flow.got += octets.length;
    if (takes(id)) link[side].mux.take(id, octets.length);
  };
  link.agent.onEffect = (effect) => {
    if (effect.kind === "open") {
      link.agent.mux.respond(effect.id, { status: 200, headers: ["content-type", "text/plain"] });
      feed("agent", effect.id, down.get(effect.id)!);
    } else if (effect.kind === "data") read("agent", up, effect.id, effect.chunk);
    else if (effect.kind === "end") up.get(effect.id)!.ended = true;
    else if (effect.kind === "writable") feed("agent", effect.id, down.get(effect.id)!);
    else if (effect.kind === "fail") throw effect.fault;
  };
  link.relay.onEffect = (effect) => {
    if (effect.kind === "data") read("relay", down, effect.id, effect.chunk);
    else if (effect.kind === "end") down.get(effect.id)!.ended = true;
    else if (effect.kind === "closed") down.get(effect.id)!.closed = true;
    else if (effect.kind === "writable") feed("relay", effect.id, up.get(effect.id)!);
    else if (effect.kind === "fail") throw effect.fault;
  };
  for (const size of sizes) {
    const id = link.relay.mux.open(requestHead(`/s/${size.up}`), link.nowMs);
    up.set(id, { wrote: 0, total: size.up, got: 0, ended: false, closed: false });
    down.set(id, { wrote: 0, total: size.down, got: 0, ended: false, closed: false });
    feed("relay", id, up.get(id)!);
  }
  return { up, down };
}

describe("two muxes on a simulated link", () => {
  test("deliver every byte once and in order, and close every stream", () => {
    const size = fc.record({ up: fc.nat(200_000), down: fc.nat(300_000) });
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 90_000 }), fc.constantFrom(0, 1, 30, 300), fc.constantFrom(Infinity, 10_000, 1_000), fc.nat(), (sizes, chunk, delayMs, rate, seed) => {
        const link = new TwoMuxes({ delayMs, rate, seed });
        const { up, down } = exchange(link, sizes, Math.max(chunk, 64), () => true);
        link.run(600_000);
        for (const flow of [...up.values(), ...down.values()]) {
          expect(flow.got).toBe(flow.total);
          expect(flow.ended).toBe(true);
        }
        for (const flow of down.values()) expect(flow.closed).toBe(true);
        expect(link.relay.mux.streams.size + link.agent.mux.streams.size).toBe(0);
        expect(link.relay.mux.budget.used + link.agent.mux.budget.used).toBe(0);
      }),
      { numRuns: 20, interruptAfterTimeLimit: 10_000 }, // a machine that is busy runs fewer
    );
  });

  test("a reader that never takes holds its own start window and nobody else's bytes", () => {
    const link = new TwoMuxes({ delayMs: 5, rate: 10_000, seed: 1 });
    const sizes = [...Array.from({ length: 50 }, () => ({ up: 0, down: 1_000_000 })), { up: 0, down: 2_000_000 }];
    const { down } = exchange(link, sizes, 16_384, (id) => id === 51);
    link.run(60_000);
    expect(down.get(51)!.got).toBe(2_000_000);
    for (let id = 1; id <= 50; id += 1) expect(down.get(id)!.got).toBe(65_536);
  });

  test("bulk streams share by bytes and a small answer overtakes them", () => {
    const link = new TwoMuxes({ delayMs: 10, rate: 1_000, seed: 2 });
    const { down } = exchange(link, Array.from({ length: 4 }, () => ({ up: 0, down: 20_000_000 })), 65_536, () => true);
    link.run(5_000);
    const got = [...down.values()].map((flow) => flow.got);
    expect(Math.min(...got) / Math.max(...got)).toBeGreaterThan(0.9);
    down.set(5, { wrote: 0, total: 2_000, got: 0, ended: false, closed: false });
    const askedMs = link.nowMs;
    const before = link.agent.onEffect;
    link.agent.onEffect = (effect) => {
      if (effect.kind === "open" && effect.id === 5) {
        link.agent.mux.respond(5, { status: 200, headers: [] });
        link.agent.mux.write(5, chunkOf(5, 0, 2_000));
        link.agent.mux.finish(5);
      } else if (effect.kind !== "end" || effect.id !== 5) before(effect);
    };
    link.relay.mux.open(requestHead("/small"), link.nowMs);
    link.relay.mux.finish(5);
    while (!down.get(5)!.ended) if (!link.step(askedMs + 5_000)) break;
    expect(down.get(5)!.ended).toBe(true);
    // 20 ms of round trip, 50 ms that the simulated socket holds, one message of 64 KiB at 1,000 octets/ms that left behind them, and the rest of its own message.
    expect(link.nowMs - askedMs).toBeLessThan(20 + 50 + 2 * 66 + 20);
  });

  test("a flood of small answers does not starve bulk", () => {
    // A cap near what the path holds: with a megabyte under way its window, not the scheduler, would be what holds the bulk back.
    const link = new TwoMuxes({ delayMs: 1, rate: 500, seed: 3, pacer: () => new FixedPacer(32_768) });
    const { down } = exchange(link, [{ up: 0, down: 4_000_000 }, ...Array.from({ length: 400 }, () => ({ up: 0, down: 0 }))], 16_384, () => true);
    link.run(500);
    const before = down.get(1)!.got;
    expect(before).toBeGreaterThan(150_000);
    // From here on 400 streams answer in small pieces, more than the link can carry.
    const small = Array.from({ length: 400 }, () => link.relay.mux.open(requestHead("/small"), link.nowMs));
    for (const id of small) down.set(id, { wrote: 0, total: 30_000, got: 0, ended: false, closed: false });
    link.run(4_000);
    expect(down.get(1)!.got - before).toBeGreaterThan(200_000);
  });

  test("a silent peer is judged dead in time: 13 s when something is owed, 45 s when nothing is", () => {
    for (const owed of [true, false]) {
      const link = new TwoMuxes({ delayMs: 5, rate: Infinity, seed: 4 });
      link.run(1_000);
      const failedMs: Record<string, number> = {};
      for (const side of ["relay", "agent"] as const) link[side].onEffect = (effect) => {
        if (effect.kind === "fail") {
          expect(effect.fault.code).toBe("LINK_SILENT");
          failedMs[side] = link.nowMs;
        }
      };
      link.isFrozen = true;
      const frozenMs = link.nowMs;
      if (owed) link.relay.mux.open(requestHead("/waits"), link.nowMs);
      link.run(60_000);
      expect(failedMs["relay"]! - frozenMs).toBeLessThanOrEqual(owed ? 13_100 : 45_100);
      expect(failedMs["agent"]! - frozenMs).toBeLessThanOrEqual(45_100);
      expect(failedMs["agent"]! - frozenMs).toBeGreaterThan(30_000);
    }
  });

  test("a quiet link stays alive on pings alone", () => {
    const link = new TwoMuxes({ delayMs: 50, rate: Infinity, seed: 5 });
    for (const side of ["relay", "agent"] as const) link[side].onEffect = (effect) => {
      if (effect.kind === "fail") throw effect.fault;
    };
    link.run(3_600_000);
    expect(link.messages).toBeLessThan(2 * 3_600_000 / 32_000);
  });

  test("hostile messages end in a named error and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.boolean(), (junk, seed, mutate) => {
        const link = new TwoMuxes({ delayMs: 0, rate: Infinity, seed });
        const random = seededRandom(seed);
        const codes: string[] = [];
        for (const side of ["relay", "agent"] as const) link[side].onEffect = (effect) => {
          if (effect.kind === "fail") codes.push(effect.fault.code);
          if (effect.kind === "open") link.agent.mux.respond(effect.id, { status: 200, headers: [] });
        };
        for (let count = 0; count < 5; count += 1) link.relay.mux.open(requestHead(`/${count}`), link.nowMs);
        link.settle();
        for (let round = 0; round < 20; round += 1) {
          const target = random() < 0.5 ? link.relay : link.agent;
          let message: Uint8Array = junk;
          if (mutate) {
            link.relay.mux.write(1, chunkOf(1, 0, 40));
            const honest = link.relay.mux.nextMessage(link.nowMs, 0);
            if (honest) {
              message = honest.slice();
              message[Math.floor(random() * message.length)] = Math.floor(random() * 256);
            }
          }
          target.mux.receive(message, link.nowMs);
          link.settle();
        }
        for (const code of codes) expect(isFaultCode(code) && code !== "BUG").toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  test("a peer that opens and is refused for ever is ended, and costs no memory for streams", () => {
    const link = new TwoMuxes({ delayMs: 0, rate: Infinity, seed: 6 });
    let failed = "";
    link.agent.onEffect = (effect) => {
      if (effect.kind === "open") link.agent.mux.reset(effect.id, "policy");
      if (effect.kind === "fail") failed = effect.fault.code;
    };
    // The agent is never asked for a message: its refusals cannot leave.
    for (let round = 0; round < 20_000 && failed === ""; round += 1) {
      link.relay.mux.reset(link.relay.mux.open(requestHead("/x"), link.nowMs), "cancelled");
      link.relay.mux.open(requestHead("/x"), link.nowMs);
      const message = link.relay.mux.nextMessage(link.nowMs, 0);
      if (message) link.agent.mux.receive(message, link.nowMs);
      for (const effect of link.agent.mux.effects()) link.agent.onEffect(effect);
      for (const id of link.relay.mux.streams.keys()) link.relay.mux.streams.delete(id);
      link.relay.mux.awaitedHeads = 0;
    }
    expect(failed).toBe("TOO_MANY");
    expect(link.agent.mux.streams.size).toBeLessThan(10);
  });

  test("letters arrive whole, are numbered as they leave and settle by their receipts", () => {
    const link = new TwoMuxes({ delayMs: 3, rate: 5_000, seed: 7 });
    const got = new Map<number, number[]>();
    const settled: string[] = [];
    link.agent.onEffect = (effect) => {
      if (effect.kind === "fail") throw effect.fault;
      if (effect.kind !== "letter") return;
      const octets = got.get(effect.number) ?? [];
      octets.push(...effect.chunk);
      got.set(effect.number, octets);
      if (octets.length === effect.total) link.agent.mux.settleLetter(effect.number, effect.number === 2 ? "storage" : "committed");
    };
    link.relay.onEffect = (effect) => {
      if (effect.kind === "fail") throw effect.fault;
      if (effect.kind === "settled") settled.push(`${effect.handle}:${effect.status}`);
    };
    for (let index = 1; index <= 5; index += 1) link.relay.mux.offerLetter({ handle: `l${index}`, lane: "deploy", bytes: chunkOf(index, 0, index * 30_000) });
    link.run(10_000);
    expect([...got.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    for (const [number, octets] of got) expect(octets.length).toBe(number * 30_000);
    expect(settled.sort()).toEqual(["l1:committed", "l2:storage", "l3:committed", "l4:committed", "l5:committed"]);
    expect(link.relay.mux.sentOctets).toBe(link.relay.mux.peerAckedOctets);
  });

  test("a letter whose octets came and which has no receipt is told to its sender as acknowledged, once", () => {
    const link = new TwoMuxes({ delayMs: 3, rate: 5_000, seed: 9 });
    const told: string[] = [];
    link.agent.onEffect = () => {};
    link.relay.onEffect = (effect) => {
      if (effect.kind === "letterAcked" || effect.kind === "settled") told.push(`${effect.kind} ${effect.handle}`);
    };
    for (const handle of ["a", "b", "c"]) link.relay.mux.offerLetter({ handle, lane: "deploy", bytes: chunkOf(1, 0, 50_000) });
    link.run(20_000);
    expect(told).toEqual(["letterAcked a", "letterAcked b", "letterAcked c"]);
  });

  test("everything ends when BYE is said: unsent streams are told, open ones drain", () => {
    const link = new TwoMuxes({ delayMs: 10, rate: 1_000, seed: 8 });
    const { down } = exchange(link, [{ up: 0, down: 100_000 }], 16_384, () => true);
    link.run(15);
    link.agent.mux.bye("draining", { retryAfterMs: 5 });
    link.run(10_000);
    expect(down.get(1)!.got).toBe(100_000);
    expect(() => link.relay.mux.open(requestHead("/late"), link.nowMs)).toThrow(/closing/);
  });
});
