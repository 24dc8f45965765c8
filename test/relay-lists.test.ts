// Lists of commands in pages: nothing twice and nothing missing whatever is given meanwhile, whichever filter; and what a page, a cursor or a limit may be.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandView, Listing, Problem } from "../shared/api.ts";
import { ApiBench } from "./kit/api-bench.ts";

let bench: ApiBench;
beforeEach(async () => {
  bench = await ApiBench.open();
  await bench.relay.approve("s_north", "north", { ring: "canary" });
  await bench.relay.approve("s_south", "south", { ring: "wide" });
});
afterEach(() => bench.close());

const page = async (query: string): Promise<Listing<CommandView>> => (await bench.ask<Listing<CommandView>>("GET", `/commands?${query}`)).body;
const idsOf = ({ items }: Listing<CommandView>): string[] => items.map(({ id }) => id);

async function allPages(query: string, between: () => Promise<void> = async () => {}): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ""; ; await between()) {
    const answer = await page(`${query}${cursor === "" ? "" : `&cursor=${cursor}`}`);
    ids.push(...idsOf(answer));
    if (answer.next === null || answer.next === undefined) return ids;
    cursor = answer.next;
  }
}

test("whatever comes in between two pages, what was there is listed once, newest first", async () => {
  let made = 0;
  const give = async (siteName: string, stepMs: number): Promise<string> => {
    bench.advance(stepMs);
    made += 1;
    return (await bench.relay.submit(`c-${made}`, { siteName })).id;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom("anvil", "north", "south"), fc.constantFrom(0, 0, 7)), { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), async (orders, limit) => {
      await bench.relay.rows("DELETE FROM commands");
      const ids: string[] = [];
      for (const [site, stepMs] of orders) ids.unshift(await give(site, stepMs));
      bench.advance(1);
      const listed = await allPages(`limit=${limit}`, async () => void (await give("north", 0)));
      expect(new Set(listed).size).toBe(listed.length);
      expect([...listed].sort()).toEqual([...ids].sort());
    }),
    { numRuns: 25 },
  );
});

describe("a page", () => {
  beforeEach(async () => {
    for (let index = 0; index < 9; index += 1) {
      await bench.relay.submit(`c-${index}`, { siteName: ["anvil", "north", "south"][index % 3]! });
      bench.advance(1);
    }
  });

  test("is of one site, of the sites that a selector fits, in one state, or of all these at once", async () => {
    expect(await allPages("limit=2&site=north")).toEqual(["c-7", "c-4", "c-1"]);
    expect(await allPages("limit=2&selector=ring")).toEqual(["c-8", "c-7", "c-5", "c-4", "c-2", "c-1"]);
    await bench.ask("POST", "/commands/c-4/cancel", { body: {} });
    expect(await allPages("limit=1&selector=ring!%3Dwide&state=queued&site=north")).toEqual(["c-7", "c-1"]);
    expect(await allPages("selector=ring%3Dnowhere")).toEqual([]);
  });

  test("ends a list without a further empty one, and has no next when it is the last", async () => {
    expect((await page("limit=9")).next).toBeNull();
    expect((await page("limit=8")).next).toMatch(/^[\w-]+$/);
    expect((await page("selector=ring&limit=6")).next).toBeNull();
  });

  test.each([
    ["limit=0", /limit cannot be "0"/],
    ["limit=501", /limit cannot be "501"/],
    ["limit=ten", /limit cannot be "ten"/],
    ["cursor=", /not a cursor/],
    ["cursor=%00", /not a cursor/],
    ["cursor=W10", /not a cursor/],
    [`cursor=${Buffer.from('[1,2,"a",3]').toString("base64url")}`, /not a cursor/],
    [`cursor=${Buffer.from('[1.5,2,"a"]').toString("base64url")}`, /not a cursor/],
    [`cursor=${Buffer.from('{"0":1}').toString("base64url")}`, /not a cursor/],
    [`cursor=${"a".repeat(500)}`, /not a cursor/],
    ["state=frob", /no state "frob"/],
    ["selector=(", /not a label selector/],
  ])("that is asked for with %s is refused in words", async (query, title) => {
    const { status, type, body } = await bench.ask<Problem>("GET", `/commands?${query}`);
    expect([status, type, body.code, body.title]).toEqual([400, "application/problem+json", "USAGE", expect.stringMatching(title)]);
    expect([body.detail, body.hint].includes("")).toBe(false);
  });
});

test("a selector that few fit gives short pages that end, and never reads the whole table for one", async () => {
  const row = (index: number): string => `('x-${index}', 's_1', 1, ${index + 10}, '', 'deploy', 'apply', 'idempotent', 'continue', 'w', 'h', 1, 'ann', 'succeeded', '', 0, 0, 0, ${index})`;
  await bench.relay.submit("old", { siteName: "north", nowMs: -1 });
  await bench.relay.rows(`INSERT INTO commands (id, site, relay_epoch, ord, ordering_key, lane, kind, repeatability, on_failure, what, body_hash, octets, operator, state, why, nbf_ms, deadline_ms, run_ms, asked_ms) VALUES ${Array.from({ length: 6_000 }, (_value, index) => row(index)).join(", ")}`);
  const first = await page("selector=ring");
  expect([first.items, typeof first.next]).toEqual([[], "string"]);
  expect(idsOf(await page(`selector=ring&cursor=${first.next}`))).toEqual(["old"]);
});
