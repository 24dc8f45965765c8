// Who is who at the relay, with real SQLite: uses of join tokens, the waiting room, links that fence each other, clones, operators and their tokens.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { FaultCode } from "../../shared/kit/errors.ts";
import { openStoreInline, type Store } from "../../shared/kit/store.ts";
import type { NewJoinToken } from "./join-tokens.ts";
import type { LinkBegin } from "./links.ts";
import * as relayModule from "./operations.ts";
import type { JoinArgs, SiteRow } from "./sites.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-relay-sites-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const fault = (code: FaultCode): unknown => expect.objectContaining({ code });
let files = 0;
let store: Store<relayModule.RelayOperations>;
const nowMs = 1_000_000;
const hourMs = 3_600_000;

beforeEach(() => {
  store = openStoreInline<relayModule.RelayOperations>({ file: join(dir, `${(files += 1)}.db`), module: relayModule });
  return () => store.close();
});

const putToken = (id: string, change: Partial<NewJoinToken> = {}): Promise<void> =>
  store.call("putJoinToken", {
    id,
    secret: Buffer.alloc(32, 7),
    name: "",
    labels: '{"region":"north"}',
    tier: "admin",
    binding: "exporter",
    uses: 1,
    operator: "ann",
    nowMs,
    expiresMs: nowMs + hourMs,
    ...change,
  });
const joins = (key: string, change: Partial<JoinArgs> = {}): Promise<SiteRow> =>
  store.call("joinSite", {
    token: "t",
    site: `s_${key}`,
    signKey: key,
    boxKey: "b",
    name: `site-${key}`,
    labels: { rack: "1", region: "south" },
    boot: "b1",
    dial: 1,
    fence: 1,
    nowMs,
    ...change,
  });
const approve = (key: string): Promise<SiteRow> =>
  store.call("approveSite", { id: `s_${key}`, name: `site-${key}`, statement: Buffer.of(1), operator: "ann", nowMs });

describe("a join token", () => {
  test("is good for its uses, each bound to the key that took it: that key may try again, no other", async () => {
    await putToken("t", { uses: 2 });
    const first = await joins("a");
    expect(first).toMatchObject({ state: "waiting", name: "site-a", tier: "admin", epoch: 1 });
    expect(await joins("a", { dial: 2 }), "the reply was lost").toEqual(first);
    await joins("b");
    await expect(joins("c")).rejects.toThrow(fault("JOIN_TOKEN_USED"));
    expect((await joins("b")).id).toBe("s_b");
    expect((await store.call("listJoinTokens", null))[0]).toMatchObject({ id: "t", uses: 2, used: 2 });
  });

  test("50 parallel uses of one use: one agent gets in", async () => {
    await putToken("t");
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_value, index) => joins(`k${index}`)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test.each([
    ["unknown", "JOIN_TOKEN_UNKNOWN", {}],
    ["expired", "JOIN_TOKEN_EXPIRED", { expiresMs: nowMs - 1 }],
  ] as const)("that is %s lets nobody in", async (name, code, change) => {
    await putToken("expired", change);
    await expect(joins("a", { token: name })).rejects.toThrow(fault(code));
  });

  test("that was revoked lets nobody new in, and answers who was in", async () => {
    await putToken("t", { uses: 5 });
    await joins("a");
    await store.call("revokeJoinToken", { id: "t", nowMs });
    await expect(joins("b")).rejects.toThrow(fault("JOIN_TOKEN_UNKNOWN"));
    expect((await joins("a")).state).toBe("waiting");
    await expect(store.call("revokeJoinToken", { id: "t", nowMs })).rejects.toThrow(fault("NOT_FOUND"));
  });

  test("is listed without its secret", async () => {
    await putToken("t");
    expect(Object.keys((await store.call("listJoinTokens", null))[0]!)).not.toContain("secret");
  });

  test.each([
    ["", "wanted", "wanted"],
    ["fixed", "wanted", "fixed"],
    ["shop-*", "shop-12", "shop-12"],
    ["*-north", "a-north", "a-north"],
    ["shop-*-x", "shop-7-x", "shop-7-x"],
  ])("with the name %j makes %s into %s", async (pattern, wanted, name) => {
    await putToken("t", { name: pattern });
    expect((await joins("a", { name: wanted })).name).toBe(name);
  });

  test.each([
    ["shop-*", "depot-1"],
    ["shop-*-x", "shop-x"],
    ["a*a", "a"],
  ])("with the pattern %s refuses the name %s, and uses no use", async (pattern, wanted) => {
    await putToken("t", { name: pattern });
    await expect(joins("a", { name: wanted })).rejects.toThrow(fault("CONFLICT"));
    expect((await store.call("findJoinToken", { id: "t" }))?.used).toBe(0);
  });

  test("has the last word on labels", async () => {
    await putToken("t");
    expect(JSON.parse((await joins("a")).labels)).toEqual({ rack: "1", region: "north" });
  });
});

describe("a site", () => {
  beforeEach(() => putToken("t", { uses: 9 }));

  test("is approved once, from the waiting room", async () => {
    await joins("a");
    expect((await approve("a")).state).toBe("active");
    await expect(approve("a")).rejects.toThrow(fault("STATE_REFUSED"));
    expect(await store.call("siteView", { name: "site-a" })).toMatchObject({ openCommands: 0, reportMadeMs: null });
  });

  test("has a name that nobody else has, while it is not revoked", async () => {
    await joins("a");
    await expect(joins("b", { name: "site-a" })).rejects.toThrow(fault("CONFLICT"));
    await joins("b");
    await expect(store.call("approveSite", { id: "s_b", name: "site-a", statement: Buffer.of(1), operator: "ann", nowMs })).rejects.toThrow(fault("CONFLICT"));
    await store.call("endSite", { id: "s_a", to: "revoked", operator: "ann", nowMs });
    expect((await joins("c", { name: "site-a" })).name).toBe("site-a");
    expect((await store.call("listSites", null)).map(({ id }) => id)).toEqual(["s_c", "s_b"]);
  });

  test("cannot take the name that another one gets when it is revoked", async () => {
    await joins("a", { name: "plant-07" });
    for (const name of ["plant-07--revoked-a", "plant-07--x", "shop-", "-"]) await expect(joins("b", { name }), name).rejects.toThrow(fault("USAGE"));
    await joins("b", { name: "plant-08" });
    await store.call("endSite", { id: "s_a", to: "revoked", operator: "ann", nowMs });
    expect((await store.call("findSiteById", { id: "s_a" }))?.name, "with its whole id").toBe("plant-07--revoked-a");
  });

  test("whose token has a name that no site can have does not join", async () => {
    await putToken("bad", { name: "shop-" });
    await expect(joins("a", { token: "bad" })).rejects.toThrow(fault("USAGE"));
  });

  test("that was denied or revoked cannot come back with its key", async () => {
    await joins("a");
    await joins("b");
    await store.call("endSite", { id: "s_a", to: "denied", operator: "ann", nowMs });
    await store.call("endSite", { id: "s_b", to: "revoked", operator: "ann", nowMs });
    await expect(joins("a")).rejects.toThrow(fault("JOIN_DENIED"));
    await expect(joins("b")).rejects.toThrow(fault("SITE_REVOKED"));
    await expect(store.call("endSite", { id: "s_b", to: "revoked", operator: "ann", nowMs })).rejects.toThrow(fault("STATE_REFUSED"));
    await joins("c");
    await approve("c");
    await expect(store.call("endSite", { id: "s_c", to: "denied", operator: "ann", nowMs })).rejects.toThrow(fault("STATE_REFUSED"));
  });
});

describe("a link", () => {
  const begins = (change: Partial<LinkBegin> = {}) =>
    store.call("admitLink", { id: "s_a", boot: "b1", dial: 2, fence: 5, agentEpoch: "e1", agentVersion: "1", freeOctets: 1, clockErrorMs: 1, agentInDoubt: [], given: { relayEpoch: 0, fence: 0, order: 0, trustVersion: 1 }, nowMs, ...change });
  beforeEach(async () => {
    await putToken("t");
    await joins("a");
    await approve("a");
  });

  test("fences the one before it: what the older one says of its end is too late", async () => {
    await begins();
    await begins({ dial: 3, fence: 6 });
    await store.call("endLink", { id: "s_a", fence: 5, lastContactMs: 7, nowMs: 8, why: "cut" });
    expect(await store.call("findSiteById", { id: "s_a" })).toMatchObject({ fence: 6, linkEndMs: null });
    await store.call("endLink", { id: "s_a", fence: 6, lastContactMs: 7, nowMs: 8, why: "cut" });
    expect(await store.call("findSiteById", { id: "s_a" })).toMatchObject({ linkEndMs: 8, linkEndWhy: "cut", lastContactMs: 7 });
  });

  test.each([1, 2])("with dial %d of the same boot, after 2, is late and takes nothing over", async (dial) => {
    await begins();
    await expect(begins({ dial, fence: 9 })).rejects.toThrow(fault("LINK_LATE"));
    expect((await store.call("findSiteById", { id: "s_a" }))?.fence).toBe(5);
  });

  test("cloned disk: a dial number that goes back across boots is told, remembered, and takes nothing over", async () => {
    await begins({ dial: 9 });
    expect(await begins({ boot: "b2", dial: 9, fence: 9 })).toMatchObject({ isClone: true });
    expect((await store.call("findSiteById", { id: "s_a" }))?.fence).toBe(5);
    expect((await store.call("eventsOf", { site: "s_a", limit: 9 })).map(({ kind }) => kind)).toContain("cloned");
    expect(await begins({ boot: "b2", dial: 10, fence: 10 })).toMatchObject({ isClone: false });
  });

  test("wiped database: another agent epoch is told once, the first one is none", async () => {
    const lost = async (): Promise<number> => (await store.call("eventsOf", { site: "s_a", limit: 99 })).filter(({ kind }) => kind === "lost-disk").length;
    await begins();
    expect(await lost()).toBe(0);
    await begins({ dial: 3, fence: 6, agentEpoch: "e2" });
    expect(await lost()).toBe(1);
    await begins({ dial: 4, fence: 7, agentEpoch: "e2", nowMs: nowMs + 1 });
    expect(await lost()).toBe(1);
  });

  test("of nobody's site, or of one that ended, is refused", async () => {
    await expect(begins({ id: "s_z" })).rejects.toThrow(fault("SITE_UNKNOWN"));
    await store.call("endSite", { id: "s_a", to: "revoked", operator: "ann", nowMs });
    await expect(begins()).rejects.toThrow(fault("SITE_REVOKED"));
  });

  test("has a fence that rises and never repeats", async () => {
    const drawn = await Promise.all(Array.from({ length: 5 }, () => store.call("drawFence", null)));
    expect(drawn).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("operators", () => {
  const token = (hash: string, operator: string, expiresMs = nowMs + hourMs) => ({ hash, operator, purpose: "login", nowMs, expiresMs });

  test("the first-login token makes the first operator and burns", async () => {
    expect(await store.call("needsFirstLogin", { nowMs })).toBe(true);
    await store.call("putFirstLogin", { hash: "old", nowMs, expiresMs: nowMs + hourMs });
    await store.call("putFirstLogin", { hash: "first", nowMs, expiresMs: nowMs + hourMs });
    await expect(store.call("spendFirstLogin", { hash: "old", token: token("h0", "eve") })).rejects.toThrow(fault("TOKEN_UNKNOWN"));
    await store.call("spendFirstLogin", { hash: "first", token: token("h1", "ann") });
    await expect(store.call("spendFirstLogin", { hash: "first", token: token("h2", "eve") })).rejects.toThrow(fault("TOKEN_UNKNOWN"));
    expect(await store.call("needsFirstLogin", { nowMs })).toBe(false);
    expect(await store.call("findOperatorToken", { hash: "h1" })).toMatchObject({ operator: "ann", tier: "admin", isRevoked: false });
  });

  test("a first-login token whose hour is over makes nobody", async () => {
    await store.call("putFirstLogin", { hash: "first", nowMs, expiresMs: nowMs - 1 });
    await expect(store.call("spendFirstLogin", { hash: "first", token: token("h", "eve") })).rejects.toThrow(fault("TOKEN_EXPIRED"));
    expect(await store.call("needsFirstLogin", { nowMs })).toBe(true);
  });

  test("when no operator has a good token any more, a first login is needed again, and whoever spends it is the operator they were", async () => {
    await store.call("putFirstLogin", { hash: "first", nowMs, expiresMs: nowMs + hourMs });
    await store.call("spendFirstLogin", { hash: "first", token: token("h1", "admin") });
    await store.call("putOperatorToken", { ...token("k", "admin", nowMs + 99 * hourMs), purpose: "kube" });
    const laterMs = nowMs + hourMs;
    expect(await store.call("needsFirstLogin", { nowMs: laterMs }), "the token's time is over").toBe(true);
    await store.call("putFirstLogin", { hash: "second", nowMs: laterMs, expiresMs: laterMs + hourMs });
    expect(await store.call("needsFirstLogin", { nowMs: laterMs }), "nobody has spent it yet").toBe(true);
    await store.call("spendFirstLogin", { hash: "second", token: { ...token("h2", "admin", laterMs + hourMs), nowMs: laterMs } });
    expect(await store.call("needsFirstLogin", { nowMs: laterMs })).toBe(false);
    expect(await store.call("findOperatorToken", { hash: "h2" })).toMatchObject({ operator: "admin", tier: "admin", isRevoked: false });
    await store.call("revokeOperatorToken", { hash: "h2", nowMs: laterMs });
    expect(await store.call("needsFirstLogin", { nowMs: laterMs }), "it was revoked").toBe(true);
  });

  test("a first login brings back an operator who was removed", async () => {
    for (const name of ["admin", "bob"]) await store.call("addOperator", { name, tier: "admin", nowMs });
    await store.call("removeOperator", { name: "admin", nowMs });
    await store.call("putFirstLogin", { hash: "first", nowMs, expiresMs: nowMs + hourMs });
    await store.call("spendFirstLogin", { hash: "first", token: token("h", "admin") });
    expect((await store.call("listOperators", { nowMs })).map(({ name, tokens }) => [name, tokens])).toEqual([["admin", 1], ["bob", 0]]);
  });

  test("good tokens are listed by an id that is no secret, and one is revoked by it", async () => {
    await store.call("addOperator", { name: "ann", tier: "admin", nowMs });
    for (const [digit, expiresMs] of [["a", nowMs + 2 * hourMs], ["b", nowMs + hourMs], ["c", nowMs - 1]] as const) await store.call("putOperatorToken", token(digit.repeat(64), "ann", expiresMs));
    await store.call("putFirstLogin", { hash: "f".repeat(64), nowMs, expiresMs: nowMs + hourMs });
    const ids = async (): Promise<string[]> => (await store.call("listOperatorTokens", { nowMs })).map(({ id }) => id);
    expect(await ids(), "neither what is over nor a first login").toEqual([`ot_${"b".repeat(16)}`, `ot_${"a".repeat(16)}`]);
    await store.call("revokeListedToken", { id: `ot_${"a".repeat(16)}`, nowMs });
    expect(await ids()).toEqual([`ot_${"b".repeat(16)}`]);
    expect(await store.call("findOperatorToken", { hash: "a".repeat(64) })).toMatchObject({ isRevoked: true });
    for (const id of [`ot_${"a".repeat(16)}`, "ot_", "", `ot_${"f".repeat(16)}`]) await expect(store.call("revokeListedToken", { id, nowMs })).rejects.toThrow(fault("NOT_FOUND"));
  });

  test("an operator who is removed is out with all tokens, and the last one stays", async () => {
    for (const name of ["ann", "bob"]) await store.call("addOperator", { name, tier: "admin", nowMs });
    await expect(store.call("addOperator", { name: "ann", tier: "admin", nowMs })).rejects.toThrow(fault("CONFLICT"));
    await store.call("putOperatorToken", token("h", "bob"));
    await store.call("removeOperator", { name: "bob", nowMs });
    expect(await store.call("findOperatorToken", { hash: "h" })).toMatchObject({ isRevoked: true });
    await expect(store.call("putOperatorToken", token("h2", "bob"))).rejects.toThrow(fault("NOT_FOUND"));
    await expect(store.call("removeOperator", { name: "ann", nowMs })).rejects.toThrow(fault("CONFLICT"));
    await store.call("addOperator", { name: "bob", tier: "admin", nowMs });
    expect(await store.call("findOperatorToken", { hash: "h" }), "coming back does not bring old tokens back").toMatchObject({ isRevoked: true });
  });

  test("a token is revoked once for good", async () => {
    await store.call("addOperator", { name: "ann", tier: "admin", nowMs });
    await store.call("putOperatorToken", token("h", "ann"));
    await store.call("revokeOperatorToken", { hash: "h", nowMs });
    expect(await store.call("findOperatorToken", { hash: "h" })).toMatchObject({ isRevoked: true });
    expect(await store.call("findOperatorToken", { hash: "nobody's" })).toBe(null);
  });
});
