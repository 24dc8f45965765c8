// Commands at the relay's store: what a retry is answered, what waits for what, what a site's word does in every state, what stays and what goes.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonicalJson, requestHash } from "../relay/command/request-hash.ts";
import type { RelayState } from "../shared/rules/command-state.ts";
import { codeOf } from "./kit/code-of.ts";
import { dayMs, RelayBench } from "./kit/relay-store.ts";

let relay: RelayBench;
let fence: number;
beforeEach(async () => {
  relay = await RelayBench.open();
  ({ fence } = await relay.link());
});
afterEach(() => relay.close());

const bring = (id: string, state: RelayState): Promise<void> => relay.bring(fence, id, state);

describe("a site's word", () => {
  test.each(["queued", "blocked", "offered", "stored", "running"] as const)("about a %s command is believed: its claim and its result are taken, and no letter of it stays", async (state) => {
    await bring("a", state);
    expect(await relay.claim(fence, "a")).toBe(true);
    expect(await relay.state("a")).toBe("running");
    await bring("b", state);
    expect(await relay.result(fence, "b")).toBe(true);
    expect(await relay.state("b")).toBe("succeeded");
    expect(await relay.rows("SELECT id FROM outbox")).toEqual([]);
  });

  test("that comes again changes nothing; another one is evidence for what was given up, and an alarm otherwise", async () => {
    for (const id of ["a", "b"]) await bring(id, "running");
    await relay.result(fence, "a");
    await relay.result(fence, "a", "succeeded", "again");
    expect(await relay.events("alarm")).toEqual([]);
    await relay.result(fence, "a", "failed", "other");
    await relay.rows("UPDATE commands SET state = 'outcome-unknown' WHERE id = 'b'");
    await relay.result(fence, "b", "succeeded");
    expect(await Promise.all(["a", "b"].map((id) => relay.state(id)))).toEqual(["succeeded", "outcome-unknown"]);
    expect([await relay.events("alarm"), await relay.events("evidence")]).toEqual([["a is succeeded here, the site says failed: it failed"], ["b is outcome-unknown here, the site says succeeded: it succeeded"]]);
    const kept = (await relay.rows("SELECT evidence FROM commands ORDER BY id")).map(({ evidence }) => (JSON.parse(evidence as string) as { outcome: { state: string } }).outcome.state);
    expect(kept).toEqual(["failed", "succeeded"]);
  });

  test("about a command that is unknown here is kept as an orphan with its header, and told", async () => {
    expect(await relay.result(fence, "nobody-knows", "failed")).toBe(true);
    expect(await relay.rows("SELECT command, header, state FROM orphans")).toEqual([{ command: "nobody-knows", header: "header of nobody-knows", state: "failed" }]);
    expect(await relay.events("orphan")).toHaveLength(1);
  });

  test("about another site's command does not touch it", async () => {
    await relay.approve("s_2", "bench");
    await relay.submit("theirs", { siteName: "bench" });
    await relay.result(fence, "theirs", "failed");
    expect(await relay.state("theirs")).toBe("queued");
    expect(await relay.rows("SELECT command FROM orphans")).toEqual([{ command: "theirs" }]);
  });

  test("moves every step into the site's events, each once", async () => {
    await bring("a", "running");
    await relay.result(fence, "a");
    await relay.take(fence, "outcome-a", { kind: "event", atMs: relay.nowMs, event: "command", what: "a succeeded: it succeeded" });
    expect((await relay.events("command")).sort()).toEqual(["a started: apply a", "a stored at the site: apply a", "a succeeded: it succeeded"]);
  });
});

describe("a report", () => {
  const report = (ord: number, body: string): Promise<boolean> => relay.take(fence, `report-${body}-${ord}`, { kind: "report", ord, madeMs: 10_000 - ord, body });
  const shown = (): Promise<string | null> => relay.store.call("reportOf", { site: relay.site });

  test("that is older by the site's own count does not replace a newer one, whatever the site's clock says", async () => {
    expect(await shown()).toBeNull();
    await report(7, "new");
    await report(5, "old");
    expect(await shown()).toBe("new");
  });

  test("of a new agent database counts anew", async () => {
    await report(7, "before");
    ({ fence } = await relay.link({ agentEpoch: "e-2" }));
    await report(1, "after");
    expect(await shown()).toBe("after");
  });
});

describe("an Idempotency-Key", () => {
  const key = { idempotencyKey: "k-1", requestHash: "h-1" } as const;

  test("answers a retry from its record when the site was renamed or revoked since", async () => {
    await relay.submit("a", key);
    const asked = { caller: "ann", key: "k-1", requestHash: "h-1" } as const;
    await relay.rows("UPDATE sites SET name = 'renamed'");
    expect(await relay.store.call("findKeyedCommand", asked)).toMatchObject({ id: "a", siteName: "renamed", state: "queued" });
    await relay.store.call("endSite", { id: relay.site, to: "revoked", operator: "ann", nowMs: relay.nowMs });
    expect(await relay.store.call("findKeyedCommand", asked)).toMatchObject({ id: "a", state: "abandoned" });
    expect(await relay.submit("another-id", key)).toMatchObject({ id: "a" });
  });

  test("with another request is a conflict that names the first", async () => {
    await relay.submit("a", key);
    expect(await codeOf(relay.submit("b", { ...key, requestHash: "h-2" }))).toBe("CONFLICT");
    expect(await codeOf(relay.store.call("findKeyedCommand", { caller: "ann", key: "k-1", requestHash: "h-2" }))).toBe("CONFLICT");
    expect(await relay.store.call("findKeyedCommand", { caller: "bob", key: "k-1", requestHash: "h-2" })).toBeNull();
  });

  test("tells requests apart by what they say and not by the order of their members", () => {
    const left = { site: "a", spec: { kind: "job", env: { A: "1", B: "2" }, command: ["x", "y"] } };
    const right = { spec: { command: ["x", "y"], env: { B: "2", A: "1" }, kind: "job" }, site: "a" };
    expect(canonicalJson(left)).toBe(canonicalJson(right));
    expect(requestHash(left)).toBe(requestHash(right));
    expect(requestHash(left)).not.toBe(requestHash({ ...left, spec: { ...left.spec, command: ["y", "x"] } }));
  });
});

describe("order", () => {
  const keys = (...names: string[]): { keys: { key: string; isOwn: boolean }[] } => ({ keys: names.map((name) => ({ key: name.replace("~", ""), isOwn: !name.startsWith("~") })) });
  const after = async (): Promise<Record<string, string | null>> => Object.fromEntries((await relay.lease(fence)).map((command) => [command.id, command.after]));

  test("is kept between commands that touch the same thing, and between no others", async () => {
    await relay.submit("a", keys("cm/x"));
    await relay.submit("b", keys("cm/y"));
    await relay.submit("c", keys("cm/x", "cm/z"));
    await relay.submit("d", keys("cm/z"));
    expect(await after()).toEqual({ a: null, b: null, c: "a", d: "c" });
  });

  test("is kept with what a command stands on, and not between two that stand on the same", async () => {
    await relay.submit("namespace", keys("ns/shop"));
    await relay.submit("a", keys("cm/x", "~ns/shop"));
    await relay.submit("b", keys("cm/y", "~ns/shop"));
    await relay.submit("namespace-again", keys("ns/shop"));
    expect(await after()).toEqual({ namespace: null, a: "namespace", b: "namespace", "namespace-again": "b" });
  });

  test("behind a command that the site has no room for, successors wait here, and others go", async () => {
    await relay.submit("a", keys("x"));
    await relay.leased(fence);
    await relay.settle(fence, "a", "storage");
    await relay.submit("b", keys("x"));
    await relay.submit("c", keys("y"));
    expect(await relay.leased(fence)).toEqual(["c"]);
    expect(await relay.rows("SELECT id, blocked_reason, why FROM commands WHERE state = 'blocked' ORDER BY id")).toEqual([
      { id: "a", blocked_reason: "storage", why: "the site has no room to store it" },
      { id: "b", blocked_reason: "dependency", why: "waits for a" },
    ]);
    await relay.store.call("unblockCommands", { site: relay.site, nowMs: relay.nowMs });
    expect(await after()).toEqual({ a: null, b: "a" });
  });

  test("successors are let go the moment that their predecessor ends, without waiting for a sweep", async () => {
    await relay.submit("a", keys("x"));
    await relay.leased(fence);
    await relay.settle(fence, "a", "trust");
    await relay.submit("b", keys("x"));
    expect(await relay.leased(fence)).toEqual([]);
    await relay.result(fence, "a", "failed");
    expect(await relay.leased(fence)).toEqual(["b"]);
  });

  test("a predecessor in a slower lane cannot be overtaken: its successor waits until it is stored", async () => {
    await relay.submit("slow", { ...keys("x"), lane: "bulk" });
    await relay.submit("fast", { ...keys("x"), lane: "interactive" });
    expect(await relay.leased(fence)).toEqual(["slow"]);
    expect(await relay.leased(fence)).toEqual([]);
    await relay.settle(fence, "slow");
    expect(await after()).toEqual({ fast: "slow" });
  });

  test("many that have expired hold back nobody behind them", async () => {
    for (let index = 0; index < 40; index += 1) await relay.submit(`late-${index}`, { deadlineMs: relay.nowMs + 1_000 });
    await relay.submit("good");
    relay.nowMs += 2_000;
    expect(await relay.leased(fence)).toEqual(["good"]);
  });
});

describe("a collapse key", () => {
  test("ends those of it that have not left, and leaves what has left alone", async () => {
    await relay.submit("left", { collapseKey: "c" });
    await relay.leased(fence);
    await relay.submit("waits", { collapseKey: "c" });
    await relay.submit("other", { collapseKey: "d" });
    await relay.submit("newest", { collapseKey: "c" });
    expect(await Promise.all(["left", "waits", "other", "newest"].map((id) => relay.state(id)))).toEqual(["offered", "superseded", "queued", "queued"]);
    expect(await relay.leased(fence)).toEqual(["other", "newest"]);
  });
});

describe("what has ended", () => {
  test.each(["succeeded", "rejected", "expired", "superseded", "abandoned"] as const)("as %s keeps no letter and no key, and its body only where it can be retried", async (state) => {
    await relay.submit("a", { collapseKey: "c", bodyHash: "hash", deadlineMs: relay.nowMs + 1_000 });
    if (state === "succeeded") await relay.result(fence, "a");
    if (state === "rejected") {
      await relay.leased(fence);
      await relay.settle(fence, "a", "policy");
    }
    if (state === "expired") await relay.store.call("expireCommands", { nowMs: relay.nowMs + 2_000 });
    if (state === "superseded") await relay.submit("b", { collapseKey: "c" });
    if (state === "abandoned") await relay.store.call("endSite", { id: relay.site, to: "revoked", operator: "ann", nowMs: relay.nowMs });
    expect(await relay.rows("SELECT state, body, body_hash FROM commands WHERE id = 'a'")).toEqual([{ state, body: state === "rejected" || state === "expired" ? expect.anything() : null, body_hash: "hash" }]);
    expect(await relay.rows("SELECT id FROM outbox WHERE id = 'a'")).toEqual([]);
    expect(await relay.rows("SELECT okey FROM command_targets WHERE command = 'a'")).toEqual([]);
  });

  test("is purged a few at a time when its deadline is 30 days past, with its key; what is open stays", async () => {
    for (let index = 0; index < 150; index += 1) {
      await relay.submit(`a-${index}`, { idempotencyKey: `k-${index}`, deadlineMs: relay.nowMs + dayMs });
      await relay.result(fence, `a-${index}`);
    }
    await relay.submit("open", { deadlineMs: relay.nowMs + dayMs });
    await relay.leased(fence);
    const count = async (table: string): Promise<unknown> => (await relay.rows(`SELECT COUNT(*) AS n FROM ${table}`))[0]!["n"];
    const purge = (nowMs: number): Promise<boolean> => relay.store.call("purgeRecords", { nowMs });
    expect(await purge(relay.nowMs + 31 * dayMs - 1)).toBe(false);
    expect([await count("commands"), await count("command_keys")]).toEqual([151, 150]);
    expect(await purge(relay.nowMs + 31 * dayMs + 1)).toBe(true);
    expect([await count("commands"), await count("command_keys")]).toEqual([51, 50]);
    while (await purge(relay.nowMs + 31 * dayMs + 1));
    expect(await relay.rows("SELECT id, state FROM commands")).toEqual([{ id: "open", state: "offered" }]);
    expect([await count("command_keys"), await count("join_tokens"), await count("join_uses")]).toEqual([0, 0, 0]);
  });

  test("takes with it what a revoked site said last, and tokens that ended thirty days ago", async () => {
    const count = async (table: string): Promise<unknown> => (await relay.rows(`SELECT COUNT(*) AS n FROM ${table}`))[0]!["n"];
    await relay.take(fence, "r-1", { kind: "report", ord: 1, madeMs: 5_000, body: "{}" });
    expect([await count("reports"), await count("inbox")]).toEqual([1, 1]);
    await relay.store.call("endSite", { id: relay.site, to: "revoked", operator: "ann", nowMs: relay.nowMs });
    expect([await count("reports"), await count("inbox")]).toEqual([0, 0]);
    await relay.store.call("putFirstLogin", { hash: "h", nowMs: relay.nowMs, expiresMs: relay.nowMs + 1_000 });
    const before = await count("operator_tokens");
    await relay.store.call("purgeRecords", { nowMs: relay.nowMs + 30 * dayMs });
    expect(await count("operator_tokens")).toBe(before);
    await relay.store.call("purgeRecords", { nowMs: relay.nowMs + 30 * dayMs + 2_000 });
    expect(await count("operator_tokens")).toBe(Number(before) - 1);
  });

  test("events stay within their ring, also when many happen in one moment", async () => {
    for (let index = 0; index < 620; index += 1) await relay.take(fence, `e-${index}`, { kind: "event", atMs: 5_000, event: "x", what: "e" });
    expect((await relay.rows("SELECT COUNT(*) AS n FROM events"))[0]).toEqual({ n: 100 });
  });
});

test("a command that cannot be put into a letter ends alone and says why", async () => {
  for (const id of ["a", "b"]) await relay.submit(id);
  await relay.leased(fence);
  await relay.store.call("rejectUnsendable", { site: relay.site, id: "a", why: "too large", nowMs: relay.nowMs });
  expect(await Promise.all(["a", "b"].map((id) => relay.state(id)))).toEqual(["rejected", "offered"]);
});
