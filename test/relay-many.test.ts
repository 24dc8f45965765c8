// One order for many sites, over the API: an answer for each of them, who is meant by a selector and who by a retry, what a crash in between leaves, and that ten
// thousand sites do not stand in anybody's way.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandResults, CommandView, Problem } from "../shared/api.ts";
import { Fault } from "../shared/kit/errors.ts";
import { ApiBench, type ApiAnswer, type Asking } from "./kit/api-bench.ts";

const spec = { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }], forceConflicts: false };
let bench: ApiBench;

beforeEach(async () => {
  bench = await ApiBench.open({ commands: 3, octets: 1_048_576 });
  for (const [name, ring] of [["north", "canary"], ["south", "wide"], ["west", "wide"]] as const) await bench.relay.approve(`s_${name}`, name, { ring });
});
afterEach(() => bench.close());

const post = <Body = CommandResults>(body: Record<string, unknown>, rest: Omit<Asking, "body"> = {}): Promise<ApiAnswer<Body>> => bench.ask<Body>("POST", "/commands", { body: { spec, ...body }, ...rest });
/** `site: state`, or `site: code`. */
const said = ({ body }: ApiAnswer<CommandResults>): string[] => body.items.map((item) => `${item.site}: ${"command" in item ? item.command.state : item.problem.code}`);
const ids = ({ body }: ApiAnswer<CommandResults>): string[] => body.items.flatMap((item) => ("command" in item ? [item.command.id] : []));
const count = async (): Promise<unknown> => (await bench.relay.rows("SELECT COUNT(*) AS n FROM commands"))[0]!["n"];
const fill = async (siteName: string): Promise<void> => {
  for (let index = 0; index < 3; index += 1) await bench.relay.submit(`${siteName}-${index}`, { siteName });
};

describe("the sites of an order are", () => {
  test("those that are named, each once, with an answer for each", async () => {
    const answer = await post({ sites: ["south", "north", "south"] });
    expect([answer.status, answer.body.total, answer.body.accepted, said(answer)]).toEqual([202, 2, 2, ["south: queued", "north: queued"]]);
  });

  test("those whose labels fit a selector, and all of them", async () => {
    expect(said(await post({ selector: "ring in (wide)" }))).toEqual(["south: queued", "west: queued"]);
    expect(said(await post({ all: true }))).toEqual(["anvil: queued", "north: queued", "south: queued", "west: queued"]);
  });

  test("approved ones: what an agent in the waiting room says of itself selects nothing", async () => {
    const { store, nowMs } = bench.relay;
    await store.call("putJoinToken", { id: "t", secret: Buffer.alloc(32), name: "sly", labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs, expiresMs: nowMs + 1_000 });
    await store.call("joinSite", { token: "t", site: "s_sly", signKey: "k", boxKey: "b", name: "sly", labels: { ring: "wide" }, boot: "b", dial: 1, fence: 1, nowMs });
    expect(said(await post({ selector: "ring=wide" }))).toEqual(["south: queued", "west: queued"]);
    expect(said(await post({ sites: ["sly", "north"] }))).toEqual(["sly: SITE_WAITING", "north: queued"]);
  });

  test("never none: a selector that fits nothing accepts nothing", async () => {
    const answer = await post<Problem>({ selector: "ring=nowhere" }, { key: "k" });
    expect([answer.status, answer.body]).toEqual([404, expect.objectContaining({ code: "SITE_UNKNOWN", title: 'no site has labels that fit "ring=nowhere"', detail: expect.stringContaining("4 approved sites were looked at") as string })]);
    expect([await count(), await bench.relay.rows("SELECT * FROM command_keys")]).toEqual([0, []]);
  });

  test.each([
    [{ sites: [] }, 400, /not a list of names/],
    [{ sites: "north" }, 400, /not a list of names/],
    [{ sites: ["north", ""] }, 422, /sites\[1\]/],
    [{ selector: "ring=(" }, 400, /not a label selector/],
    [{ selector: "" }, 422, /selector/],
    [{ selector: "ring", all: true }, 400, /several ways/],
    [{ site: "north", sites: ["south"] }, 400, /several ways/],
    [{ all: false }, 400, /names no site/],
    [{ sites: Array.from({ length: 10_001 }, (_value, index) => `s${index}`) }, 413, /too many sites/],
  ])("refused whole when they are not well named: %j", async (body, status, title) => {
    const answer = await post<Problem>(body as Record<string, unknown>);
    expect([answer.status, answer.type, answer.body.title]).toEqual([status, "application/problem+json", expect.stringMatching(title)]);
    expect([answer.body.detail, answer.body.hint].includes("")).toBe(false);
    expect(await count()).toBe(0);
  });
});

describe("a site that does not take its part", () => {
  test("says why, beside those that do: 207", async () => {
    await fill("south");
    const answer = await post({ sites: ["north", "south", "nowhere"] });
    expect([answer.status, answer.body.accepted, said(answer)]).toEqual([207, 1, ["north: queued", "south: QUEUE_FULL", "nowhere: SITE_UNKNOWN"]]);
    expect(answer.body.items[1]).toMatchObject({ problem: { status: 429, facts: { quota: "commands", site: "south" } } });
  });

  test("is asked again by the same call with the same key, and the others are not", async () => {
    await fill("south");
    const first = await post({ selector: "ring" }, { key: "k" });
    expect(said(first)).toEqual(["north: queued", "south: QUEUE_FULL", "west: queued"]);
    await bench.relay.store.call("cancelCommand", { id: "south-0", operator: "ann", nowMs: bench.relay.nowMs });
    const again = await post({ selector: "ring" }, { key: "k" });
    expect([again.status, said(again)]).toEqual([202, ["north: queued", "south: queued", "west: queued"]]);
    expect(ids(again)).toEqual(expect.arrayContaining(ids(first)));
    expect(await count()).toBe(6);
  });

  test("because it is not linked, when the order is for now, has nothing stored", async () => {
    expect(said(await post({ sites: ["north", "south"], live: true }))).toEqual(["north: SITE_OFFLINE", "south: SITE_OFFLINE"]);
    const one = await post<Problem>({ site: "north", live: true });
    expect([one.status, one.body.code, await count()]).toEqual([503, "SITE_OFFLINE", 0]);
  });
});

describe("an Idempotency-Key over many sites", () => {
  test("keeps the list that was resolved: a site whose labels fit later is not meant, one that was renamed is", async () => {
    const first = await post({ selector: "ring=wide" }, { key: "k" });
    await bench.relay.approve("s_late", "late", { ring: "wide" });
    await bench.relay.rows("UPDATE sites SET name = 'southern', labels = '{}' WHERE name = 'south'");
    const again = await post({ selector: "ring=wide" }, { key: "k" });
    expect(ids(again)).toEqual(ids(first));
    expect(again.body.items.map((item) => "command" in item && item.command.site)).toEqual(["southern", "west"]);
    expect(await count()).toBe(2);
  });

  test("with another request is a conflict that names the first command", async () => {
    const first = await post({ selector: "ring=wide" }, { key: "k" });
    for (const body of [{ selector: "ring" }, { sites: ["south", "west"] }, { site: "south" }, { selector: "ring=wide", expiresInMs: 1_000 }]) {
      const other = await post<Problem>(body, { key: "k" });
      expect([other.status, other.body.code, other.body.detail]).toEqual([409, "CONFLICT", `it belongs to an order for 2 sites, the first of them command ${ids(first)[0]}`]);
    }
    const one = await post<CommandView>({ site: "north" }, { key: "one" });
    expect((await post<Problem>({ sites: ["north"] }, { key: "one" })).body.detail).toBe(`it belongs to command ${one.body.id}`);
  });

  test("gives each site the command that a call for it alone would have had under that key", async () => {
    const [id] = ids(await post({ sites: ["north"] }, { key: "k" }));
    await bench.relay.rows("DELETE FROM command_keys");
    await bench.relay.rows("DELETE FROM outbox");
    await bench.relay.rows("DELETE FROM command_targets");
    await bench.relay.rows("DELETE FROM commands");
    expect((await post<CommandView>({ site: "north" }, { key: "k" })).body.id).toBe(id);
  });

  test("completes after a crash what was written down and not given, with the first call's deadline", async () => {
    let left = 1;
    bench.instead = (name) => (name === "submitOnce" && (left -= 1) < 0 ? new Promise<never>(() => {}) : null);
    void post({ selector: "ring", expiresInMs: 3_600_000 }, { key: "k" }).catch(() => {}); // its relay dies before it answers
    await expect.poll(count, { timeout: 10_000 }).toBe(1);
    bench.instead = () => null;
    bench.advance(60_000);
    const again = await post({ selector: "ring", expiresInMs: 3_600_000 }, { key: "k" });
    expect([again.status, said(again), await count()]).toEqual([202, ["north: queued", "south: queued", "west: queued"], 3]);
    expect(new Set(again.body.items.map((item) => "command" in item && item.command.deadline)).size).toBe(1);
  });

  test("that comes back after the deadline gives nothing anew", async () => {
    await fill("south");
    await post({ selector: "ring", expiresInMs: 60_000 }, { key: "k" });
    bench.advance(61_000);
    expect(said(await post({ selector: "ring", expiresInMs: 60_000 }, { key: "k" }))).toEqual(["north: queued", "south: STATE_REFUSED", "west: queued"]);
  });
});

describe("a store that fails", () => {
  const failAfter = (calls: number): void => {
    let left = calls;
    bench.instead = (name) => (name === "submitOnce" && (left -= 1) < 0 ? Promise.reject(new Fault("DISK_FULL", { what: "the disk is full" })) : null);
  };

  test("at the first site is the answer", async () => {
    failAfter(0);
    const none = await post<Problem>({ all: true });
    expect([none.status, none.body.code]).toEqual([507, "DISK_FULL"]);
  });

  test("in between leaves each site with its own answer, and the same call again completes it", async () => {
    failAfter(2);
    expect(said(await post({ all: true }, { key: "k" }))).toEqual(["anvil: queued", "north: queued", "south: DISK_FULL", "west: DISK_FULL"]);
    bench.instead = () => null;
    expect((await post({ all: true }, { key: "k" })).status).toBe(202);
    expect(await count()).toBe(4);
  });
});

test("an order that is too large for so many sites says for how many it is not", async () => {
  const rows = Array.from({ length: 2_000 }, (_value, index) => `('s_n${index}', 'n${index}', 'active', '', '', '{}', '', 'exporter', 1, 0, 0, 1, 1, '', 0, 0)`);
  await bench.relay.rows(`INSERT INTO sites (id, name, state, sign_key, box_key, labels, tier, binding, epoch, statement_version, created_ms, next_order, next_seq, prev_hash, inbox_n, fence) VALUES ${rows.join(", ")}`);
  const large = { kind: "apply", forceConflicts: false, objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, text: "x".repeat(200_000) }] };
  const answer = await post<Problem>({ all: true, spec: large });
  expect([answer.status, answer.body.code, answer.body.hint, await count()]).toEqual([413, "BODY_TOO_LARGE", expect.stringMatching(/give it to 13\d\d sites at a time/), 0]);
});
