// Watching commands: every change is told once it is committed, to whom it concerns, from any place on, over HTTP/1.1 and HTTP/2; who is slow, unknown by now, or watches
// a relay that ends hears why and can come back; and nobody asks the store while nobody watches.
import { connect } from "node:http2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tokenHash } from "../relay/http/auth.ts";
import type { CommandResults, CommandView, Listing, Problem } from "../shared/api.ts";
import { Fault } from "../shared/kit/errors.ts";
import { ApiBench } from "./kit/api-bench.ts";

let bench: ApiBench;
let fence: number;
const readers: AbortController[] = [];

beforeEach(async () => {
  bench = await ApiBench.open();
  await bench.relay.approve("s_north", "north", { ring: "canary" });
  ({ fence } = await bench.relay.link());
});
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.abort();
  await bench.close();
});

interface Watching {
  /** All that came so far. */
  readonly text: () => string;
  readonly ended: Promise<void>;
  readonly stop: () => void;
}

async function watch(query = "", headers: Readonly<Record<string, string>> = {}): Promise<Watching> {
  const abort = new AbortController();
  readers.push(abort);
  const answer = await fetch(`${bench.origin}/api/v1/commands?watch=1${query}`, { headers: { authorization: `Bearer ${bench.token}`, ...headers }, signal: abort.signal });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  let text = "";
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of answer.body! as unknown as AsyncIterable<Uint8Array>) text += decoder.decode(chunk);
  })().catch(() => {});
  return { text: () => text, ended, stop: () => abort.abort() };
}

const commandsIn = (text: string): string[] => [...text.matchAll(/event: command\ndata: (.*)\n/g)].map(([, json]) => JSON.parse(json!) as CommandView).map(({ id, state }) => `${id} ${state}`);
const lastId = (text: string): string => [...text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;
/** Time goes on until it is so. */
const until = (reached: () => boolean): Promise<void> => expect.poll(async () => { await bench.clock.run(400, 4); return reached(); }, { timeout: 10_000, interval: 5 }).toBe(true);

test("each change is told as it is committed, with the id to go on from", async () => {
  const { text } = await watch();
  await bench.relay.submit("a");
  await until(() => commandsIn(text()).length === 1);
  await bench.relay.leased(fence);
  await until(() => commandsIn(text()).length === 2);
  await bench.relay.result(fence, "a");
  await until(() => commandsIn(text()).length === 3);
  expect(commandsIn(text())).toEqual(["a queued", "a offered", "a succeeded"]);
  expect(text()).toMatch(/^retry: \d+\nid: \d+\.\d+\n\nid: \d+\.\d+\nevent: command\ndata: /);
});

test("every step that moves a command is a change, also the end of its site", async () => {
  const before = async (): Promise<number> => (await bench.relay.store.call("changeHead", null)).change;
  const steps: [string, () => Promise<unknown>][] = [
    ["accept", () => bench.relay.submit("a", { collapseKey: "c", deadlineMs: bench.relay.nowMs + 1_000 })],
    ["supersede", () => bench.relay.submit("b", { collapseKey: "c" })],
    ["offer", () => bench.relay.leased(fence)],
    ["receipt", () => bench.relay.settle(fence, "b")],
    ["claim", () => bench.relay.claim(fence, "b")],
    ["cancel asked", () => bench.relay.store.call("cancelCommand", { id: "b", operator: "ann", nowMs: bench.relay.nowMs })],
    ["lost disk", () => bench.relay.link({ agentEpoch: "e-2" })],
    ["revoke", () => bench.relay.store.call("endSite", { id: bench.relay.site, to: "revoked", operator: "ann", nowMs: bench.relay.nowMs })],
  ];
  for (const [name, step] of steps) {
    const change = await before();
    await step();
    expect(await before(), name).toBeGreaterThan(change);
  }
  const rows = await bench.relay.store.call("changedCommands", { after: 0, limit: 10 });
  expect(rows.map(({ id, state }) => `${id} ${state}`)).toEqual(["a superseded", "b abandoned"]);
});

test("who comes back with the last id hears what was missed, once; a list and an order say from where to watch as well", async () => {
  const first = await watch();
  await bench.relay.submit("a");
  await until(() => commandsIn(first.text()).length === 1);
  first.stop();
  await bench.relay.submit("b");
  const again = await watch("", { "last-event-id": lastId(first.text()) });
  await until(() => commandsIn(again.text()).length === 1);
  expect(commandsIn(again.text())).toEqual(["b queued"]);

  const list = (await bench.ask<Listing<CommandView>>("GET", "/commands")).body;
  const spec = { kind: "restart", object: { apiVersion: "apps/v1", kind: "Deployment", name: "web" } };
  const { body } = await bench.ask<CommandResults>("POST", "/commands", { body: { spec, all: true } });
  for (const since of [list.watch!, body.watch]) {
    const watching = await watch(`&since=${since}`);
    await until(() => commandsIn(watching.text()).length === 2);
  }
  const own = await watch(`&since=${list.items[1]!.watch}`);
  await until(() => commandsIn(own.text()).length === 3);
});

test("a filter tells only of its site, its labels, its state, and its id goes on all the same", async () => {
  const [north, ring, queued] = [await watch("&site=north"), await watch("&selector=ring%3Dcanary"), await watch("&state=queued")];
  await bench.relay.submit("a");
  await bench.relay.submit("n", { siteName: "north" });
  await until(() => commandsIn(queued.text()).length === 2);
  await until(() => [north, ring].every(({ text }) => commandsIn(text()).length === 1));
  expect([commandsIn(north.text()), commandsIn(ring.text())]).toEqual([["n queued"], ["n queued"]]);
  await bench.relay.leased(fence);
  await bench.clock.run(16_000, 90);
  await until(() => lastId(north.text()) === lastId(queued.text()) && lastId(north.text()) !== "1.2");
  expect(commandsIn(queued.text())).toEqual(["a queued", "n queued"]);
});

test("more than is read at once comes whole, in order", async () => {
  const watching = await watch();
  await bench.relay.inOneGroup(Array.from({ length: 130 }, (_value, index) => ({ name: "submitCommand" as const, args: bench.relay.command(`c${index}`) })));
  await until(() => commandsIn(watching.text()).length === 130);
  expect(commandsIn(watching.text())).toEqual(Array.from({ length: 130 }, (_value, index) => `c${index} queued`));
});

describe("a watch ends with its reason", () => {
  const endOf = ({ text }: Watching): Problem => JSON.parse(/event: end\ndata: (.*)\n/.exec(text())![1]!) as Problem;

  test("when the relay shuts down, and nobody is taken any more", async () => {
    const watching = await watch();
    await bench.watch.drain(new Fault("DRAINING", { what: "the relay is shutting down" }));
    await watching.ended;
    expect([endOf(watching).code, bench.watch.watchers]).toEqual(["DRAINING", 0]);
    expect((await bench.ask<Problem>("GET", "/commands?watch=1")).body.code).toBe("DRAINING");
  });

  test("when its login is over", async () => {
    const watching = await watch();
    await bench.relay.store.call("revokeOperatorToken", { hash: tokenHash(bench.token), nowMs: bench.relay.nowMs });
    await until(() => watching.text().includes("event: end"));
    await watching.ended;
    expect(endOf(watching)).toMatchObject({ code: "TOKEN_REVOKED", status: 401 });
  });

  test("when the relay is put back from a copy: its numbers mean something else", async () => {
    const watching = await watch();
    await bench.relay.link({ given: { relayEpoch: 3, fence: 0, order: 0, trustVersion: 1 } }); // what a site has from it shows it
    await until(() => watching.text().includes("event: end"));
    expect(endOf(watching)).toMatchObject({ code: "CONFLICT", hint: "list again, and watch from there" });
    expect((await bench.ask<Problem>("GET", "/commands?watch=1&since=1.0")).status).toBe(409);
  });

  test("when nothing of it is read: it holds no more here than its socket, and goes on later from where it was", async () => {
    const abort = new AbortController();
    readers.push(abort);
    const answer = await fetch(`${bench.origin}/api/v1/commands?watch=1`, { headers: { authorization: `Bearer ${bench.token}` }, signal: abort.signal });
    const reader = answer.body!.getReader();
    await reader.read();
    const what = "w".repeat(200_000);
    for (let index = 0; index < 120; index += 1) await bench.relay.submit(`c${index}`, { what });
    await expect.poll(async () => { await bench.clock.run(3_000, 10); return bench.watch.watchers; }, { timeout: 15_000, interval: 5 }).toBe(0);
    let text = "";
    const decoder = new TextDecoder();
    for (let part = await reader.read().catch(() => ({ done: true, value: undefined })); !part.done; part = await reader.read().catch(() => ({ done: true, value: undefined }))) text += decoder.decode(part.value);
    const seen = commandsIn(text.slice(0, text.lastIndexOf("\n\n") + 2)).length;
    expect(seen).toBeLessThan(120);
    const again = await watch(`&since=${lastId(text.slice(0, text.lastIndexOf("\n\n")))}`);
    await until(() => commandsIn(again.text()).length === 120 - seen);
  }, 60_000);
});

test.each([
  ["&since=7", 400, "USAGE"],
  ["&since=1.x", 400, "USAGE"],
  ["&since=1.999999", 409, "CONFLICT"],
  ["&site=nowhere", 404, "SITE_UNKNOWN"],
  ["&state=frob", 400, "USAGE"],
  ["&selector=(", 400, "USAGE"],
])("a watch with %s is refused before it begins", async (query, status, code) => {
  const { body, type } = await bench.ask<Problem>("GET", `/commands?watch=1${query}`);
  expect([body.status, body.code, type]).toEqual([status, code, "application/problem+json"]);
});

test("only so many may watch", async () => {
  const all = await Promise.all(Array.from({ length: 200 }, () => watch()));
  expect((await bench.ask<Problem>("GET", "/commands?watch=1")).body).toMatchObject({ code: "TOO_MANY", status: 429 });
  for (const { stop } of all) stop();
  await expect.poll(() => bench.watch.watchers, { timeout: 10_000 }).toBe(0);
}, 30_000);

test("the store is asked while somebody watches, and not before or after", async () => {
  let looks = 0;
  bench.instead = (name) => ((looks += name === "changeHead" ? 1 : 0), null);
  await bench.clock.run(2_000);
  expect([looks, bench.clock.timers]).toEqual([0, 0]);
  const watching = await watch();
  await until(() => looks > 3);
  watching.stop();
  await expect.poll(() => bench.watch.watchers, { timeout: 10_000 }).toBe(0);
  await until(() => bench.clock.timers === 0);
  const last = looks;
  await bench.clock.run(2_000);
  expect(looks).toBe(last);
});

test("over HTTP/2 it is the same", async () => {
  const client = connect(await bench.http2());
  const stream = client.request({ ":path": "/api/v1/commands?watch=1", authorization: `Bearer ${bench.token}` });
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await expect.poll(() => bench.watch.watchers, { timeout: 10_000 }).toBe(1);
  await bench.relay.submit("a");
  await until(() => commandsIn(text).length === 1);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  await bench.watch.drain(new Fault("DRAINING", { what: "the relay is shutting down" }));
  await closed;
  expect(text).toMatch(/event: end\ndata: .*DRAINING/);
  client.destroy();
});
