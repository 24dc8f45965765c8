// What one site signs does not take the view of all sites away: times that no date can hold, outcomes and reports of any shape and size, each as a letter of its own
// key, and then the lists as everybody reads them.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Call } from "../relay/http/api.ts";
import { commandRoutes, type CommandOptions } from "../relay/http/operate-commands.ts";
import { siteRoutes, type SiteOptions } from "../relay/http/operate-sites.ts";
import { takeLetter } from "../relay/status/intake.ts";
import * as relayModule from "../relay/store/operations.ts";
import type { CommandView, SiteDetail, SiteSummary } from "../shared/api.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { openStoreInline, type Store } from "../shared/kit/store.ts";
import type { LetterKind } from "../shared/outbox/letter.ts";
import { outcomeOctetsMax } from "../shared/rules/outcome.ts";
import { siteTimeMsMax } from "../shared/rules/site-time.ts";
import { sealEnvelope } from "../shared/trust/envelope.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

const nowMs = 1_700_000_000_000;
const keys = makeSigningKeys();
const site = { id: "s_1", signKey: keys.publicKey, fence: 1 };
let dir: string;
let store: Store<relayModule.RelayOperations>;
let options: SiteOptions & CommandOptions;
let letters: number;

const unused = (): Promise<never> => Promise.reject(new Error("unused"));

beforeEach(async () => {
  dir = makeTempDir("intake");
  store = openStoreInline<relayModule.RelayOperations>({ file: join(dir, "relay.db"), module: relayModule });
  letters = 0;
  options = { store, clock: new ManualClock(nowMs), live: () => null, approve: unused, end: unused, poke: () => {}, submit: unused, submitMany: unused, retry: unused };
  await store.call("putJoinToken", { id: "t", secret: Buffer.alloc(32), name: "anvil", labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs, expiresMs: nowMs + 1_000 });
  await store.call("joinSite", { token: "t", site: site.id, signKey: site.signKey, boxKey: "box", name: "anvil", labels: {}, boot: "b", dial: 1, fence: 1, nowMs });
  await store.call("approveSite", { id: site.id, name: "anvil", statement: Buffer.alloc(1), operator: "ann", nowMs });
  await store.call("submitCommand", { id: "c1", siteName: "anvil", kind: "apply", repeatability: "idempotent", lane: "deploy", what: "apply a", keys: [], collapseKey: null, body: Buffer.from("{}"), bodyHash: "h", operator: "ann", deadlineMs: nowMs + 9_000_000, runMs: 1, nowMs, idempotencyKey: null, requestHash: "r" });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function take(kind: LetterKind, body: Record<string, unknown>): Promise<string> {
  const id = `${kind}-${(letters += 1)}`;
  const typ = kind === "report" || kind === "event" ? "report" : "result";
  const envelope = sealEnvelope({ typ, aud: site.id, epoch: 1, seq: letters, prev: "", cid: id, iat: nowMs, nbf: 0, exp: nowMs + 1_000, cls: "read" }, Buffer.from(JSON.stringify({ kind, ...body })), [keys]);
  return takeLetter({ store, clock: options.clock, log: silentLog }, site, { head: { id, lane: "control", kind, order: letters }, envelope });
}

async function answer<Body>(path: string, ...parts: string[]): Promise<Body> {
  const route = [...siteRoutes(options), ...commandRoutes(options, null as never)].find((one) => one.method === "GET" && one.path === path)!;
  return (await route.handle({ parts, query: new URLSearchParams(), body: {} } as unknown as Call)).body as Body;
}

const outcome = { state: "failed", what: "1 of 1 failed", code: "COMMAND_FAILED", objects: [{ ref: "ConfigMap/a", result: "failed", why: "no" }] };
const report = {
  madeAtMs: nowMs,
  agentVersion: "0.1.0",
  kubernetes: { version: "v1.34.1", reachable: true, why: null },
  nodes: [],
  nodesTotal: 0,
  unwell: [],
  unwellTotal: 0,
  workloadsTotal: 0,
  agent: { startedAtMs: nowMs, memoryMiB: 60, freeDiskMiB: 900, health: [] },
  queues: { commandsOpen: 0, lettersWaiting: 0, oldestLetterMs: null },
};

describe("a letter is refused", () => {
  test.each([
    ["report", { madeMs: Number.MAX_SAFE_INTEGER, report }],
    ["report", { madeMs: siteTimeMsMax + 1, report }],
    ["report", { madeMs: nowMs, report: { ...report, madeAtMs: Number.MAX_SAFE_INTEGER } }],
    ["report", { madeMs: nowMs, report: null }],
    ["report", { madeMs: nowMs, report: { ...report, nodes: "many" } }],
    ["event", { atMs: Number.MAX_SAFE_INTEGER, event: "x", what: "y" }],
    ["claim", { command: "c1", startedMs: Number.MAX_SAFE_INTEGER }],
    ["result", { command: "c1", startedMs: Number.MAX_SAFE_INTEGER, endedMs: nowMs, outcome }],
    ["result", { command: "c1", startedMs: null, endedMs: Number.MAX_SAFE_INTEGER, outcome }],
    ["result", { command: "c1", startedMs: null, endedMs: nowMs, outcome: { state: "failed" } }],
    ["result", { command: "c1", startedMs: null, endedMs: nowMs, outcome: { ...outcome, what: { a: 1 } } }],
    ["result", { command: "c1", startedMs: null, endedMs: nowMs, outcome: { ...outcome, objects: 7 } }],
  ] as const)("a %s %#", async (kind, body) => {
    expect(await take(kind, body)).toBe("malformed");
    expect((await answer<{ items: SiteSummary[] }>("/sites")).items).toMatchObject([{ name: "anvil", reportMade: null }]);
    expect((await answer<{ items: CommandView[] }>("/commands")).items).toMatchObject([{ id: "c1", state: "queued" }]);
    expect((await answer<SiteDetail>("/sites/:name", "anvil")).report).toBeNull();
  });
});

test("an honest report and result are taken as they are", async () => {
  expect(await take("report", { madeMs: nowMs, report })).toBe("committed");
  expect(await take("result", { command: "c1", header: "h", startedMs: nowMs, endedMs: nowMs, outcome })).toBe("committed");
  expect((await answer<SiteDetail>("/sites/:name", "anvil")).report).toEqual(report);
  expect((await answer<CommandView>("/commands/:id", "c1")).outcome).toEqual(outcome);
  expect((await answer<{ items: CommandView[] }>("/commands")).items[0]!.outcome).toEqual(outcome);
});

test("an outcome of megabytes is bounded here as well, and a list has its sentence without its objects", async () => {
  const long = { ...outcome, what: `it failed "badly" ${"\u0001".repeat(3_000)}`, objects: Array.from({ length: 1_000 }, () => ({ ref: "r".repeat(800), result: "failed", why: "w".repeat(2_000) })) };
  expect(await take("result", { command: "c1", header: "h", startedMs: nowMs, endedMs: nowMs, outcome: long })).toBe("committed");
  const whole = (await answer<CommandView>("/commands/:id", "c1")).outcome!;
  expect(Buffer.byteLength(JSON.stringify(whole))).toBeLessThanOrEqual(outcomeOctetsMax);
  expect(whole.objects.length).toBeGreaterThan(100);
  expect((await answer<{ items: CommandView[] }>("/commands")).items[0]!.outcome).toEqual({ ...whole, objects: [] });
});

test("a time that is in the store already and that no date can hold is shown as the last one that is", async () => {
  await store.call("putEvent", { id: "e", site: site.id, atMs: Number.MAX_SAFE_INTEGER, nowMs, kind: "x", what: "y" });
  expect((await answer<SiteDetail>("/sites/:name", "anvil")).events[0]!.at).toBe(new Date(siteTimeMsMax).toISOString());
});

test("an order for a site whose agent was denied says what frees the name", async () => {
  await store.call("putJoinToken", { id: "t2", secret: Buffer.alloc(32), name: "bench", labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs, expiresMs: nowMs + 1_000 });
  await store.call("joinSite", { token: "t2", site: "s_2", signKey: "k2", boxKey: "box", name: "bench", labels: {}, boot: "b", dial: 1, fence: 1, nowMs });
  const order = { id: "c2", siteName: "bench", kind: "apply", repeatability: "idempotent", lane: "deploy", what: "x", keys: [], collapseKey: null, body: Buffer.from("{}"), bodyHash: "h", operator: "ann", deadlineMs: nowMs + 9_000, runMs: 1, nowMs, idempotencyKey: null, requestHash: "r" } as const;
  await expect(store.call("submitCommand", order)).rejects.toMatchObject({ code: "SITE_WAITING", hint: expect.stringContaining("bowline approve bench") as string });
  await store.call("endSite", { id: "s_2", to: "denied", operator: "ann", nowMs });
  await expect(store.call("submitCommand", order)).rejects.toMatchObject({ code: "STATE_REFUSED", hint: expect.stringContaining("bowline site rm bench") as string });
});
