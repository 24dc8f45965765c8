// The store with real SQLite in a folder of its own: what resolved is durable, what failed left nothing, calls that wait together share one transaction, and
// a file that is not what it should be is never taken for a first start.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "./errors.ts";
import { openStore, openStoreInline, query, queryOne, type Operation, type Store } from "./store.ts";
import { StoreEngine } from "./store-engine.ts";

const dir = mkdtempSync(join(tmpdir(), "bowline-store-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(dir, `${(files += 1)}.db`);
const fault = (code: FaultCode, parts: Readonly<Record<string, unknown>> = {}): unknown => expect.objectContaining({ code, ...parts });

const migrations = [
  `CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL);
   CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
   INSERT INTO counters VALUES ('ord', 0);
   CREATE TABLE parents (id INTEGER PRIMARY KEY);
   CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)`,
];

const operations = {
  *put(args: { readonly name: string; readonly text: string; readonly thenFail?: boolean }): Operation<number> {
    const row = yield* queryOne<{ value: number }>("UPDATE counters SET value = value + 1 WHERE name = 'ord' RETURNING value");
    yield* query("INSERT INTO notes (name, text) VALUES (?, ?)", args.name, args.text);
    if (args.thenFail === true) throw new Fault("CONFLICT", { what: "thought better of it", why: "asked to", hint: "do not", facts: { name: args.name } });
    return row!.value;
  },
  *all(_args: null): Operation<string[]> {
    return (yield* query<{ name: string }>("SELECT name FROM notes ORDER BY name")).map((row) => row.name);
  },
  /** Breaks a rule that SQLite judges at COMMIT only: the whole group fails. */
  *breakCommit(_args: null): Operation<void> {
    yield* query("INSERT INTO children (parent) VALUES (404)");
  },
  *pragma(args: { readonly name: string }): Operation<unknown> {
    return Object.values((yield* queryOne(`PRAGMA ${args.name}`)) ?? {})[0];
  },
  *echo(args: { readonly sql: string }): Operation<unknown> {
    return Object.values((yield* queryOne(args.sql)) ?? {})[0];
  },
} as const;
type Ops = typeof operations;
const applicationId = 0x4257_4c54;
const module = { applicationId, operations, migrations };

/** The same operations as a module of its own, for the thread: it is loaded by its address. */
const moduleUrl = new URL(
  `data:text/javascript,${encodeURIComponent(`
  const query = function* (sql, ...params) { return yield { sql, params }; };
  const queryOne = function* (sql, ...params) { return (yield { sql, params })[0] ?? null; };
  export const applicationId = ${applicationId};
  export const migrations = ${JSON.stringify(migrations)};
  export const operations = {
    *put(args) {
      const row = yield* queryOne("UPDATE counters SET value = value + 1 WHERE name = 'ord' RETURNING value");
      yield* query("INSERT INTO notes (name, text) VALUES (?, ?)", args.name, args.text);
      return row.value;
    },
    *all() { return (yield* query("SELECT name FROM notes ORDER BY name")).map((row) => row.name); },
    *breakCommit() { yield* query("INSERT INTO children (parent) VALUES (404)"); },
    *slow() { yield* query("WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000) SELECT COUNT(*) FROM n"); },
  };`)}`,
);

const openInline = (file: string): Store<Ops> => openStoreInline<Ops>({ file, module });
type ThreadOps = Pick<Ops, "put" | "all" | "breakCommit"> & { slow: (args: null) => Operation<void> };
const openThread = (file: string): Promise<Store<ThreadOps>> => openStore<ThreadOps>({ file, moduleUrl, mustExist: false });

describe("every open", () => {
  test("has full synchronisation, a write-ahead log and foreign keys, on a new file and on one that exists", async () => {
    const file = newFile();
    for (let open = 0; open < 2; open += 1) {
      const store = openInline(file);
      expect(await store.call("pragma", { name: "synchronous" })).toBe(2);
      expect(await store.call("pragma", { name: "journal_mode" })).toBe("wal");
      expect(await store.call("pragma", { name: "foreign_keys" })).toBe(1);
      expect(await store.call("pragma", { name: "locking_mode" })).toBe("exclusive");
      await store.close();
    }
  });

  test("holds the file: a second one is told so at once, and gets it after the first has closed", async () => {
    const file = newFile();
    const store = openInline(file);
    expect(() => openInline(file)).toThrow(fault("STORE_HELD", { hint: expect.stringContaining("fuser") as string }));
    await store.close();
    await openInline(file).close();
  });

  test.each([
    ["is not there", () => {}, true, "STORE_CORRUPT"],
    ["is empty", (file: string) => writeFileSync(file, ""), true, "STORE_CORRUPT"],
    ["is no database", (file: string) => writeFileSync(file, "not a database, but a letter to somebody".repeat(200)), false, "STORE_CORRUPT"],
  ] as const)("refuses a file that %s although it must be", (_name, prepare, mustExist, code) => {
    const file = newFile();
    prepare(file);
    expect(() => new StoreEngine({ file, module, mustExist })).toThrow(fault(code));
  });

  test("names a folder that is not there", () => {
    expect(() => openInline(join(dir, "none", "x.db"))).toThrow(fault("FILE_MISSING"));
  });

  test("refuses a database with damaged pages", async () => {
    const file = newFile();
    const store = openInline(file);
    for (let index = 0; index < 200; index += 1) await store.call("put", { name: `n${index}`, text: "x".repeat(100) });
    await store.close();
    const octets = readFileSync(file);
    octets.fill(0xff, 3 * 4_096, 5 * 4_096);
    writeFileSync(file, octets);
    expect(() => openInline(file)).toThrow(fault("STORE_CORRUPT"));
  });
});

describe("migrations", () => {
  const steps = ["CREATE TABLE a (x INTEGER)", "ALTER TABLE a ADD COLUMN y INTEGER; INSERT INTO a VALUES (1, 2)"];
  const readA = {
    *sum(_args: null): Operation<number> {
      return Number((yield* queryOne<{ s: number }>("SELECT SUM(x + y) AS s FROM a"))?.s);
    },
  };

  test("bring an older file up, once", async () => {
    const file = newFile();
    await openStoreInline({ file, module: { applicationId, operations: readA, migrations: steps.slice(0, 1) } }).close();
    for (let open = 0; open < 2; open += 1) {
      const store = openStoreInline<typeof readA>({ file, module: { applicationId, operations: readA, migrations: steps } });
      expect(await store.call("sum", null)).toBe(3);
      await store.close();
    }
  });

  test("leave a file of a newer version alone", async () => {
    const file = newFile();
    await openStoreInline({ file, module: { applicationId, operations: readA, migrations: steps } }).close();
    expect(() => openStoreInline({ file, module: { applicationId, operations: readA, migrations: steps.slice(0, 1) } })).toThrow(fault("STORE_NEWER"));
    const store = openStoreInline<typeof readA>({ file, module: { applicationId, operations: readA, migrations: steps } });
    expect(await store.call("sum", null)).toBe(3);
    await store.close();
  });

  test("that fail leave nothing of themselves: the next start begins the step anew", async () => {
    const file = newFile();
    const broken = [steps[0]!, "ALTER TABLE a ADD COLUMN y INTEGER; INSERT INTO nowhere VALUES (1)"];
    expect(() => openStoreInline({ file, module: { applicationId, operations: readA, migrations: broken } })).toThrow(fault("STORE_FAILED"));
    const store = openStoreInline<typeof readA>({ file, module: { applicationId, operations: readA, migrations: steps } });
    expect(await store.call("sum", null)).toBe(3);
    await store.close();
  });
});

describe("a group of operations", () => {
  test("is one transaction with a savepoint each: what failed left nothing, not even a gap in a number", () => {
    const engine = new StoreEngine({ file: newFile(), module, mustExist: false });
    const outcomes = engine.runGroup([
      { name: "put", args: { name: "a", text: "1" } },
      { name: "put", args: { name: "b", text: "2", thenFail: true } },
      { name: "put", args: { name: "a", text: "again" } },
      { name: "nonsense", args: null },
      { name: "put", args: { name: "c", text: "3" } },
      { name: "all", args: null },
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.fault.code))).toEqual([1, "CONFLICT", "BUG", "BUG", 2, ["a", "c"]]);
    engine.close();
  });

  test("whose commit fails has stored none of them, and the store goes on", () => {
    const engine = new StoreEngine({ file: newFile(), module, mustExist: false });
    expect(() =>
      engine.runGroup([
        { name: "put", args: { name: "a", text: "1" } },
        { name: "breakCommit", args: null },
      ]),
    ).toThrow(fault("STORE_FAILED"));
    expect(
      engine.runGroup([
        { name: "all", args: null },
        { name: "put", args: { name: "b", text: "1" } },
      ]),
    ).toEqual([
      { ok: true, value: [] },
      { ok: true, value: 1 },
    ]);
    engine.close();
  });

  test("may say more different things than the store keeps prepared", () => {
    const engine = new StoreEngine({ file: newFile(), module, mustExist: false });
    for (let index = 0; index < 1_100; index += 1)
      expect(engine.runGroup([{ name: "echo", args: { sql: `SELECT ${index}` } }])).toEqual([{ ok: true, value: index }]);
    engine.close();
  });
});

describe("a store in its own thread", () => {
  test("answers each call with its own result, and what it answered is there after a new open", async () => {
    const file = newFile();
    const store = await openThread(file);
    const ords = await Promise.all(Array.from({ length: 250 }, (_value, index) => store.call("put", { name: `n${String(index).padStart(3, "0")}`, text: "" })));
    expect(ords).toEqual(Array.from({ length: 250 }, (_value, index) => index + 1));
    await store.close();
    const again = openInline(file);
    expect(await again.call("all", null)).toHaveLength(250);
    await again.close();
  });

  test("commits the calls of one turn together, and those of the next turn apart from them", async () => {
    const store = await openThread(newFile());
    const together = await Promise.allSettled([
      store.call("put", { name: "a", text: "" }),
      store.call("breakCommit", null),
      store.call("put", { name: "b", text: "" }),
    ]);
    expect(together.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await store.call("put", { name: "c", text: "" });
    await expect(store.call("breakCommit", null)).rejects.toThrow(fault("STORE_FAILED"));
    expect(await store.call("all", null)).toEqual(["c"]);
    await store.close();
  });

  test("commits together what came in while it was busy, however many turns that took", async () => {
    const store = await openThread(newFile());
    const busy = store.call("slow", null);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 3; count += 1) await turn();
    const first = store.call("put", { name: "a", text: "" });
    await turn();
    const broken = store.call("breakCommit", null);
    const [one, other] = await Promise.allSettled([first, broken]);
    expect([one.status, other.status]).toEqual(["rejected", "rejected"]);
    await busy;
    await store.close();
  });

  test("drains when it closes: what was asked before is done, what is asked after is refused", async () => {
    const file = newFile();
    const store = await openThread(file);
    const asked = store.call("put", { name: "last", text: "" });
    const closed = store.close();
    await expect(store.call("put", { name: "late", text: "" })).rejects.toThrow(fault("DRAINING"));
    expect(await asked).toBe(1);
    await closed;
    await store.close();
    const again = openInline(file);
    expect(await again.call("all", null)).toEqual(["last"]);
    await again.close();
  });

  test("tells a caller to come back when ten thousand calls wait", async () => {
    const store = await openThread(newFile());
    const calls = Array.from({ length: 10_000 }, () => store.call("all", null));
    await expect(store.call("all", null)).rejects.toThrow(fault("TOO_MANY"));
    expect((await Promise.all(calls)).length).toBe(10_000);
    await store.close();
  });

  test("says at its open what is wrong with the file", async () => {
    const file = newFile();
    const holder = openInline(file);
    await expect(openThread(file)).rejects.toThrow(fault("STORE_HELD"));
    await holder.close();
    await expect(openStore({ file: newFile(), moduleUrl, mustExist: true })).rejects.toThrow(fault("STORE_CORRUPT"));
  });
});

test("in this thread the operation's own Fault arrives with all its parts", async () => {
  const store = openInline(newFile());
  await expect(store.call("put", { name: "a", text: "", thenFail: true })).rejects.toThrow(
    fault("CONFLICT", { message: "thought better of it", why: "asked to", hint: "do not", facts: { name: "a" } }),
  );
  expect(await store.call("all", null)).toEqual([]);
  await store.close();
});
