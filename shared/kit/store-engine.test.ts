// The engine over real files, with errors of the disk put in at chosen statements: what it promises of a group that failed, of a COMMIT whose fate is unknown,
// of files, and of a database that is not its own.
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StoreEngine, type Call } from "./store-engine.ts";
import { query, queryOne, type StoreModule } from "./store-query.ts";

let dir: string;
let file: string;
let engine: StoreEngine | null;

const module: StoreModule = {
  applicationId: 0x1234_5678,
  migrations: ["CREATE TABLE pebbles (id TEXT PRIMARY KEY, octets BYTEA)"],
  operations: {
    *put(args: { id: string; octets?: Uint8Array }) {
      yield* query("INSERT INTO pebbles (id, octets) VALUES (?, ?)", args.id, args.octets ?? null);
      return args.id;
    },
    *ids() {
      return (yield* query<{ id: string }>("SELECT id FROM pebbles ORDER BY id")).map(({ id }) => id);
    },
    *clear() {
      yield* query("DELETE FROM pebbles");
    },
    *remove(args: { id: string }) {
      yield* query("DELETE FROM pebbles WHERE id = ?", args.id);
    },
    *pragma(args: { sql: string }) {
      return yield* queryOne(args.sql);
    },
  },
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-engine-"));
  file = join(dir, "pebbles.db");
  engine = null;
});

afterEach(() => {
  vi.restoreAllMocks();
  engine?.close();
  rmSync(dir, { recursive: true, force: true });
});

function open(mustExist = false): StoreEngine {
  engine = new StoreEngine({ file, module, mustExist });
  return engine;
}

const put = (id: string, octets?: Uint8Array): Call => ({ name: "put", args: { id, octets } });
const ids = (): unknown => (engine!.runGroup([{ name: "ids", args: null }])[0] as { value: unknown }).value;
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "no fault";
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
};

/** `strike` is asked before each statement of the engine; what it throws is the disk's answer. "after" runs the statement first. */
function disk(strike: (sql: string) => { readonly code: string; readonly when: "before" | "after" } | null): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with its own this below
  const original = Database.prototype.exec;
  vi.spyOn(Database.prototype, "exec").mockImplementation(function (this: Database.Database, sql: string) {
    const error = strike(sql);
    if (error?.when !== "before") original.call(this, sql);
    if (error !== null) throw Object.assign(new Error("disk I/O error"), { code: error.code });
    return this;
  });
}

function once(sql: string, code: string, when: "before" | "after"): (asked: string) => { code: string; when: "before" | "after" } | null {
  let isOver = false;
  return (asked) => {
    if (isOver || !asked.startsWith(sql)) return null;
    isOver = true;
    return { code, when };
  };
}

describe("an error of the disk", () => {
  test("ends the handle; while the file cannot be opened every call says so, and the first one after that works", () => {
    open().runGroup([put("a")]);
    let failures = 3;
    disk((sql) => (sql.startsWith("BEGIN") && failures-- > 0 ? { code: "SQLITE_IOERR_WRITE", when: "before" } : null));
    for (const id of ["b", "c", "d"]) expect(codeOf(() => engine!.runGroup([put(id)]))).toBe("STORE_FAILED");
    expect(engine!.runGroup([put("e")])).toEqual([{ ok: true, value: "e" }]);
    expect(ids()).toEqual(["a", "e"]);
  });

  test("at a COMMIT that is durable all the same: the callers hear of success", () => {
    open().runGroup([put("a")]);
    disk(once("COMMIT", "SQLITE_IOERR_FSYNC", "after"));
    expect(engine!.runGroup([put("b"), put("c")])).toEqual([{ ok: true, value: "b" }, { ok: true, value: "c" }]);
    expect(ids()).toEqual(["a", "b", "c"]);
  });

  test("at a COMMIT that is not durable: the callers hear of failure, and nothing of the group is there", () => {
    open().runGroup([put("a")]);
    disk(once("COMMIT", "SQLITE_IOERR_FSYNC", "before"));
    expect(codeOf(() => engine!.runGroup([put("b"), put("c")]))).toBe("STORE_FAILED");
    expect(ids()).toEqual(["a"]);
    expect(engine!.runGroup([put("b")])).toEqual([{ ok: true, value: "b" }]);
  });

  test("at a COMMIT that stands in the log, which cannot be written out either: nobody hears of success until it can", () => {
    open().runGroup([put("a")]);
    // oxlint-disable-next-line typescript/unbound-method -- called with its own this below
    const original = Database.prototype.pragma;
    let isBroken = true;
    vi.spyOn(Database.prototype, "pragma").mockImplementation(function (this: Database.Database, source: string, options?: Database.PragmaOptions) {
      if (isBroken && source.startsWith("wal_checkpoint")) throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
      return original.call(this, source, options) as unknown;
    });
    disk(once("COMMIT", "SQLITE_IOERR_FSYNC", "after"));
    expect(codeOf(() => engine!.runGroup([put("b")]))).toBe("STORE_FAILED");
    expect(codeOf(() => engine!.runGroup([{ name: "ids", args: null }]))).toBe("STORE_FAILED");
    isBroken = false;
    expect(ids()).toEqual(["a", "b"]);
  });

  test("does not make a first run of a file that is gone", () => {
    open().runGroup([put("a")]);
    disk(once("BEGIN", "SQLITE_IOERR_READ", "before"));
    expect(codeOf(() => engine!.runGroup([put("b")]))).toBe("STORE_FAILED");
    for (const path of [file, `${file}-wal`]) rmSync(path, { force: true });
    expect(codeOf(() => engine!.runGroup([put("c")]))).toBe("STORE_CORRUPT");
  });
});

describe("damage that an open finds", () => {
  function damaged(times: number): void {
    // oxlint-disable-next-line typescript/unbound-method -- called with its own this below
    const original = Database.prototype.pragma;
    let left = times;
    vi.spyOn(Database.prototype, "pragma").mockImplementation(function (this: Database.Database, source: string, options?: Database.PragmaOptions) {
      if (/(quick|integrity)_check/.test(source) && left-- > 0) throw Object.assign(new Error("database disk image is malformed"), { code: "SQLITE_CORRUPT" });
      return original.call(this, source, options) as unknown;
    });
  }

  test("and a second look does not is a disk that failed to read: nothing is called damaged", () => {
    open().runGroup([put("a")]);
    engine!.close();
    damaged(1);
    open(true);
    expect(ids()).toEqual(["a"]);
  });

  test("twice is damage", () => {
    open().runGroup([put("a")]);
    engine!.close();
    damaged(2);
    expect(codeOf(() => new StoreEngine({ file, module, mustExist: true }))).toBe("STORE_CORRUPT");
  });
});

describe("a database that loses its place while it is open", () => {
  test.each([
    ["removed", () => rmSync(file)],
    ["without its log", () => rmSync(`${file}-wal`)],
    ["replaced by a copy", () => (copyFileSync(file, `${file}.copy`), renameSync(`${file}.copy`, file))],
  ])("%s: nothing is called stored any more, and no other file is taken for it", (_name, strike) => {
    open().runGroup([put("a")]);
    strike();
    expect(codeOf(() => engine!.runGroup([put("b")]))).toBe("STORE_CORRUPT");
    expect(codeOf(() => engine!.runGroup([put("c")]))).toBe("STORE_CORRUPT");
    expect(codeOf(() => engine!.runGroup([{ name: "ids", args: null }]))).toBe("STORE_CORRUPT");
  });
});

test("a group that changes no row writes nothing: an idle process leaves its disk alone", () => {
  open().runGroup([put("a")]);
  const size = statSync(`${file}-wal`).size;
  for (let index = 0; index < 50; index += 1) engine!.runGroup([{ name: "ids", args: null }, { name: "remove", args: { id: "nothing" } }]);
  expect(statSync(`${file}-wal`).size).toBe(size);
  engine!.runGroup([{ name: "remove", args: { id: "a" } }]);
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(size);
});

describe("a full disk", () => {
  test("refuses what is large and keeps what is small of the same group", () => {
    open();
    const pages = Number((engine!.runGroup([{ name: "pragma", args: { sql: "PRAGMA page_count" } }])[0] as { value: { page_count: number } }).value.page_count);
    engine!.runGroup([{ name: "pragma", args: { sql: `PRAGMA max_page_count = ${pages + 4}` } }]);
    const outcomes = engine!.runGroup([put("small-1"), put("large", new Uint8Array(1_048_576)), put("small-2")]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.fault.code))).toEqual(["small-1", "DISK_FULL", "small-2"]);
    expect(ids()).toEqual(["small-1", "small-2"]);
  });
});

describe("the files", () => {
  test("are readable by their owner only, also when they were not before", () => {
    mkdirSync(join(dir, "open"), { mode: 0o755 });
    file = join(dir, "open", "pebbles.db");
    open().runGroup([put("a")]);
    const modes = (): number[] => [file, `${file}-wal`].filter((path) => existsSync(path)).map((path) => statSync(path).mode & 0o777);
    expect(modes()).toEqual([0o600, 0o600]);
    engine!.close();
    chmodSync(file, 0o644);
    open(true).runGroup([put("b")]);
    expect(modes()).toEqual([0o600, 0o600]);
  });

  test("give purged pages back: the database was made with incremental vacuum before its first table", () => {
    open();
    const read = (sql: string): Record<string, unknown> => (engine!.runGroup([{ name: "pragma", args: { sql } }])[0] as { value: Record<string, unknown> }).value;
    expect(read("PRAGMA auto_vacuum")).toEqual({ auto_vacuum: 2 });
    expect(read("PRAGMA application_id")).toEqual({ application_id: 0x1234_5678 });
    for (let index = 0; index < 8; index += 1) engine!.runGroup([put(`p-${index}`, new Uint8Array(262_144))]);
    engine!.runGroup([{ name: "clear", args: null }]);
    const free = Number(read("PRAGMA freelist_count")["freelist_count"]);
    for (let index = 0; index < 260; index += 1) engine!.runGroup([{ name: "ids", args: null }]);
    expect(Number(read("PRAGMA freelist_count")["freelist_count"])).toBeLessThan(free);
  });

  test("of another program are refused and left alone", () => {
    open().runGroup([put("a")]);
    engine!.close();
    expect(codeOf(() => new StoreEngine({ file, module: { ...module, applicationId: 7 }, mustExist: true }))).toBe("STORE_CORRUPT");
    expect(open(true).runGroup([put("b")])).toEqual([{ ok: true, value: "b" }]);
  });
});

test("after a great purge a store that rests gives its pages back to the disk, a few at a time, and keeps some for what comes", () => {
  open();
  for (let n = 0; n < 40; n += 1) engine!.runGroup([put(`p${n}`, new Uint8Array(100_000))]);
  engine!.runGroup([{ name: "clear", args: null }]);
  const pragma = (name: string): number => Number(Object.values((engine!.runGroup([{ name: "pragma", args: { sql: `PRAGMA ${name}` } }])[0] as { value: Record<string, number> }).value)[0]);
  const before = [pragma("page_count"), pragma("freelist_count")] as const;
  engine!.giveBack(200);
  expect(pragma("page_count")).toBeGreaterThanOrEqual(before[0] - 129);
  expect(pragma("page_count")).toBeLessThan(before[0] - 100);
  for (let n = 0; n < 20; n += 1) engine!.giveBack(200);
  expect([pragma("freelist_count") > 50, pragma("freelist_count") <= 200]).toEqual([true, true]);
  expect(pragma("page_count")).toBeLessThan(before[0] - before[1] + 210);
});
