// A guarded database over real files: what is changed behind its back is found at the open or at the next use, a file of before is taken as it is, and the chain tells
// a file from its own older copy.
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeTempDir } from "../../test/kit/temp-dir.ts";
import { salvage } from "./store-salvage.ts";
import { StoreEngine } from "./store-engine.ts";
import { query, type Operation, type SqlRow, type StoreModule } from "./store-query.ts";

let dir: string;
let file: string;
let engine: StoreEngine;
beforeEach(() => {
  dir = makeTempDir("guard");
  file = join(dir, "pebbles.db");
  engine = open();
});
afterEach(() => {
  engine.close();
  rmSync(dir, { recursive: true, force: true });
});

const module: StoreModule = {
  isGuarded: true,
  migrations: ["CREATE TABLE pebbles (id TEXT PRIMARY KEY, grams BIGINT, octets BYTEA)"],
  operations: {
    *sql(sql: string): Operation<SqlRow[]> {
      return yield* query(sql);
    },
  },
};
const open = (change: Partial<StoreModule> = {}): StoreEngine => new StoreEngine({ file, module: { ...module, ...change }, mustExist: false });

function sql(text: string, at = engine): SqlRow[] {
  const outcome = at.runGroup([{ name: "sql", args: text }])[0]!;
  if (!outcome.ok) throw outcome.fault;
  return outcome.value as SqlRow[];
}

/** As a disk would: no trigger hears of it. */
function behindItsBack(text: string): void {
  engine.close();
  const other = open({ isGuarded: false });
  sql(text, other);
  other.close();
}

const corrupt = (why: RegExp): unknown => expect.objectContaining({ code: "STORE_CORRUPT", why: expect.stringMatching(why) });

test("rows that were written, changed and replaced by whatever statement are as they should be at the next open", () => {
  sql("INSERT INTO pebbles (id, grams, octets) VALUES ('a', 1, x'00ff'), ('b', 2.5, NULL), ('c', NULL, zeroblob(100000))");
  sql("UPDATE pebbles SET grams = grams + 1");
  sql("INSERT INTO pebbles (id, grams) VALUES ('a', 9) ON CONFLICT (id) DO UPDATE SET grams = excluded.grams");
  sql("DELETE FROM pebbles WHERE id = 'b'");
  engine.close();
  engine = open();
  expect(sql("SELECT id, grams FROM pebbles ORDER BY id")).toEqual([{ id: "a", grams: 9 }, { id: "c", grams: null }]);
});

describe("what is changed behind its back is found", () => {
  beforeEach(() => void sql("INSERT INTO pebbles (id, grams) VALUES ('a', 1), ('b', 2)"));

  test.each<[string, string, RegExp]>([
    ["a value", "UPDATE pebbles SET grams = 3 WHERE id = 'a'", /1 rows of pebbles/],
    ["a row that nobody wrote", "INSERT INTO pebbles (id) VALUES ('z')", /1 rows of pebbles/],
    ["a link of the chain", "UPDATE store_chain SET written = zeroblob(32) WHERE seq = 1", /chain is broken at commit 1/],
    ["a link that is gone", "DELETE FROM store_chain WHERE seq = 1", /chain does not end/],
    ["a table that is another one", "CREATE TABLE others (id TEXT)", /tables are not those/],
    ["the schema's version", "PRAGMA user_version = 0", /tables are not those|already exists/],
  ])("%s", (_what, change, why) => {
    behindItsBack(change);
    expect(() => open()).toThrow(corrupt(why) as Error);
  });

  test("at a row's next change, and that row alone is refused", () => {
    sql("UPDATE pebbles SET row_sum = x'00' WHERE id = 'a'");
    expect(() => sql("UPDATE pebbles SET grams = 5 WHERE id = 'a'")).toThrow(corrupt(/not what was written/) as Error);
    sql("UPDATE pebbles SET grams = 5 WHERE id = 'b'");
    expect(sql("SELECT id, grams FROM pebbles ORDER BY id")).toEqual([{ id: "a", grams: 1 }, { id: "b", grams: 5 }]);
  });

  test("and what holds can still be read", () => {
    behindItsBack("UPDATE pebbles SET grams = 3 WHERE id = 'a'");
    expect(salvage(file, ["pebbles"])).toEqual({ rows: { pebbles: [{ id: "b", grams: 2, octets: null }] }, damaged: 1, isTorn: false });
    expect(salvage(join(dir, "nothing.db"), ["pebbles"])).toEqual({ rows: { pebbles: [] }, damaged: 0, isTorn: true });
  });
});

describe("the chain", () => {
  const links = (): number[] => sql("SELECT seq FROM store_chain ORDER BY seq").map(({ seq }) => Number(seq));

  test("has a link for each group that wrote, and none for one that did not or was undone", () => {
    engine.runGroup(["a", "b"].map((id) => ({ name: "sql", args: `INSERT INTO pebbles (id) VALUES ('${id}')` })));
    sql("SELECT 1 AS one");
    expect(() => sql("INSERT INTO pebbles (id) VALUES ('a')")).toThrow();
    sql("DELETE FROM pebbles WHERE id = 'a'");
    expect(links()).toEqual([0, 1, 2]);
  });

  test("of a copy that went its own way has another hash at the same commit", () => {
    const head = (): string => Buffer.from(sql("SELECT hash FROM store_chain ORDER BY seq DESC LIMIT 1")[0]!["hash"] as Uint8Array).toString("hex");
    const heads = ["a", "b"].map((id) => {
      engine.close();
      const start = join(dir, "start.db");
      if (id === "a") copyFileSync(file, start);
      else copyFileSync(start, file);
      engine = open();
      sql(`INSERT INTO pebbles (id) VALUES ('${id}')`);
      return head();
    });
    expect(heads[0]).not.toBe(heads[1]);
  });
});

test("a database of before is taken as it is, with or without a step of its schema; from then on it is guarded", () => {
  engine.close();
  rmSync(file);
  const before = open({ isGuarded: false });
  sql("INSERT INTO pebbles (id) VALUES ('a')", before);
  before.close();
  engine = open();
  sql("UPDATE pebbles SET grams = 1");
  engine.close();
  engine = open({ migrations: [...module.migrations, "ALTER TABLE pebbles ADD COLUMN hue TEXT NOT NULL DEFAULT 'grey'; CREATE TABLE shells (id TEXT PRIMARY KEY); INSERT INTO shells (id) VALUES ('s')"] });
  sql("UPDATE pebbles SET hue = 'red'");
  sql("UPDATE shells SET id = 't'");
  expect(sql("SELECT id, grams, hue FROM pebbles")).toEqual([{ id: "a", grams: 1, hue: "red" }]);
});
