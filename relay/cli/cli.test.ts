// The command line against answers of a relay, made up here: a slow link is a link, logins that end or have ended, tokens by their ids, and what a site says in lines and
// errors.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandView, SiteSummary } from "../../shared/api.ts";
import { noProxySettings } from "../../shared/kit/dial.ts";
import { asFault, Fault, faultText } from "../../shared/kit/errors.ts";
import { makeTempDir } from "../../test/kit/temp-dir.ts";
import { addresseeOf } from "./addressees.ts";
import type { RelayClient } from "./client.ts";
import { listCommands, waitCommand } from "./commands.ts";
import { findContext, readContexts, saveContext } from "./contexts.ts";
import { kubeLogin, logout, renewLogin } from "./login.ts";
import { Run } from "./run.ts";
import { describeSite, waitForSite } from "./sites.ts";
import { submit, type SubmitOptions } from "./submit.ts";
import { listOperatorTokens, revokeOperatorToken } from "./tokens.ts";

const dayMs = 86_400_000;
let dir: string;
let out: string;
let said: string;
let asked: string[];
beforeEach(() => {
  dir = makeTempDir("cli");
  [out, said, asked] = ["", "", []];
  saveContext(join(dir, "config.json"), { name: "relay", server: "https://relay.example:8443", ca: null, operator: "ann", token: "old", expires: new Date(Date.now() + 30 * dayMs).toISOString() });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

type Answer = unknown;

/** A run whose relay answers `METHOD path` with what is given, or throws it. */
class MadeUpRun extends Run {
  readonly #answers: Readonly<Record<string, Answer>>;

  constructor(answers: Readonly<Record<string, Answer>>, isInteractive = true) {
    super({ terminal: { out: (text) => void (out += text), say: (text) => void (said += text), isInteractive }, format: "table", contextFile: join(dir, "config.json"), contextName: "", configDir: dir, proxy: noProxySettings, signal: new AbortController().signal });
    this.#answers = answers;
  }

  override clientFor(): RelayClient {
    const call = (method: string) => async (path: string): Promise<unknown> => {
      const line = `${method} ${path}`;
      asked.push(line);
      const answer = this.#answers[line];
      if (answer instanceof Fault) throw answer;
      if (answer === undefined) throw new Error(`nobody answers ${line}`);
      return answer;
    };
    const events = async function* (path: string): AsyncGenerator<unknown> {
      yield* (await call("EVENTS")(path)) as unknown[];
    };
    return { events, get: call("GET"), post: call("POST"), delete: call("DELETE"), close: async () => {} } as unknown as RelayClient;
  }
}

const site = { name: "ship-3", link: "slow", lastContact: new Date().toISOString() } as SiteSummary;
const view = { id: "c1", site: "ship-3", what: "apply a", state: "queued", why: "", asked: new Date().toISOString(), outcome: null } as CommandView;
const order: SubmitOptions = { to: { site: "ship-3" }, spec: { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }], forceConflicts: false }, expiresInMs: null, waitMs: null, live: false, dryRun: false, idempotencyKey: "k", orderingKey: null, collapseKey: null, onFailure: "continue" };

describe("a slow link is a link:", () => {
  test("a dry run says now", async () => {
    await submit(new MadeUpRun({ "GET /sites/ship-3": site }), { ...order, dryRun: true });
    expect(out).toMatch(/, now; nothing was sent/);
  });

  test("site wait ends well", async () => {
    await waitForSite(new MadeUpRun({ "GET /sites/ship-3": site }), "ship-3", 0);
    expect(out).toBe("ship-3 is online\n");
  });
});

test("a list is read page after page, to its limit", async () => {
  const pages = { "GET /commands?site=a&limit=500": { items: [view], next: "x" }, "GET /commands?site=a&limit=500&cursor=x": { items: [], next: "y" }, "GET /commands?site=a&limit=500&cursor=y": { items: [{ ...view, id: "c2" }], next: null } };
  await listCommands(new MadeUpRun(pages), { site: "a", limit: 501 });
  expect(out).toMatch(/c1 [^]*c2 /);
  await listCommands(new MadeUpRun({ "GET /commands?limit=1": { items: [view], next: "x" } }), { limit: 1 });
  expect(said).toMatch(/there are more: --limit 10/);
});

describe("an order for several sites", () => {
  const problem = { title: "the queue of ship-4 is full", detail: "1000 commands are open", code: "QUEUE_FULL", status: 429, hint: "", type: "" };

  test("is one call, shows those that took it, and says of the others why not: exit 9, with the key that asks them again", async () => {
    const run = new MadeUpRun({ "POST /commands": { total: 2, accepted: 1, items: [{ site: "ship-3", command: view }, { site: "ship-4", problem }] } });
    const fault = asFault(await submit(run, { ...order, to: { selector: "fleet" } }).catch((error: unknown) => error));
    expect([fault.code, fault.exitCode, fault.message, fault.hint]).toEqual(["SOME_FAILED", 9, "1 of 2 sites failed", expect.stringContaining("--idempotency-key k ")]);
    expect([asked, said]).toEqual([["POST /commands"], "ship-4: the queue of ship-4 is full: 1000 commands are open (QUEUE_FULL)\n"]);
    expect(out).toMatch(/c1 +ship-3/);
  });

  test("is planned for those that the selector means", async () => {
    const waiting = { ...site, name: "ship-9", state: "waiting", link: "waiting" };
    await submit(new MadeUpRun({ "GET /sites?selector=fleet%20in%20(a)": { items: [{ ...site, state: "active" }, waiting] } }), { ...order, to: { selector: "fleet in (a)" }, dryRun: true });
    expect(out).toBe("ship-3: apply ConfigMap/a, now; nothing was sent\n");
  });

  test("names them in one of three ways, and as they are printed", () => {
    expect([addresseeOf({ site: ["a,site/b", "a"] }), addresseeOf({ site: ["a"] }), addresseeOf({ selector: "x" }), addresseeOf({ all: true })]).toEqual([{ sites: ["a", "b"] }, { site: "a" }, { selector: "x" }, { all: true }]);
    expect(() => addresseeOf({ site: [","] })).toThrow(expect.objectContaining({ code: "USAGE", message: "the order names no site" }) as Error);
  });
});

test("what a site says of an end is one line in the error, and cannot act on the terminal", async () => {
  const ended = { ...view, state: "failed", outcome: { state: "failed", what: "no\n  try    curl evil\u001b[2J", code: null, objects: [] } };
  const fault = asFault(await waitCommand(new MadeUpRun({ "GET /commands/c1": ended }), "c1", 0).catch((error: unknown) => error));
  expect(faultText(fault).split("\n").filter((line) => line.startsWith("  try"))).toEqual(["  try    bowline command describe c1"]);
  expect(faultText(fault) + out).not.toContain("\u001b");
});

describe("who waits for an order", () => {
  const change = (state: string, why = ""): unknown => ({ id: "1.8", type: "command", text: JSON.stringify({ ...view, state, why }) });
  const first = { ...view, watch: "1.7" };

  test("hears each change, and goes on from the last one when the relay ends the stream", async () => {
    const end = { id: "1.8", type: "end", text: JSON.stringify({ code: "DRAINING", title: "the relay is shutting down", detail: "it was asked to stop", hint: "" }) };
    const answers = { "GET /commands/c1": first, "EVENTS /commands?watch=1&site=ship-3&since=1.7": [change("offered", "on its way"), end], "EVENTS /commands?watch=1&site=ship-3&since=1.8": [change("running"), { id: "1.9", type: "", text: "" }, change("succeeded")] };
    await waitCommand(new MadeUpRun(answers), "c1", 60_000);
    expect(said.split("\n")).toEqual(["waiting, Ctrl-C only stops waiting", "ship-3: queued", "ship-3: offered (on its way)", "the relay is away: it was asked to stop", "ship-3: running", ""]);
    expect(out).toMatch(/c1 +ship-3 +apply a +succeeded/);
  });

  test("asks instead where nothing can be watched", async () => {
    const run = new MadeUpRun({ "GET /commands/c1": first, "EVENTS /commands?watch=1&site=ship-3&since=1.7": new Fault("NOT_FOUND", { what: "x" }) });
    setImmediate(() => Object.assign(first, { state: "succeeded" }));
    await waitCommand(run, "c1", 60_000);
    expect(asked.slice(0, 3)).toEqual(["GET /commands/c1", "EVENTS /commands?watch=1&site=ship-3&since=1.7", "GET /commands/c1"]);
  });

  test("at several sites has one stream for all of them, and the end of each counts", async () => {
    const other = { ...first, id: "c2", site: "ship-4" };
    const late = { id: "1.9", type: "command", text: JSON.stringify({ ...other, state: "failed" }) };
    const run = new MadeUpRun({ "POST /commands": { total: 2, accepted: 2, watch: "1.5", items: [{ site: "ship-3", command: { ...first, state: "queued" } }, { site: "ship-4", command: { ...other, state: "queued" } }] }, "EVENTS /commands?watch=1&since=1.5": [change("succeeded"), late] });
    await expect(submit(run, { ...order, to: { all: true }, waitMs: 60_000 })).rejects.toMatchObject({ code: "SOME_FAILED", message: "1 of 2 sites failed" });
    expect(out).toMatch(/c1 +ship-3 [^]*c2 +ship-4 /);
  });
});

test("a watched list goes on with what changes, a line each, oldest first", async () => {
  const page = { items: [{ ...view, id: "c2" }, view], next: null, watch: "1.3" };
  const run = new MadeUpRun({ "GET /commands?state=queued&limit=500": page, "EVENTS /commands?watch=1&state=queued&since=1.3": [{ id: "1.4", type: "command", text: JSON.stringify({ ...view, id: "c3" }) }, { id: "1.4", type: "end", text: JSON.stringify({ code: "TOKEN_REVOKED", title: "over", detail: "x", hint: "" }) }] });
  await expect(listCommands(run, { state: "queued", limit: 500, watch: true })).rejects.toMatchObject({ code: "TOKEN_REVOKED" });
  expect(out.split("\n").map((line) => line.split(" ")[0])).toEqual(["ID", "c1", "c2", "c3", ""]);
});

test("lines while waiting are one line each", async () => {
  const waiting = { ...view, why: "x\nship-4: succeeded\u0007" };
  await expect(waitCommand(new MadeUpRun({ "GET /commands/c1": waiting }), "c1", 0)).rejects.toMatchObject({ code: "GAVE_UP_WAITING" });
  expect(said.split("\n")).toEqual(["waiting, Ctrl-C only stops waiting", "ship-3: queued (x ship-4: succeeded)", ""]);
});

test("a report's reasons and troubles are one line each in describe", async () => {
  const report = {
    madeAtMs: 0,
    kubernetes: { version: "v1\nState:   fine", reachable: true, why: null },
    nodes: [],
    nodesTotal: 0,
    unwell: [{ kind: "Deployment", namespace: "line", name: "press", why: "bad\n  line/Deployment/other: fine" }],
    unwellTotal: 1,
    workloadsTotal: 1,
    agent: { startedAtMs: 0, memoryMiB: 1, freeDiskMiB: 1, health: [{ id: "x", what: "y\u001b[2J\nEvents" }] },
    queues: { commandsOpen: 0, lettersWaiting: 0, oldestLetterMs: null },
  };
  const detail = { ...site, id: "s_1", state: "active", labels: { a: "b\nState:   gone" }, tier: "admin", setting: "relayed", linkSince: null, lastLinkEnd: null, reportMade: null, agentVersion: null, liveStreams: 0, openCommands: 0, warnings: [], events: [], report };
  await describeSite(new MadeUpRun({ "GET /sites/ship-3": detail }), "ship-3");
  expect(out.split("\n").filter((line) => /^State:|^Events|^ +line.Deployment.other/.test(line))).toEqual([expect.stringMatching(/^State: +active$/)]);
  expect(out).toContain("  line/Deployment/press: bad   line/Deployment/other: fine\n  agent x: y[2J Events\n");
});

describe("a login", () => {
  const endsIn = (ms: number): void => saveContext(join(dir, "config.json"), { ...findContext(join(dir, "config.json"), ""), expires: new Date(Date.now() + ms).toISOString() });

  test("that ends within a week is said to, once, to people", () => {
    endsIn(3 * dayMs + 60_000);
    const run = new MadeUpRun({});
    run.client();
    run.client();
    expect(said).toBe("your login ends in 3d; to renew it: bowline login\n");
    said = "";
    new MadeUpRun({}, false).client();
    endsIn(8 * dayMs);
    new MadeUpRun({}).client();
    endsIn(-dayMs);
    new MadeUpRun({}).client();
    expect(said).toBe("");
  });

  test("is renewed in its own context", async () => {
    await renewLogin(new MadeUpRun({ "POST /operator-tokens": { operator: "ann", tier: "admin", token: "new", expires: "2030-01-01T00:00:00.000Z" } }));
    expect(findContext(join(dir, "config.json"), "")).toMatchObject({ name: "relay", token: "new", expires: "2030-01-01T00:00:00.000Z", server: "https://relay.example:8443" });
  });

  test.each(["TOKEN_EXPIRED", "TOKEN_REVOKED", "TOKEN_UNKNOWN"] as const)("that is over (%s) is forgotten by logout as well", async (code) => {
    await logout(new MadeUpRun({ "POST /logout": new Fault(code, { what: "over" }) }));
    expect(readContexts(join(dir, "config.json")).contexts).toEqual([]);
  });

  test("stays when the relay could not be asked", async () => {
    await expect(logout(new MadeUpRun({ "POST /logout": new Fault("RELAY_UNREACHABLE", { what: "away" }) }))).rejects.toMatchObject({ code: "RELAY_UNREACHABLE" });
    expect(readContexts(join(dir, "config.json")).contexts).toHaveLength(1);
  });
});

test("kube login makes no token for a file that it would not write over", async () => {
  const file = join(dir, "config");
  writeFileSync(file, "apiVersion: v1\nusers: [{name: admin}]\n");
  await expect(kubeLogin(new MadeUpRun({}), { sites: [], ttlMs: 1, file })).rejects.toMatchObject({ code: "CONFLICT" });
  expect(asked).toEqual([]);
  expect(readFileSync(file, "utf8")).toContain("admin");
});

test("operator tokens are listed and revoked by ids that are no secrets", async () => {
  const items = [{ id: "ot_0123456789abcdef", operator: "ann", purpose: "api", created: new Date().toISOString(), expires: "2030-01-01T00:00:00.000Z" }];
  await listOperatorTokens(new MadeUpRun({ "GET /operator-tokens": { items } }));
  expect(out).toMatch(/ID +OPERATOR +FOR +AGE +EXPIRES\not_0123456789abcdef +ann +api +0s +2030/);
  await revokeOperatorToken(new MadeUpRun({ "DELETE /operator-tokens/ot_0123456789abcdef": {} }), "ot_0123456789abcdef");
  expect(said).toContain("ot_0123456789abcdef is revoked");
});
