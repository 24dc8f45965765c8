// What leaves the relay for a site: headers that chain, a floor below which nothing comes any more, a class that is its kind's, and one that cannot be made ends alone.
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaseLetters } from "../relay/command/deliver.ts";
import type { CommandRow } from "../relay/store/commands.ts";
import type { RelayStore } from "../relay/store/store.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { parseLetterOctets } from "../shared/outbox/letter.ts";
import { openEnvelope, type Opened } from "../shared/trust/envelope.ts";
import { RelayBench } from "./kit/relay-store.ts";

const commandKey = makeSigningKeys();
let relay: RelayBench;
let fence: number;

beforeEach(async () => {
  relay = await RelayBench.open();
  ({ fence } = await relay.link());
});
afterEach(() => relay.close());

async function sent(letters = 32): Promise<(Opened & { readonly id: string })[]> {
  const options = { store: relay.store as unknown as RelayStore, clock: new ManualClock(relay.nowMs), log: silentLog, commandKey };
  const leased = await leaseLetters(options, { id: relay.site, fence }, { letters, octets: 1_048_576, octetsMax: 8_388_608 });
  return leased.map(({ id, bytes }) => ({ id, ...openEnvelope(parseLetterOctets(bytes).envelope, { keysById: () => commandKey.publicKey, rule: () => ({ keys: [commandKey.publicKey], threshold: 1 }), audience: { site: relay.site, epoch: 1 }, time: null, isSeen: () => false }) }));
}

/** The body's own hash goes into the header that is hashed: it must be the true one here. */
const order = (id: string): Promise<CommandRow> => relay.submit(id, { bodyHash: createHash("sha256").update(`body of ${id}`).digest("hex") });

test("each header names the hash of the one before, over leases and restarts of the relay", async () => {
  let before = "";
  for (const id of ["a", "b", "c", "d"]) {
    await order(id);
    if (id === "c") await relay.restart();
    for (const { header, headerBytes } of await sent()) {
      expect([header.cid, header.prev]).toEqual([id, before]);
      before = createHash("sha256").update(headerBytes).digest("hex");
    }
  }
  expect(before).not.toBe("");
});

test("the floor rises over what has arrived, and never over what is under way", async () => {
  for (const id of ["a", "b"]) await order(id);
  const [a, b] = await sent();
  expect([a!.header.floor, b!.header.floor]).toEqual([a!.header.seq - 1, a!.header.seq - 1]);
  await relay.settle(fence, "b");
  await order("c");
  const [c] = await sent();
  expect(c!.header.floor).toBe(a!.header.seq - 1);
  await relay.settle(fence, "a");
  await order("d");
  const [d] = await sent();
  expect(d!.header.floor).toBe(c!.header.seq - 1);
});

test("a command is signed with its kind's class, and one of an unknown kind with the class that asks most", async () => {
  await order("apply");
  await relay.submit("shell", { kind: "shell" });
  expect((await sent()).map(({ header }) => header.cls)).toEqual(["write", "admin"]);
});

test("one that cannot be made ends, and the others leave", async () => {
  await order("a");
  await relay.submit("huge", { body: new Uint8Array(5 * 1_048_576) });
  await order("b");
  expect((await sent()).map(({ id }) => id)).toEqual(["a"]);
  relay.nowMs += 1;
  await relay.settle(fence, "a");
  expect((await sent()).map(({ id }) => id)).toEqual(["b"]);
  expect(await relay.state("huge")).toBe("rejected");
  expect((await relay.store.call("commandRow", { id: "huge" })).why).toMatch(/cannot be sent: .*5242880 octets/);
});
