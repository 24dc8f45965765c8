// The agent's store with real SQLite: stored before the receipt, claimed before the effect, outcome and its letter in one transaction, and what was done is
// never done again, whatever is sent twice, restarted or swapped. delivery.md section 3.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { FaultCode } from "../../shared/kit/errors.ts";
import { openStoreInline, type Operation, type Store } from "../../shared/kit/store.ts";
import { StoreEngine } from "../../shared/kit/store-engine.ts";
import type { NewStored } from "./commands.ts";
import { takeSeq } from "./identity.ts";
import * as agentModule from "./operations.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-agent-store-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const fault = (code: FaultCode): unknown => expect.objectContaining({ code });
let files = 0;
let file = "";
let store: Store<agentModule.AgentOperations>;
let seqs = 0;
const nowMs = 1_000_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

const open = (): Store<agentModule.AgentOperations> => openStoreInline<agentModule.AgentOperations>({ file, module: agentModule });
const restart = async (): Promise<void> => {
  await store.close();
  store = open();
};

beforeEach(() => {
  file = join(dir, `${(files += 1)}.db`);
  seqs = 0;
  store = open();
  return () => store.close();
});

const command = (id: string, change: Partial<NewStored> = {}): NewStored => ({
  id,
  relayEpoch: 1,
  ord: (seqs += 1),
  after: null,
  lane: "deploy",
  kind: "apply",
  cls: "write",
  header: `header of ${id}`,
  body: Buffer.from(id),
  bodyHash: createHash("sha256").update(id).digest("hex"),
  keys: [{ key: id, isOwn: true }],
  nbfMs: 0,
  deadlineMs: nowMs + hourMs,
  kid: "relay",
  seq: seqs,
  floor: 0,
  fence: 1,
  nowMs,
  ...change,
});
const put = (id: string, change: Partial<NewStored> = {}) => store.call("storeCommand", command(id, change));
const claim = async (atMs = nowMs, errorMs = 0): Promise<string | null> => (await store.call("claimCommand", { nowMs: atMs, errorMs }))?.id ?? null;
const settle = (id: string, state: "succeeded" | "failed" = "succeeded") =>
  store.call("settleCommand", { id, outcome: { state, what: state, code: null, objects: [] }, startedMs: nowMs, nowMs: nowMs + 5 });
const lease = async (): Promise<{ id: string; seq: number; body: Record<string, unknown> }[]> =>
  (await store.call("leaseOwn", { siteId: "s_x", epoch: 1, kid: "00", letters: 100, octets: 8_388_608, octetsMax: 8_388_608, fence: 1, nowMs })).map(({ id, parts, body }) => ({
    id,
    seq: parts.seq,
    body: JSON.parse(Buffer.from(body!).toString("utf8")) as Record<string, unknown>,
  }));
const leaseIds = async (): Promise<string[]> => (await lease()).map(({ id }) => id);

describe("a command that comes", () => {
  test("is stored once: the same again is known, another body under its id is refused", async () => {
    expect(await put("a")).toBe("stored");
    expect(await put("a", { seq: 77 })).toBe("known");
    await expect(put("a", { bodyHash: "another" })).rejects.toThrow(fault("CONFLICT"));
    expect(await store.call("openCommandCount", null)).toBe(1);
  });

  test.each([
    ["twice", false],
    ["twice across restart", true],
  ])("with a signer's number that was taken, %s, is refused and leaves nothing", async (_name, isAcross) => {
    await put("a", { seq: 5 });
    if (isAcross) await restart();
    await expect(put("b", { seq: 5 })).rejects.toThrow(fault("ENVELOPE_REPLAYED"));
    expect(await store.call("heldCommands", { ids: ["a", "b"] })).toEqual(["a"]);
    expect(await put("c", { seq: 5, kid: "another signer" })).toBe("stored");
    expect(await put("d", { seq: 3 }), "numbers may come in any order").toBe("stored");
    expect(await put("e", { seq: 1_000_000 }), "and leave gaps").toBe("stored");
  });

  test("twice at once: of two with one number one is stored", async () => {
    const outcomes = await Promise.allSettled([put("a", { seq: 9 }), put("b", { seq: 9 })]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  test("that was refused for its number does not use the number up for the honest one", async () => {
    await put("a", { seq: 5 });
    await expect(put("a", { seq: 6, bodyHash: "another" })).rejects.toThrow(fault("CONFLICT"));
    expect(await put("b", { seq: 6 })).toBe("stored");
  });

  test("below the floor is refused: old numbers are forgotten from below, never from above", async () => {
    await store.close();
    const filling = {
      *fill(args: { readonly to: number }): Operation<void> {
        for (let seq = 1; seq <= args.to; seq += 1) yield* takeSeq({ kid: "relay", seq, floor: 0, exp: 0 });
      },
    };
    const engine = new StoreEngine({ file, module: { ...agentModule, operations: filling }, mustExist: true });
    expect(engine.runGroup([{ name: "fill", args: { to: 20_001 } }])).toMatchObject([{ ok: true }]);
    engine.close();
    store = open();
    await expect(put("low", { seq: 10_001 })).rejects.toThrow(fault("ENVELOPE_REPLAYED"));
    await expect(put("seen", { seq: 15_000 })).rejects.toThrow(fault("ENVELOPE_REPLAYED"));
    expect(await put("next", { seq: 20_002 })).toBe("stored");
  });
});

describe("a claim", () => {
  test("is durable before the effect, in order, and says so in a letter of the same transaction", async () => {
    await put("a");
    await put("b");
    expect([await claim(), await claim(), await claim()]).toEqual(["a", "b", null]);
    await restart();
    expect((await lease()).map(({ id, body }) => [id, body])).toEqual([
      ["claim-a", { kind: "claim", command: "a", startedMs: nowMs }],
      ["claim-b", { kind: "claim", command: "b", startedMs: nowMs }],
    ]);
  });

  test("waits for the predecessor in its key to be settled, and for nothing that was never here", async () => {
    await put("a");
    await put("b", { after: "a" });
    await put("c", { after: "unheard of" });
    expect([await claim(), await claim(), await claim()]).toEqual(["a", "c", null]);
    await settle("a", "failed");
    expect(await claim()).toBe("b");
  });

  test.each([
    ["surely before the deadline", 100, 10, "a", "claimed"],
    ["perhaps before it", 5, 10, null, "waits"],
    ["perhaps after it", -5, 10, null, "waits"],
    ["surely after it", -100, 10, null, "expired"],
  ])("%s", async (_name, leftMs, errorMs, claimed, then) => {
    await put("a");
    expect(await claim(nowMs + hourMs - leftMs, errorMs)).toBe(claimed);
    const letters = await lease();
    expect(letters.map(({ id }) => id)).toEqual(then === "waits" ? [] : then === "expired" ? ["result-a", "outcome-a"] : ["claim-a"]);
    if (then === "expired") expect(letters[0]!.body).toMatchObject({ startedMs: null, outcome: { state: "expired" } });
  });

  test("of an expired predecessor lets the next one go in the same look", async () => {
    await put("a", { deadlineMs: nowMs + 1 });
    await put("b", { after: "a" });
    expect(await claim(nowMs + 2)).toBe("b");
  });

  test("that a restart finds is counted, and is not claimed again", async () => {
    await put("a");
    await claim();
    for (let attempts = 2; attempts <= 5; attempts += 1) {
      await restart();
      expect(await store.call("reclaimCommands", null)).toMatchObject([{ id: "a", attempts, uncleanRestarts: attempts - 1, hasEffect: false, startedMs: nowMs }]);
    }
    expect(await claim()).toBe(null);
  });

  test("remembers that its effect has begun", async () => {
    await put("a");
    await claim();
    await store.call("markEffect", { id: "a", cleanup: null });
    await restart();
    expect(await store.call("reclaimCommands", null)).toMatchObject([{ id: "a", hasEffect: true }]);
  });
});

describe("an outcome", () => {
  test("is one transaction with the letter that says so, and there is one", async () => {
    await put("a");
    await claim();
    await settle("a");
    await expect(settle("a", "failed")).rejects.toThrow(fault("STATE_REFUSED"));
    await restart();
    expect((await lease()).filter(({ id }) => id.startsWith("result"))).toMatchObject([
      { id: "result-a", body: { command: "a", startedMs: nowMs, outcome: { state: "succeeded" } } },
    ]);
  });

  test("without a claim, or of a command that is not here, is refused and leaves no letter", async () => {
    await put("a");
    await expect(settle("a")).rejects.toThrow(fault("STATE_REFUSED"));
    await expect(settle("z")).rejects.toThrow(fault("COMMAND_UNKNOWN"));
    expect(await leaseIds()).toEqual([]);
  });

  test("whose receipt is missing is never purged, however old", async () => {
    await put("a");
    await claim();
    await settle("a");
    await store.call("purgeCommands", { nowMs: nowMs + 1_000 * dayMs, errorMs: 0 });
    expect(await store.call("heldCommands", { ids: ["a"] })).toEqual(["a"]);
    expect(await leaseIds()).toEqual(["claim-a", "result-a", "outcome-a"]);
  });
});

describe("letters in doubt", () => {
  test("are what left without a receipt; held there they are settled, not held they wait again with a new number", async () => {
    await put("a");
    await claim();
    await settle("a");
    expect((await lease()).map(({ id, seq }) => `${id} ${seq}`)).toEqual(["claim-a 1", "result-a 2", "outcome-a 3"]);
    await restart();
    expect(await leaseIds()).toEqual([]);
    const inDoubt = await store.call("ownInDoubt", null);
    expect(inDoubt).toEqual(["claim-a", "result-a", "outcome-a"]);
    await store.call("settleOwnDoubts", { inDoubt, held: ["claim-a", "outcome-a"] });
    expect((await lease()).map(({ id, seq }) => `${id} ${seq}`)).toEqual(["result-a 4"]);
    await store.call("settleOwnDoubts", { inDoubt: ["result-a"], held: ["result-a"] });
    expect(await store.call("ownCounts", null)).toEqual({ waiting: 0, oldestMs: null, refused: 0 });
  });
});

describe("reports and events", () => {
  test("the newest report replaces one that waits", async () => {
    for (const id of ["r1", "r2", "r3"]) await store.call("postReport", { id, madeMs: nowMs, report: { n: id } });
    expect((await lease()).map(({ id, body }) => [id, body["report"]])).toEqual([["r3", { n: "r3" }]]);
  });

  test("leave behind orders and their results", async () => {
    await store.call("postEvent", { id: "e1", atMs: nowMs, event: "link", what: "lost" });
    await put("a");
    await claim();
    await store.call("postReport", { id: "r1", madeMs: nowMs, report: {} });
    expect(await leaseIds()).toEqual(["r1", "claim-a", "e1"]);
  });
});

describe("what the agent knows of itself", () => {
  test("numbers never go back, not across a restart either", async () => {
    expect([await store.call("draw", { name: "dial" }), await store.call("draw", { name: "dial" })]).toEqual([1, 2]);
    await restart();
    expect([await store.call("draw", { name: "dial" }), await store.call("draw", { name: "seq" })]).toEqual([3, 1]);
  });

  test("facts are put, replaced and dropped together", async () => {
    await store.call("putFacts", { facts: { site: "s_1", name: "plant" } });
    await store.call("putFacts", { facts: { name: "plant-07" }, drop: ["site"] });
    expect(await store.call("allFacts", null)).toEqual({ name: "plant-07" });
  });

  test("a trust document of a version is never replaced", async () => {
    await store.call("takeWelcome", {
      facts: {},
      documents: [
        { version: 1, envelope: Buffer.of(1) },
        { version: 2, envelope: Buffer.of(2) },
      ],
    });
    await store.call("takeWelcome", {
      facts: {},
      documents: [
        { version: 2, envelope: Buffer.of(9) },
        { version: 3, envelope: Buffer.of(3) },
      ],
    });
    expect((await store.call("trustChain", null)).map((envelope) => [...envelope])).toEqual([[1], [2], [3]]);
  });
});
