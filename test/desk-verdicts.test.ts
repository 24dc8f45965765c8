// The agent's desk over a real store: which fault gets which status, order inside a key across one message, and that no letter holds back the others.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LetterDesk } from "../agent/letter-desk.ts";
import * as agentModule from "../agent/store/operations.ts";
import type { AgentStore } from "../agent/store/store.ts";
import type { CommandBody } from "../shared/api.ts";
import { Fault, type FaultCode } from "../shared/kit/errors.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { openStoreInline } from "../shared/kit/store.ts";
import type { CourierSide } from "../shared/outbox/courier.ts";
import { parseLetterOctets, type Letter } from "../shared/outbox/letter.ts";
import { openEnvelope, sealEnvelope, type HeaderParts, type Opened } from "../shared/trust/envelope.ts";
import { firstTrustDocument } from "../shared/trust/trust-document.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

const root = makeSigningKeys();
const commandKey = makeSigningKeys();
const siteKey = makeSigningKeys();
const nowMs = 1_700_000_000_000;
const document = firstTrustDocument(root, commandKey.publicKey, nowMs);
const room = { letters: 32, octets: 1_048_576, octetsMax: 8_388_608 };

let dir: string;
let inner: AgentStore;
/** What our own store says to an operation, instead of doing it. */
let failure: (name: string, id: string) => FaultCode | null;
let clock: ManualClock;
let desk: LetterDesk;
let side: CourierSide;
let seq: number;
let cancelled: string[];

beforeEach(() => {
  dir = makeTempDir("desk");
  inner = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module: agentModule });
  failure = () => null;
  seq = 0;
  cancelled = [];
  const store: AgentStore = {
    ...inner,
    call: async (name, args) => {
      await new Promise((resolve) => setImmediate(resolve));
      const code = failure(name, String((args as { id?: unknown } | null)?.id));
      if (code !== null) throw new Fault(code, { what: "ours" });
      return inner.call(name, args);
    },
  };
  clock = new ManualClock(nowMs);
  desk = new LetterDesk({
    store,
    clock,
    siteClock: { estimate: () => ({ nowMs: clock.wallMs(), errorMs: 1 }), shownMs: () => clock.wallMs() },
    log: silentLog,
    siteId: "s_x",
    signKey: siteKey,
    standing: () => ({ document, epoch: 1 }),
    onCommand: () => {},
    onCancel: (id) => void cancelled.push(id),
  });
  side = desk.side({ fence: 1, relayEpoch: 3, poke: () => {} });
});

afterEach(async () => {
  await inner.close();
  rmSync(dir, { recursive: true, force: true });
});

const asked: CommandBody = { operator: "ann", tier: "admin", spec: { kind: "job", name: "a", namespace: "b", image: "c", command: [], env: {}, timeoutMs: 60_000 } };

interface Made {
  readonly parts?: Partial<HeaderParts>;
  readonly body?: unknown;
  readonly after?: string;
  readonly signer?: typeof commandKey;
  readonly id?: string;
}

function letter(id: string, made: Made = {}): Letter {
  seq += 1;
  const parts: HeaderParts = { typ: "command", aud: "s_x", epoch: 1, seq, prev: "", cid: made.id ?? id, iat: nowMs, nbf: 0, exp: nowMs + 60_000, cls: "write", ...made.parts };
  const body = typeof made.body === "string" ? made.body : JSON.stringify(made.body ?? asked);
  return { head: { id, lane: "deploy", kind: "command", order: seq, ...(made.after === undefined ? {} : { after: made.after }) }, envelope: sealEnvelope(parts, Buffer.from(body), [made.signer ?? commandKey]) };
}

const stored = async (ids: readonly string[]): Promise<string[]> => inner.call("heldCommands", { ids });

describe("a command is refused", () => {
  test.each(["BUG", "STORE_CORRUPT", "STORE_HELD", "STORE_FAILED", "DISK_FULL", "QUEUE_FULL", "TOO_MANY", "DRAINING", "STATE_REFUSED", "FILE_INVALID"] as const)("for storage when our own store says %s: it is offered again", async (code) => {
    failure = () => code;
    expect(await side.intake(letter("a"))).toBe("storage");
    failure = () => null;
    expect(await side.intake(letter("a"))).toBe("committed");
  });

  const flipped = (): Letter => {
    const made = letter("a");
    const envelope = Buffer.from(made.envelope);
    envelope[40]! ^= 1;
    return { ...made, envelope };
  };
  test.each([
    ["malformed", "its signature does not hold", flipped],
    ["malformed", "it is cut short", () => ({ ...letter("a"), envelope: letter("a").envelope.subarray(0, 50) })],
    ["malformed", "its head names another command", () => letter("a", { id: "b" })],
    ["malformed", "its body is not JSON", () => letter("a", { body: "{" })],
    ["trust", "its signer is not listed", () => letter("a", { signer: siteKey })],
    ["policy", "it is for another site", () => letter("a", { parts: { aud: "s_y" } })],
    ["policy", "it is for another key epoch", () => letter("a", { parts: { epoch: 2 } })],
    ["policy", "its class is not its kind's", () => letter("a", { parts: { cls: "read" } })],
    ["unsupported", "it is no command", () => letter("a", { parts: { typ: "desired" } })],
    ["unsupported", "it has no deadline", () => letter("a", { parts: { exp: 0 } })],
    ["unsupported", "its kind is unknown here", () => letter("a", { body: { ...asked, spec: { kind: "explode" } } })],
    ["unsupported", "its spec is not of the documented form", () => letter("a", { body: { ...asked, spec: { ...asked.spec, namespace: "../x" } } })],
    ["unsupported", "its operator is none", () => letter("a", { body: { ...asked, operator: "" } })],
  ] as const)("as %s when %s", async (status, _why, make) => {
    expect(await side.intake(make())).toBe(status);
    expect(await stored(["a", "b"])).toEqual([]);
  });

  test("as policy when its number was taken by another one", async () => {
    await side.intake(letter("a", { parts: { seq: 7 } }));
    expect(await side.intake(letter("b", { parts: { seq: 7 } }))).toBe("policy");
  });
});

test("of those that came in one message, what stands behind one that there is no room for is not even offered to the store; what touches other things is stored", async () => {
  const offered: string[] = [];
  const offer = (isFull: boolean) => (name: string, id: string): FaultCode | null => {
    if (name === "storeCommand") offered.push(id);
    return name === "storeCommand" && id === "a" && isFull ? "DISK_FULL" : null;
  };
  const all = (): Promise<string[]> => Promise.all([side.intake(letter("a")), side.intake(letter("b", { after: "a" })), side.intake(letter("c", { after: "b" })), side.intake(letter("other"))]);
  failure = offer(true);
  expect(await all()).toEqual(["storage", "storage", "storage", "committed"]);
  expect([offered.splice(0), await stored(["a", "b", "c", "other"])]).toEqual([["a", "other"], ["other"]]);
  failure = offer(false);
  expect(await all()).toEqual(["committed", "committed", "committed", "committed"]);
  expect(offered, "each behind the commit of the one before").toEqual(["a", "other", "b", "c"]);
  expect(await stored(["a", "b", "c"])).toEqual(["a", "b", "c"]);
});

describe("a cancel", () => {
  const cancel = (id: string, parts: Partial<HeaderParts> = {}): Letter => {
    const made = letter(`cancel-${id}`, { id, parts: { typ: "cancel", ...parts }, body: { operator: "ann" } });
    return { ...made, head: { ...made.head, kind: "cancel", lane: "control" } };
  };
  const results = async (): Promise<unknown[]> => {
    const leased = await side.lease(room);
    return leased.filter(({ id }) => id.startsWith("result-")).map(({ bytes }) => (JSON.parse(openEnvelope(parseLetterOctets(bytes).envelope, { keysById: () => siteKey.publicKey, rule: () => ({ keys: [siteKey.publicKey], threshold: 1 }), audience: null, time: null, isSeen: () => false }).body.toString("utf8")) as { outcome: { state: string; what: string } }).outcome);
  };

  test("ends a command that has not started, and is remembered as held", async () => {
    await side.intake(letter("a"));
    expect(await side.intake(cancel("a"))).toBe("committed");
    expect(await results()).toMatchObject([{ state: "cancelled", what: "cancelled by ann before it started" }]);
    expect(await desk.held(["a", "cancel-a", "cancel-b"], 1)).toEqual(["a", "cancel-a"]);
    expect(cancelled).toEqual([]);
  });

  test("that comes before its command settles it as it arrives, and the command counts as not held until then", async () => {
    expect(await side.intake(cancel("a"))).toBe("committed");
    expect(await desk.held(["a", "cancel-a"], 1)).toEqual(["cancel-a"]);
    expect(await side.intake(letter("a"))).toBe("committed");
    expect(await results()).toMatchObject([{ state: "cancelled", what: "it was cancelled before it arrived" }]);
    expect(await side.intake(letter("a"))).toBe("committed"); // offered again: known
    expect(await inner.call("claimCommand", { nowMs: nowMs + 1, errorMs: 0 })).toBeNull();
  });

  test("of one that runs is handed to whoever runs it; of one that has ended it changes nothing", async () => {
    await side.intake(letter("a"));
    await inner.call("claimCommand", { nowMs: nowMs + 1, errorMs: 0 });
    expect(await side.intake(cancel("a"))).toBe("committed");
    expect(cancelled).toEqual(["a"]);
    await inner.call("settleCommand", { id: "a", outcome: { state: "succeeded", what: "done", code: null, objects: [] }, startedMs: nowMs, nowMs });
    expect(await side.intake(cancel("a"))).toBe("committed");
    expect(await results()).toMatchObject([{ state: "succeeded" }]);
    expect(cancelled).toEqual(["a"]);
  });

  test("of another class than the command's takes nothing back, before it or after it", async () => {
    await side.intake(letter("a"));
    expect(await side.intake(cancel("a", { cls: "read" }))).toBe("policy");
    expect(await side.intake(cancel("b", { cls: "read" }))).toBe("committed");
    await side.intake(letter("b"));
    expect((await inner.call("claimCommand", { nowMs: nowMs + 1, errorMs: 0 }))?.id).toBe("a");
    expect(await results()).toEqual([]);
  });

  test("is refused when its letter names another command, or when its number was used", async () => {
    const other = cancel("a");
    expect(await side.intake({ ...other, head: { ...other.head, id: "cancel-b" } })).toBe("malformed");
    expect(await side.intake({ ...other, head: { ...other.head, kind: "command" } })).toBe("malformed");
    await side.intake(letter("c", { parts: { seq: 99 } }));
    expect(await side.intake(cancel("c", { seq: 99 }))).toBe("policy");
  });
});

describe("a lease", () => {
  const opened = (bytes: Uint8Array): Opened => openEnvelope(parseLetterOctets(bytes).envelope, { keysById: () => siteKey.publicKey, rule: () => ({ keys: [siteKey.publicKey], threshold: 1 }), audience: null, time: null, isSeen: () => false });
  const bodies = (letters: readonly { bytes: Uint8Array }[]): Record<string, unknown>[] => letters.map(({ bytes }) => JSON.parse(opened(bytes).body.toString("utf8")) as Record<string, unknown>);

  async function endCommand(id: string): Promise<void> {
    await side.intake(letter(id, { body: { ...asked, spec: { ...asked.spec, name: id } } }));
    await inner.call("claimCommand", { nowMs: nowMs + 1, errorMs: 0 });
    await inner.call("settleCommand", { id, outcome: { state: "succeeded", what: "done", code: null, objects: [] }, startedMs: nowMs, nowMs });
  }

  test("leaves out a letter that cannot be made, and gives the others", async () => {
    await inner.call("postReport", { id: "huge", madeMs: nowMs, report: { text: "x".repeat(5 * 1_048_576) } });
    await inner.call("postEvent", { id: "small", atMs: nowMs, event: "e", what: "w" });
    const wide = { letters: 32, octets: 8_388_608, octetsMax: 8_388_608 };
    expect((await side.lease(wide)).map(({ id }) => id)).toEqual(["small"]);
    expect(await inner.call("ownInDoubt", null)).toEqual(["small"]);
    expect(await inner.call("ownCounts", null)).toMatchObject({ waiting: 1 });
  });

  test("sends a result whose row was damaged as a short one", async () => {
    await endCommand("a");
    const damaged: AgentStore = {
      ...inner,
      call: (async (name: string, args: unknown) => {
        const answer = await inner.call(name as "leaseOwn", args as never);
        if (name === "leaseOwn") for (const row of answer) if (row.kind === "result" && row.body !== null && row.body.length > 0) row.body[row.body.length - 1]! ^= 1;
        return answer;
      }) as AgentStore["call"],
    };
    const broken = new LetterDesk({ store: damaged, clock, siteClock: { estimate: () => null, shownMs: () => nowMs }, log: silentLog, siteId: "s_x", signKey: siteKey, standing: () => null, onCommand: () => {}, onCancel: () => {} });
    expect((await broken.side({ fence: 1, relayEpoch: 1, poke: () => {} }).lease(room)).map(({ id }) => id)).toEqual(["claim-a", "outcome-a"]);
    const again = await side.lease(room);
    expect(bodies(again)).toMatchObject([{ command: "a", outcome: { state: "succeeded" } }]);
    expect(JSON.stringify(bodies(again))).toMatch(/its details cannot be sent: the letter was damaged/);
  });

  test("stops for a while when the relay has no room again and again, and goes on by itself", async () => {
    let pokes = 0;
    side = desk.side({ fence: 1, relayEpoch: 1, poke: () => void (pokes += 1) });
    for (let index = 0; index < 6; index += 1) await inner.call("postEvent", { id: `e-${index}`, atMs: nowMs, event: "e", what: "w" });
    await side.lease({ ...room, letters: 4 });
    for (let index = 0; index < 3; index += 1) await side.settle(`e-${index}`, "storage");
    expect(await side.lease({ ...room, letters: 1 })).toHaveLength(1);
    await side.settle("e-3", "storage");
    expect(await side.lease(room)).toEqual([]);
    clock.advance(30_000);
    expect(pokes).toBe(1);
    expect((await side.lease(room)).map(({ id }) => id)).toEqual(["e-0", "e-1", "e-2", "e-3", "e-5"]);
  });

  test("names in each header the hash of the one before, over leases and restarts", async () => {
    for (const id of ["a", "b", "c"]) await inner.call("postEvent", { id, atMs: nowMs, event: "e", what: "w" });
    let before = "";
    for (let round = 0; round < 3; round += 1) {
      const [made] = await side.lease({ ...room, letters: 1 });
      const { header, headerBytes } = opened(made!.bytes);
      expect(header.prev).toBe(before);
      before = createHash("sha256").update(headerBytes).digest("hex");
      await inner.close();
      inner = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module: agentModule });
    }
  });
});
