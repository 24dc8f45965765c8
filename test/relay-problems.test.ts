// What the API refuses, line by line: each answer is an RFC 9457 problem with our four parts, says which limit or field it was, and when to come back where that is known.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandView, Problem } from "../shared/api.ts";
import { Fault } from "../shared/kit/errors.ts";
import { ApiBench, type ApiAnswer, type Asking } from "./kit/api-bench.ts";
import { dayMs } from "./kit/relay-store.ts";

const apply = { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }], forceConflicts: false };
const order = { site: "anvil", spec: apply };
let bench: ApiBench;

beforeEach(async () => {
  bench = await ApiBench.open({ commands: 3, octets: 1_000 });
});
afterEach(() => bench.close());

function expectProblem({ status, type, body }: ApiAnswer<Problem>, wanted: { readonly status: number; readonly code: string; readonly says: RegExp }): void {
  expect([status, type, body.code]).toEqual([wanted.status, "application/problem+json", wanted.code]);
  expect([body.type, body.status]).toEqual([`urn:bowline:fault:${wanted.code}`, status]);
  expect(`${body.title}: ${body.detail}`).toMatch(wanted.says);
  expect([body.title, body.detail, body.hint].map((part) => part.length > 3)).toEqual([true, true, true]);
}

describe("a refusal is a problem with all four parts:", () => {
  test.each<[string, string, Asking, number, string, RegExp]>([
    ["GET", "/nothing", {}, 404, "NOT_FOUND", /nothing at \/api\/v1\/nothing/],
    ["DELETE", "/commands", {}, 405, "METHOD_REFUSED", /takes GET, POST/],
    ["GET", "/%zz", {}, 404, "NOT_FOUND", /nothing at/],
    ["GET", "/commands/%zz", {}, 400, "USAGE", /not well encoded/],
    ["GET", "/commands", { token: "" }, 401, "TOKEN_UNKNOWN", /no operator token/],
    ["GET", "/commands", { token: "wrong" }, 401, "TOKEN_UNKNOWN", /token/],
    ["POST", "/commands", { body: "{" }, 400, "USAGE", /not JSON/],
    ["POST", "/commands", { body: [] }, 400, "USAGE", /not a JSON object/],
    ["POST", "/commands", { body: `{"a":"${"x".repeat(8 * 1_048_576)}"}` }, 413, "BODY_TOO_LARGE", /at most 8192 KiB/],
    ["POST", "/commands", { body: { ...order, spec: { ...apply, objects: [{ ...apply.objects[0], text: "x".repeat(4 * 1_048_576) }] } } }, 413, "BODY_TOO_LARGE", /at most 4 MiB go into one/],
    ["POST", "/commands", { body: { spec: apply } }, 422, "COMMAND_INVALID", /"site".*1 to 63/],
    ["POST", "/commands", { body: { site: "nowhere", spec: apply } }, 404, "SITE_UNKNOWN", /no site "nowhere"/],
    ["POST", "/commands", { body: { site: "anvil" } }, 422, "COMMAND_INVALID", /"spec"/],
    ["POST", "/commands", { body: { site: "anvil", spec: { kind: "frob" } } }, 422, "COMMAND_INVALID", /"frob".*apply, .*job/],
    ["POST", "/commands", { body: { ...order, expiresInMs: 0 } }, 422, "COMMAND_INVALID", /"expiresInMs".*above 0/],
    ["POST", "/commands", { body: { ...order, expiresInMs: -1 } }, 422, "COMMAND_INVALID", /"expiresInMs".*above 0/],
    ["POST", "/commands", { body: { ...order, expiresInMs: "7d" } }, 422, "COMMAND_INVALID", /"expiresInMs".*milliseconds/],
    ["POST", "/commands", { body: { ...order, expiresInMs: 31 * dayMs } }, 400, "USAGE", /at most|30 days/],
    ["POST", "/commands", { body: { ...order, orderingKey: "a\u0007b" } }, 422, "COMMAND_INVALID", /"orderingKey".*control character/],
    ["POST", "/commands", { body: { ...order, orderingKey: "" } }, 422, "COMMAND_INVALID", /"orderingKey".*1 to 200/],
    ["POST", "/commands", { body: { ...order, collapseKey: "x\ny" } }, 422, "COMMAND_INVALID", /"collapseKey".*control character/],
    ["POST", "/commands", { body: { ...order, live: "yes" } }, 422, "COMMAND_INVALID", /"live"/],
    ["POST", "/commands", { body: order, key: "k".repeat(201) }, 400, "USAGE", /Idempotency-Key.*1 to 200/],
    ["GET", "/commands/nothing", {}, 404, "COMMAND_UNKNOWN", /no command nothing/],
    ["POST", "/commands/nothing/cancel", { body: {} }, 404, "COMMAND_UNKNOWN", /no command nothing/],
    ["GET", "/sites/nowhere", {}, 404, "SITE_UNKNOWN", /no site "nowhere"/],
    ["GET", "/sites?selector=(", {}, 400, "USAGE", /not a label selector/],
  ])("%s %s (%#)", async (method, path, asking, status, code, says) => {
    expectProblem(await bench.ask<Problem>(method, path, asking), { status, code, says });
    expect(await bench.relay.rows("SELECT id FROM commands")).toEqual([]);
  });
});

test("an order without a deadline has one of seven days", async () => {
  const { body } = await bench.ask<CommandView>("POST", "/commands", { body: order });
  expect(Date.parse(body.deadline) - Date.parse(body.asked)).toBe(7 * dayMs);
});

describe("a full queue", () => {
  test("of commands says its quota, what fills it, and when to try again: soon while the site is linked", async () => {
    for (const [id, kind, key] of [["a", "job", "x"], ["b", "apply", "x"], ["c", "job", "y"]] as const) await bench.relay.submit(id, { kind, keys: [{ key, isOwn: true }] });
    const away = await bench.ask<Problem>("POST", "/commands", { body: order });
    expectProblem(away, { status: 429, code: "QUEUE_FULL", says: /queue of anvil is full: 3 commands are open, 3 may be; by kind: job 2, apply 1; by key: x 2, y 1/ });
    expect([away.headers.get("retry-after"), away.body.facts]).toEqual(["300", { site: "anvil", quota: "commands", used: 3, max: 3, retryAfterS: 300 }]);
    await bench.relay.link();
    expect((await bench.ask("POST", "/commands", { body: order })).headers.get("retry-after")).toBe("10");
  });

  test("of octets says so", async () => {
    await bench.relay.submit("a", { body: Buffer.alloc(950) });
    const answer = await bench.ask<Problem>("POST", "/commands", { body: order });
    expectProblem(answer, { status: 429, code: "QUEUE_FULL", says: /may be held/ });
    expect(answer.body.facts).toMatchObject({ quota: "octets", used: 950, max: 1_000 });
  });
});

test.each(["cancel", "abandon"])("%s of what has ended is refused with its outcome", async (verb) => {
  const { fence } = await bench.relay.link();
  await bench.relay.bring(fence, "a", "running");
  await bench.relay.result(fence, "a", "failed");
  expectProblem(await bench.ask<Problem>("POST", `/commands/a/${verb}`, { body: {} }), { status: 409, code: "STATE_REFUSED", says: /it has ended: failed: it failed/ });
});

test("a disk that fails in the middle of an order leaves the caller with the command's name", async () => {
  bench.instead = (name) => (name === "submitCommand" ? Promise.reject(new Fault("STORE_FAILED", { what: "the database could not be written", why: "I/O error" })) : null);
  const answer = await bench.ask<Problem>("POST", "/commands", { body: order, key: "k" });
  expectProblem(answer, { status: 503, code: "STORE_FAILED", says: /whether the order was taken is not known/ });
  bench.instead = () => null;
  const taken = await bench.ask<{ id: string }>("POST", "/commands", { body: order, key: "k" });
  expect([answer.body.facts, taken.status]).toEqual([{ command: taken.body.id }, 202]);
});

test("a full disk refuses orders with 507, and reads still work", async () => {
  await bench.relay.submit("a");
  bench.instead = (name) => (name === "submitCommand" ? Promise.reject(new Fault("DISK_FULL", { what: "the disk is full", why: "the database could not grow", hint: "free some space" })) : null);
  expectProblem(await bench.ask<Problem>("POST", "/commands", { body: order }), { status: 507, code: "DISK_FULL", says: /disk is full/ });
  expect([(await bench.ask("GET", "/commands")).status, (await bench.ask("GET", "/commands/a")).status, (await bench.ask("GET", "/sites/anvil")).status]).toEqual([200, 200, 200]);
});
