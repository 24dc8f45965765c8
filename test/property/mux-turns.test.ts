// What leaves when, and what must never hold something back: two muxes hand each other messages by hand. Each case is a fault that was once in the mux.
import { expect, test } from "vitest";
import { FixedPacer } from "../../shared/mux/pacer-type.ts";
import type { Effect } from "../../shared/mux/effects.ts";
import { Mux } from "../../shared/mux/mux.ts";
import type { MuxRole } from "../../shared/mux/settings.ts";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { encodeFrame, MORE } from "../../shared/wire/frame.ts";
import { liveEveryMs } from "../../shared/wire/limits.ts";
import { encodeHead, encodeOpen, type RequestHead } from "../../shared/wire/message.ts";

const credit = { letters: 8, octets: 1_048_576 };

function muxOf(role: MuxRole, capOctets = 1_048_576): Mux {
  const settings = { role, allocate: (octets: number) => new Uint8Array(octets), peerStartCredit: 65_536, ownStartCredit: 65_536, peerLetterCredit: credit, ownLetterCredit: credit };
  return new Mux({ ...settings, random: () => 0.5, wallMs: () => 0, pacer: new FixedPacer(capOctets) }, 0);
}

function headOf(ends: boolean): RequestHead {
  return { flags: { interactive: false, upgrade: false, ends }, method: "POST", target: "/api/v1/namespaces/a/pods", operator: "ann", tier: "admin", requestId: "r", source: "", headers: [] };
}

/** Moves one end's messages to the other; the effects there. */
function pass(from: Mux, to: Mux, nowMs = 0): Effect[] {
  for (let message = from.nextMessage(nowMs, 0); message !== null; message = from.nextMessage(nowMs, 0)) to.receive(message, nowMs);
  return to.effects();
}

function kinds(effects: readonly Effect[]): string[] {
  return effects.map(({ kind }) => kind);
}

test("a request without a body is complete with its OPEN: no FIN travels and none is waited for", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent")];
  const id = relay.open(headOf(true), 0);
  relay.finish(id);
  const message = relay.nextMessage(0, 0)!;
  expect(decodeFrames(message).map(({ type }) => type)).toEqual(["OPEN"]);
  agent.receive(message, 0);
  expect(kinds(agent.effects())).toEqual(["open"]);
  agent.respond(id, { status: 200, headers: [] });
  agent.finish(id);
  expect(kinds(pass(agent, relay))).toEqual(["head", "end", "closed"]);
  expect([relay.streams.size, agent.streams.size]).toEqual([0, 0]);
});

test("a stopped upload ends although its octets have no credit, and what is still written is dropped", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent")];
  const id = relay.open(headOf(false), 0);
  expect(relay.write(id, new Uint8Array(200_000))).toBe(false);
  pass(relay, agent);
  // The API server answers 403 and reads nothing: 65,536 octets came, the rest has no credit and never will.
  agent.respond(id, { status: 403, headers: [] });
  agent.finish(id);
  agent.stop(id, "unreadable");
  expect(kinds(pass(agent, relay)).sort()).toEqual(["end", "head", "stop", "writable"]);
  expect(relay.write(id, new Uint8Array(1_000))).toBe(true);
  relay.finish(id);
  expect(kinds(pass(relay, agent)).slice(-2)).toEqual(["end", "closed"]);
  expect([relay.streams.size, agent.streams.size]).toEqual([0, 0]);
});

test("heads and ends leave although bulk has used up all that may be under way", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent", 70_000)];
  const bulk = relay.open(headOf(true), 0);
  const small = relay.open(headOf(true), 0);
  pass(relay, agent);
  agent.respond(bulk, { status: 200, headers: [] });
  agent.write(bulk, new Uint8Array(65_000));
  while (agent.nextMessage(0, 0) !== null); // lost on its way: nothing is acknowledged
  agent.write(bulk, new Uint8Array(65_000));
  while (agent.nextMessage(0, 0) !== null);
  agent.respond(small, { status: 204, headers: [] });
  agent.finish(small);
  const message = agent.nextMessage(0, 0)!;
  expect(decodeFrames(message).map(({ type, stream }) => `${type} ${stream}`)).toEqual([`HEAD ${small}`, `FIN ${small}`]);
});

test("a stream of small chunks gets the same octets as one of great chunks", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent", 262_144)];
  const ids = [relay.open(headOf(true), 0), relay.open(headOf(true), 0)];
  pass(relay, agent);
  for (const id of ids) agent.respond(id, { status: 200, headers: [] });
  const got = new Map(ids.map((id) => [id, 0]));
  const sizes = [65_536, 500];
  const room = new Map(ids.map((id) => [id, true]));
  for (let nowMs = 0; nowMs < 2_000; nowMs += 5) {
    for (const [index, id] of ids.entries()) while (room.get(id) === true) room.set(id, agent.write(id, new Uint8Array(sizes[index]!)));
    // One message a turn: what leaves is decided by whose turn it is.
    const message = agent.nextMessage(nowMs, 0);
    if (message !== null) relay.receive(message, nowMs);
    for (const effect of relay.effects()) {
      if (effect.kind !== "data") continue;
      got.set(effect.id, got.get(effect.id)! + effect.chunk.length);
      relay.take(effect.id, effect.chunk.length);
    }
    for (const effect of pass(relay, agent, nowMs)) if (effect.kind === "writable") room.set(effect.id, true);
  }
  const [great, small] = ids.map((id) => got.get(id)!) as [number, number];
  expect(great + small).toBeGreaterThan(5_000_000);
  expect(small / great).toBeGreaterThan(0.8);
  expect(small / great).toBeLessThan(1.25);
});

test("a stream that only the agent still has is found, also when the relay has none left", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent")];
  const id = relay.open(headOf(true), 0);
  pass(relay, agent);
  agent.respond(id, { status: 200, headers: [] });
  relay.reset(id, "cancelled");
  while (relay.nextMessage(0, 0) !== null); // the RESET is lost with a bug of ours
  const told: string[] = [];
  for (let round = 1; round <= 4; round += 1) {
    relay.tick(round * (liveEveryMs + 1));
    told.push(...kinds(pass(relay, agent, round * (liveEveryMs + 1))).filter((kind) => kind === "reset"));
  }
  expect(told).toEqual(["reset"]);
  expect(agent.streams.size).toBe(0);
});

/** The frames of a record, as a peer may cut it; each in a message of its own, as Node hands them over: Buffers whose slices are views. */
function parts(type: "OPEN" | "HEAD", id: number, record: Uint8Array, octets: number): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < record.length; at += octets) {
    const message = Buffer.from(encodeFrame(type, id, record.subarray(at, at + octets)));
    if (at + octets < record.length) message[0]! |= MORE;
    messages.push(message);
  }
  return messages;
}

test("a head that comes in parts keeps none of the messages that they came in", () => {
  const agent = muxOf("agent");
  for (const message of parts("OPEN", 1, encodeOpen(headOf(true)), 20)) {
    agent.receive(message, 0);
    message.fill(0xff); // a copy was made, or the record is now wrong
  }
  expect(agent.effects()).toMatchObject([{ kind: "open", id: 1, head: { target: headOf(true).target } }]);
});

test("a head in too many parts is refused alone: what follows of it is late, and the link goes on", () => {
  const [relay, agent] = [muxOf("relay"), muxOf("agent")];
  const record = encodeOpen({ ...headOf(true), target: `/${"x".repeat(100)}` });
  for (const message of parts("OPEN", 1, record, 1)) agent.receive(message, 0);
  expect([kinds(agent.effects()), agent.hasFailed, agent.streams.size]).toEqual([[], false, 0]);
  const id = relay.open(headOf(true), 0);
  relay.reset(id, "cancelled"); // id 1 was the foreign one
  expect(relay.open(headOf(true), 0)).toBe(2);
  expect(kinds(pass(relay, agent))).toEqual(["open"]);
  agent.respond(2, { status: 200, headers: [] });
  for (const message of parts("HEAD", 2, encodeHead({ status: 200, headers: ["a", "b".repeat(100)] }), 1)) relay.receive(message, 0);
  expect(relay.effects()).toMatchObject([{ kind: "reset", id: 2, code: "head", local: true }]);
  expect([relay.hasFailed, relay.streams.size]).toEqual([false, 0]);
});
