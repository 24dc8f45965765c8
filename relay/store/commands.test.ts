// Commands at the relay with real SQLite: accepted with their place in line and once, bounded in number and octets, expired by time alone only while they have
// not left. delivery.md sections 2, 3 and 6.
import { beforeEach, describe, expect, test } from "vitest";
import { RelayBench } from "../../test/kit/relay-store.ts";
import type { FaultCode } from "../../shared/kit/errors.ts";
import type { CommandRow, NewCommand } from "./commands.ts";

const fault = (code: FaultCode, parts: Readonly<Record<string, unknown>> = {}): unknown => expect.objectContaining({ code, ...parts });
let relay: RelayBench;

beforeEach(async () => {
  relay = await RelayBench.open();
  return () => relay.close();
});

const submit = (id: string, change: Partial<NewCommand> = {}): Promise<CommandRow> => relay.submit(id, change);
const leaseIds = (): Promise<string[]> => relay.leased(1);

describe("what is accepted", () => {
  test("has the next number of its site, drawn in its own transaction: what was refused leaves no gap", async () => {
    await relay.approve("s_ship", "ship");
    expect((await submit("a")).ord).toBe(1);
    await expect(submit("a")).rejects.toThrow();
    await expect(submit("x", { siteName: "nowhere" })).rejects.toThrow(fault("SITE_UNKNOWN"));
    expect((await submit("b")).ord).toBe(2);
    expect((await submit("s", { siteName: "ship" })).ord).toBe(1);
    expect(await leaseIds()).toEqual(["a", "b"]);
  });

  test("under an Idempotency-Key is accepted once: the same again is the same command, another request is a conflict", async () => {
    const first = await submit("a", { idempotencyKey: "k" });
    expect(await submit("b", { idempotencyKey: "k" })).toEqual(first);
    await expect(submit("c", { idempotencyKey: "k", requestHash: "another" })).rejects.toThrow(fault("CONFLICT", { why: "it belongs to command a" }));
    expect((await submit("d", { idempotencyKey: "k", operator: "bob" })).id, "another caller's k is another key").toBe("d");
    expect(await leaseIds()).toEqual(["a", "d"]);
  });

  test("is still answered by its key when the site is gone", async () => {
    await submit("a", { idempotencyKey: "k" });
    await relay.store.call("endSite", { id: relay.site, to: "revoked", operator: "ann", nowMs: relay.nowMs });
    expect((await submit("b", { idempotencyKey: "k" })).state).toBe("abandoned");
    await expect(submit("c")).rejects.toThrow(fault("SITE_UNKNOWN"));
    expect(await leaseIds()).toEqual([]);
  });

  test("has a ceiling in octets: the caller is told what fills the queue", async () => {
    await submit("large", { body: Buffer.alloc(40 * 1_048_576) });
    await expect(submit("larger", { body: Buffer.alloc(25 * 1_048_576) })).rejects.toThrow(
      fault("QUEUE_FULL", { why: "open commands hold 40 MiB, this one has 25 MiB, 64 MiB may be held; by kind: apply 1; by key: large 1", facts: { site: "anvil", quota: "octets", used: 41_943_040, max: 67_108_864, retryAfterS: 300 } }),
    );
    expect((await submit("small")).ord).toBe(2);
  });
});

test("a thousand commands may be open, and one more when one has ended", async () => {
  const submits = Array.from({ length: 1_001 }, (_value, index) => ({ name: "submitCommand" as const, args: relay.command(`c${index}`) }));
  const letter = { kind: "result", command: "c0", header: "", startedMs: 5, endedMs: 9, outcome: { state: "succeeded", what: "", code: null, objects: [] } };
  const said = await relay.inOneGroup([
    ...submits,
    { name: "takeSiteLetter", args: { site: relay.site, id: "r", fence: 1, letter, nowMs: relay.nowMs } },
    { name: "submitCommand", args: relay.command("again") },
  ]);
  expect(said.slice(0, 1_000).every((row) => (row as CommandRow).state === "queued")).toBe(true);
  expect([said[1_000], (said.at(-1) as CommandRow).ord]).toEqual(["QUEUE_FULL", 1_001]);
});

test("a link that flaps pushes out its own events and no others; of each ring the newest are kept, and the same one again changes nothing", async () => {
  const event = (kind: string, index: number) => ({ name: "putEvent" as const, args: { id: `${kind}${index}`, site: relay.site, atMs: relay.nowMs + index, nowMs: relay.nowMs, kind, what: `n${index}` } });
  await relay.inOneGroup([event("command", 1), event("alarm", 2), ...Array.from({ length: 505 }, (_value, index) => event(index % 2 === 0 ? "link-up" : "link-down", index)), event("link-up", 504)]);
  for (const kind of ["command", "whatever-a-site-says"]) await relay.inOneGroup(Array.from({ length: 305 }, (_value, index) => event(kind, 1_000 + index)));
  const events = await relay.store.call("eventsOf", { site: relay.site, limit: 2_000 });
  const of = (...kinds: string[]): (number | string | undefined)[] => {
    const found = events.filter(({ kind }) => kinds.includes(kind)).map(({ what }) => what);
    return [found.length, found[0], found.at(-1)];
  };
  expect([of("link-up", "link-down"), of("command"), of("whatever-a-site-says")]).toEqual([[100, "n504", "n405"], [300, "n1304", "n1005"], [100, "n1304", "n1205"]]);
});

describe("the deadline", () => {
  test("ends what has not left, and nothing that has", async () => {
    await submit("left", { deadlineMs: relay.nowMs + 10 });
    await leaseIds();
    await submit("waits", { deadlineMs: relay.nowMs + 10 });
    await submit("later");
    relay.nowMs += 11;
    expect(await relay.store.call("expireCommands", { nowMs: relay.nowMs })).toBe(false);
    expect([await relay.state("left"), await relay.state("waits"), await relay.state("later")]).toEqual(["offered", "expired", "queued"]);
    expect(await leaseIds()).toEqual(["later"]);
  });

  test("sweeps a hundred at once, and says that there may be more", async () => {
      await relay.inOneGroup(Array.from({ length: 150 }, (_value, index) => ({ name: "submitCommand" as const, args: relay.command(`c${index}`, { deadlineMs: relay.nowMs + 1 }) })));
    relay.nowMs += 2;
    expect([await relay.store.call("expireCommands", { nowMs: relay.nowMs }), await relay.store.call("expireCommands", { nowMs: relay.nowMs })]).toEqual([true, false]);
    expect((await relay.store.call("listCommands", { site: "anvil", state: "expired", selector: null, after: null, limit: 500 })).rows).toHaveLength(150);
  });
});
