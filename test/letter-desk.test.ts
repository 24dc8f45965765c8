// The agent's letter desk judges a relay's letters in the order of their key: while one is on its way to the disk, what stands behind it waits, and shares its
// refusal; when it is offered again and taken, they may come. The envelopes are real, the store is one that answers when told.
import { expect, test } from "vitest";
import { LetterDesk, type Standing } from "../agent/letter-desk.ts";
import type { SiteClock } from "../agent/site-clock.ts";
import type { AgentStore } from "../agent/store/store.ts";
import { systemClock } from "../shared/kit/clock.ts";
import { Fault } from "../shared/kit/errors.ts";
import { makeSigningKeys, siteIdOf } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import type { SettleStatus } from "../shared/outbox/courier.ts";
import type { Letter } from "../shared/outbox/letter.ts";
import { sealEnvelope } from "../shared/trust/envelope.ts";
import { firstTrustDocument } from "../shared/trust/trust-document.ts";

const relay = makeSigningKeys();
const agent = makeSigningKeys();
const siteId = siteIdOf(agent.publicKey);
const standing: Standing = { document: firstTrustDocument(makeSigningKeys(), relay.publicKey, 0), epoch: 1 };

/** A store whose answers are given by hand, oldest first. */
class HandStore {
  readonly stored: string[] = [];
  readonly #answers: { readonly id: string; readonly resolve: () => void; readonly reject: (fault: Fault) => void }[] = [];

  call(_name: string, args: { readonly id: string }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#answers.push({ id: args.id, resolve: () => (this.stored.push(args.id), resolve("stored")), reject });
    });
  }

  async answer(fault: Fault | null): Promise<void> {
    await turn();
    const asked = this.#answers.shift();
    if (asked === undefined) throw new Error("nobody asked the store");
    if (fault === null) asked.resolve();
    else asked.reject(fault);
    await turn();
  }

  get asked(): string[] {
    return this.#answers.map(({ id }) => id);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const full = new Fault("QUEUE_FULL", { what: "full" });

let seqs = 0;
function letter(id: string, after?: string): Letter {
  const body = Buffer.from(JSON.stringify({ operator: "ann", tier: "admin", spec: { kind: "apply", objects: [] } }));
  const parts = { typ: "command", aud: siteId, epoch: 1, seq: (seqs += 1), prev: "", cid: id, iat: 0, nbf: 0, exp: 9_000, cls: "write" } as const;
  return {
    head: { id, lane: "deploy", kind: "command", order: seqs, ...(after === undefined ? {} : { after }) },
    envelope: sealEnvelope(parts, body, [relay]),
  };
}

/** One link: refusals are remembered as long as it lives. */
function openLink(): { store: HandStore; intake: (letter: Letter) => Promise<SettleStatus> } {
  const store = new HandStore();
  const siteClock = { estimate: () => null, shownMs: () => 1 } as unknown as SiteClock;
  const desk = new LetterDesk({
    store: store as unknown as AgentStore,
    clock: systemClock,
    siteClock,
    log: silentLog,
    siteId,
    signKey: agent,
    standing: () => standing,
    onCommand: () => {},
  });
  const side = desk.side(1, () => {});
  return { store, intake: (one) => side.intake(one) };
}

test("a letter whose predecessor is being committed is not stored before it", async () => {
  const { store, intake } = openLink();
  const statuses = Promise.all([intake(letter("a")), intake(letter("b", "a")), intake(letter("other"))]);
  await turn();
  expect(store.asked).toEqual(["a", "other"]);
  await store.answer(null);
  await store.answer(null);
  await store.answer(null);
  expect(await statuses).toEqual(["committed", "committed", "committed"]);
  expect(store.stored).toEqual(["a", "other", "b"]);
});

test("a refusal of one refuses the rest of its key, although they came in the same message", async () => {
  const { store, intake } = openLink();
  const statuses = Promise.all([intake(letter("a")), intake(letter("b", "a")), intake(letter("c", "b")), intake(letter("other"))]);
  await store.answer(full);
  await store.answer(null);
  expect(await statuses).toEqual(["storage", "storage", "storage", "committed"]);
  expect(store.stored).toEqual(["other"]);
});

test("what was refused, offered again and taken no longer stands in its successors' way", async () => {
  const { store, intake } = openLink();
  const first = Promise.all([intake(letter("a")), intake(letter("b", "a"))]);
  await store.answer(full);
  expect(await first).toEqual(["storage", "storage"]);
  const again = intake(letter("a"));
  await store.answer(null);
  expect(await again).toBe("committed");
  const next = intake(letter("b", "a"));
  await store.answer(null);
  expect(await next).toBe("committed");
});
