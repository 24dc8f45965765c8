// The ballast over real files: really written, given up once, made again only with as much room again beside it; and the engine that gives it up when its disk is
// full (here SQLite's own page limit): what brings new work waits, what frees room goes on, and it heals while it is open.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Ballast, ballastBytes, ballastNeedsBytes } from "./ballast.ts";
import { StoreEngine, type CallOutcome } from "./store-engine.ts";
import { query, queryOne, type StoreModule } from "./store-query.ts";

let dir: string;
let file: string;
let freeBytes: number;
const path = (): string => `${file}.ballast`;
const ballast = (): Ballast => new Ballast(file, () => freeBytes);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-ballast-"));
  file = join(dir, "pebbles.db");
  freeBytes = ballastNeedsBytes;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("the ballast", () => {
  test("has its blocks: it is written, not sparse", () => {
    const one = ballast();
    expect(one.isWhole).toBe(false);
    one.restore();
    expect(one.isWhole).toBe(true);
    const { size, blocks, mode } = statSync(path());
    expect([size, blocks * 512 >= ballastBytes, mode & 0o777]).toEqual([ballastBytes, true, 0o600]);
  });

  test("is given up once, and is made again only when as much again is free", () => {
    const one = ballast();
    one.restore();
    expect([one.release(), one.isWhole, existsSync(path()), one.release()]).toEqual([true, false, false, false]);
    freeBytes = ballastNeedsBytes - 1;
    one.restore();
    expect([one.isWhole, existsSync(path())]).toEqual([false, false]);
    freeBytes = ballastNeedsBytes;
    one.restore();
    expect(one.isWhole).toBe(true);
  });

  test("is found by the next start, and one that was cut short by a kill is no ballast and is written anew", () => {
    ballast().restore();
    expect(ballast().isWhole).toBe(true);
    truncateSync(path(), 1_000);
    const next = ballast();
    expect([next.isWhole, next.release()]).toEqual([false, false]);
    next.restore();
    expect(statSync(path()).size).toBe(ballastBytes);
  });

  test("that cannot be written is a state and no failure", () => {
    mkdirSync(path()); // nobody can write a file there
    const one = ballast();
    one.restore();
    expect(one.isWhole).toBe(false);
  });
});

const module: StoreModule = {
  migrations: ["CREATE TABLE pebbles (id TEXT PRIMARY KEY, octets BYTEA)"],
  refusedWhenFull: ["order"],
  operations: {
    *order(args: { id: string; octets: number }) {
      yield* query("INSERT INTO pebbles (id, octets) VALUES (?, ?)", args.id, new Uint8Array(args.octets));
    },
    *result(args: { id: string }) {
      yield* query("INSERT INTO pebbles (id) VALUES (?)", args.id);
    },
    *purge() {
      yield* query("DELETE FROM pebbles");
    },
    *ids() {
      return (yield* query<{ id: string }>("SELECT id FROM pebbles ORDER BY id")).map(({ id }) => id);
    },
    *pages(args: { most: number }) {
      yield* queryOne(`PRAGMA max_page_count = ${args.most}`);
    },
  },
};

describe("an engine with ballast", () => {
  let engine: StoreEngine;
  let kept: Ballast;
  beforeEach(() => {
    kept = ballast();
    kept.restore();
    engine = new StoreEngine({ file, module, mustExist: false, ballast: kept });
    return () => engine.close();
  });
  const run = (...calls: readonly (readonly [string, unknown])[]): string[] =>
    engine.runGroup(calls.map(([name, args]) => ({ name, args }))).map((outcome: CallOutcome) => (outcome.ok ? "ok" : outcome.fault.code));
  const ids = (): unknown => (engine.runGroup([{ name: "ids", args: null }])[0] as { value: unknown }).value;

  test("gives it up first on a full disk: the group's results are stored, its order is refused, and nothing of that one stays", () => {
    run(["pages", { most: 20 }]);
    expect(run(["result", { id: "r1" }], ["order", { id: "large", octets: 500_000 }], ["result", { id: "r2" }])).toEqual(["ok", "DISK_FULL", "ok"]);
    expect([kept.isWhole, existsSync(path())]).toEqual([false, false]);
    expect(ids()).toEqual(["r1", "r2"]);
  });

  test("takes no order while the ballast is away, however small, and says why; what frees room goes on; with the ballast back it takes orders again", () => {
    kept.release();
    const [refused] = engine.runGroup([{ name: "order", args: { id: "o1", octets: 1 } }]);
    expect(refused).toMatchObject({ ok: false, fault: { code: "DISK_FULL", httpStatus: 507, message: "the disk is full: nothing new is taken", hint: expect.stringContaining("16 MiB") as unknown } });
    expect(run(["result", { id: "r1" }], ["purge", null])).toEqual(["ok", "ok"]);
    kept.restore();
    expect(run(["order", { id: "o1", octets: 1 }])).toEqual(["ok"]);
  });

  test("gives it up once and no more: a disk that is full for results too says so to each", () => {
    run(["order", { id: "o1", octets: 1 }], ["pages", { most: 1 }]);
    const filler = Array.from({ length: 2_000 }, (_, n) => ["result", { id: `r${n}${"x".repeat(1_000)}` }] as const);
    const said = run(...filler);
    expect(said.filter((code) => code === "DISK_FULL").length).toBeGreaterThan(0);
    expect(kept.isWhole).toBe(false);
    expect(ids()).toHaveLength(1 + said.filter((code) => code === "ok").length);
  });
});
