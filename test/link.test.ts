// A link at its ends: what it gives back, whom it waits for, and what its streams are told. The other end is a mux, or octets said by hand.
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeSocket } from "./kit/fake-socket.ts";
import { Fault } from "../shared/kit/errors.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { Mux } from "../shared/mux/mux.ts";
import { FixedPacer } from "../shared/mux/pacer-type.ts";
import type { MuxRole, MuxSettings } from "../shared/mux/settings.ts";
import { messageBytesMax } from "../shared/wire/limits.ts";
import type { RequestHead } from "../shared/wire/message.ts";
import { processBudget } from "../shared/link/budget.ts";
import { Link } from "../shared/link/link.ts";

const credit = { letters: 16, octets: 1_048_576 };
const bothEnds = { peerStartCredit: 65_536, ownStartCredit: 65_536, peerLetterCredit: credit, ownLetterCredit: credit };
const head = (target: string): RequestHead => ({ flags: { interactive: false, upgrade: false, ends: true }, method: "GET", target, operator: "ada", tier: "admin", requestId: "r", source: "s", headers: [] });
const fault = new Fault("DRAINING", { what: "it stops" });

let clock: ManualClock;
let socket: FakeSocket;
let link: Link;
let peer: Mux;
/** Octets of every message that the link sent. */
let sizes: number[];

function begin(role: MuxRole): void {
  const settings: MuxSettings = { ...bothEnds, role: role === "relay" ? "agent" : "relay", allocate: (octets) => new Uint8Array(octets), random: () => 0.5, wallMs: () => 0, pacer: new FixedPacer(16_777_216) };
  peer = new Mux(settings, clock.monoMs());
  socket = new FakeSocket((message) => {
    sizes.push(message.length);
    peer.receive(message, clock.monoMs());
  });
  link = new Link({ ...bothEnds, role, socket: socket.port, clock, random: () => 0.5, log: silentLog });
  link.start();
}

/** Turns of the event loop, in which both ends say what they have. */
async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    for (let message = peer.nextMessage(clock.monoMs(), 0); message !== null; message = peer.nextMessage(clock.monoMs(), 0)) socket.say(message);
  }
}

beforeEach(() => {
  clock = new ManualClock(0);
  sizes = [];
});
afterEach(() => link.abort("unspecified", fault));

test("the windows that its streams had grown are the process' again when it is cut", async () => {
  begin("relay");
  let octets = 0;
  const stream = link.open(head("/a"), {
    onOctets: (chunk) => {
      octets += chunk.length;
      stream.take(chunk.length);
    },
    onEnd: () => {},
    onFail: () => {},
  });
  await turns();
  peer.respond(stream.id, { status: 200, headers: [] });
  for (let step = 0; step < 20; step += 1) {
    peer.write(stream.id, new Uint8Array(100_000));
    await turns(2);
  }
  expect(octets).toBe(2_000_000);
  expect(processBudget.used).toBeGreaterThan(0);
  socket.terminate();
  await link.ended;
  expect(processBudget.used).toBe(0);
});

test("heads that come together leave in messages that the other end takes", async () => {
  begin("relay");
  const streams = 40;
  for (let index = 0; index < streams; index += 1) link.open(head(`/${"x".repeat(60_000)}${index}`), { onOctets: () => {}, onEnd: () => {}, onFail: () => {} });
  await turns();
  expect(peer.effects().filter(({ kind }) => kind === "open")).toHaveLength(streams);
  expect(Math.max(...sizes)).toBeLessThan(messageBytesMax / 8);
  for (let id = 1; id <= streams; id += 1) peer.respond(id, { status: 200, headers: ["x", "y".repeat(60_000)] });
  let greatest = 0;
  for (let message = peer.nextMessage(0, 0); message !== null; message = peer.nextMessage(0, 0)) greatest = Math.max(greatest, message.length);
  expect(greatest).toBeLessThan(messageBytesMax / 8);
});

test("after the other end's BYE a stream has as long as that end gives it", async () => {
  begin("agent");
  let end: string | null = null;
  link.onStream = (stream) => (stream.sink = { onOctets: () => {}, onEnd: () => {}, onFail: ({ code }) => (end = code) });
  const id = peer.open(head("/watch"), 0);
  await turns();
  peer.bye("draining");
  await turns();
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1_000);
    peer.ping(clock.monoMs());
    await turns(2);
  }
  expect([link.isDraining, end, link.openStreams]).toEqual([true, null, 1]);
  peer.reset(id, "cancelled");
  await turns();
  expect([end, link.hasEnded]).toEqual(["CANCELLED", true]);
});

test("it waits for the receipt of a letter that has left before it ends", async () => {
  begin("agent");
  link.letterPort.offerLetter({ handle: "result", lane: "control", bytes: new Uint8Array(100) });
  await turns();
  void link.shutdown("draining", fault);
  await turns();
  expect(link.hasEnded).toBe(false);
  peer.settleLetter(1, "committed");
  await turns();
  expect(link.hasEnded).toBe(true);
});

test("a stream that had not left when the link closes is told that, and blames nobody", async () => {
  begin("relay");
  let told: Fault | null = null;
  link.open(head("/late"), { onOctets: () => {}, onEnd: () => {}, onFail: (why) => (told = why) });
  void link.shutdown("draining", fault);
  await turns();
  expect(told).toMatchObject({ code: "DRAINING", message: "the link is closing" });
});
