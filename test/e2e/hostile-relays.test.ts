// What hostile octets get from an agent: a relay with the right certificate and keys that breaks the rules after the handshake hears a BYE that names the rule; one
// that stays silent, or cannot prove its key, is left in time and told nothing. The agent lives on, does not hammer, and links with the honest relay when it is back.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { encodeHandshake } from "../../shared/link/handshake-frames.ts";
import type { FrameSocket } from "../../shared/link/frame-socket.ts";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { FRAME_TYPES } from "../../shared/wire/frame.ts";
import { handshakeMs } from "../../shared/wire/limits.ts";
import { encodeNumbers } from "../../shared/wire/message.ts";
import { expectDescriptorsBack, footprint } from "../kit/leaks.ts";
import { frame, heldTarget, toAgent } from "./hostile-bytes.ts";
import { ask } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { byeAfter, FakeRelay, type ByeSaid } from "./raw-peers.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const promptMs = 1_000;
const place = new Place();
let cluster: SimCluster;
let relay: Started;
let agent: Started;
let fake: FakeRelay | null = null;

beforeAll(async () => {
  cluster = await startSimCluster();
  cluster.sim.fault({ match: { path: new RegExp(heldTarget) }, action: { kind: "silence" } });
  relay = await place.relay();
  await place.login();
  agent = await place.site("brave", cluster.kubeconfig);
  await relay.stop();
});
afterEach(async () => {
  await fake?.stop();
  fake = null;
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

/** A fresh process: whoever broke the rules before is not waited for. */
async function restartAgent(): Promise<void> {
  expect(agent.hasEnded).toBe(false);
  await agent.stop();
  agent = place.agent("brave", cluster.kubeconfig);
}

test("each rule that a relay breaks is named in a BYE within a second", { timeout: 180_000 }, async () => {
  const answers: (ByeSaid & { readonly name: string })[] = [];
  let next = toAgent[0]!;
  fake = await FakeRelay.start(place, {}, async (socket) => {
    answers.push({ name: next.name, ...(await byeAfter(socket, () => socket.sendMessage(next.message))) });
  });
  for (const hostile of toAgent) {
    next = hostile;
    await restartAgent();
    await until(`${hostile.name} is answered`, () => answers.some(({ name }) => name === hostile.name));
  }
  const once = toAgent.map(({ name }) => answers.find((answer) => answer.name === name)!);
  expect(once.map(({ name, code, fault }) => ({ name, code, fault }))).toEqual(toAgent.map(({ name, fault }) => ({ name, code: "protocol", fault })));
  expect(once.filter(({ afterMs }) => afterMs > promptMs)).toEqual([]);
  await until("nothing is under way at the API server", () => cluster.sim.openRequests() === 0);
});

test("a relay that breaks a rule on every link is not hammered, and nothing of those links stays", { timeout: 60_000 }, async () => {
  await restartAgent();
  const held: ReturnType<typeof footprint>[] = [];
  fake = await FakeRelay.start(place, {}, async (socket) => {
    held.push(footprint(agent.child.pid!));
    await byeAfter(socket, () => socket.sendMessage(toAgent[0]!.message));
  });
  await until("five links", () => fake!.links.length >= 5, 40_000);
  const overMs = fake.links[4]!.atMs - fake.links[0]!.atMs;
  process.stderr.write(`hostile relay: five links in ${Math.round(overMs)} ms\n`);
  expect(overMs).toBeGreaterThan(500); // full jitter below 1, 2, 4 and 8 s; without any wait it would be a tenth of a second
  await fake.stop();
  await expectDescriptorsBack("agent", agent.child.pid!, held[0]!, { spare: 2 });
  await restartAgent();
});

test("a relay that says nothing after the upgrade is left after 10 s", { timeout: 60_000 }, async () => {
  let openedMs = 0;
  const ended = new Promise<number>((resolve) => {
    void FakeRelay.start(place, {}, () => {}, (socket) => {
      if (openedMs === 0) {
        openedMs = performance.now();
        void socket.ended.then(() => resolve(performance.now() - openedMs));
      }
      return true;
    }).then((started) => (fake = started));
  });
  expect(await ended).toBeLessThan(handshakeMs + 2_000);
});

test("a relay that cannot prove its key hears no CLAIM, and is told nothing", async () => {
  const heard: string[] = [];
  fake = await FakeRelay.start(place, {}, () => {}, (socket: FrameSocket) => {
    socket.attach((message) => {
      for (const { type } of decodeFrames(message)) heard.push(type);
      socket.send("PROOF", encodeHandshake({ version: 1, nonce: Buffer.alloc(32).toString("base64url"), fence: 1, timeMs: 1, identity: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, () => Buffer.alloc(64)));
    });
    return true;
  });
  await agent.said(/"code":"RELAY_KEY_WRONG".*nothing that names the site or its token was sent/);
  expect(new Set(heard)).toEqual(new Set(["HELLO"]));
});

test("a letter that nobody signed is refused before anything of it is stored", async () => {
  await restartAgent();
  const receipts: Uint8Array[] = [];
  const octets = Buffer.from('\0\0\0\x33{"id":"c1","lane":"deploy","kind":"command","order":1}nothing that was ever signed');
  fake = await FakeRelay.start(place, { letterCredit: { letters: 0, octets: 0 } }, (socket) => {
    socket.attach((message) => decodeFrames(message).forEach(({ type, payload }) => type === "RECEIPT" && receipts.push(Uint8Array.from(payload))));
    socket.sendMessage(frame(FRAME_TYPES.LETTER, 0, Buffer.concat([encodeNumbers(1, 0, octets.length), octets])));
  });
  await until("it is answered", () => receipts.length > 0, 40_000);
  expect([...receipts[0]!]).toEqual([...encodeNumbers(1, 1, 1, 5)]); // number 1: refused, malformed
  expect(await place.ok(["agent", "status", "--data", place.agentData("brave")])).toMatch(/waiting +\d+ letters, 0 commands/);
});

test("the honest relay is back: the site links and serves", { timeout: 60_000 }, async () => {
  await restartAgent();
  relay = await place.relay();
  await until("the site serves", async () => (await ask(place, "GET", "/k8s/brave/version")).status === 200, 40_000);
  expect(agent.hasEnded).toBe(false);
});
