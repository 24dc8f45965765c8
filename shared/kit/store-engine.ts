// SQLite as a store's engine, synchronous: opens with WAL and synchronous=FULL (asserted), holds the file alone, migrates, and runs groups of
// operations in one transaction with a savepoint each, so that a failed one leaves nothing of itself. After an I/O error the handle is gone, the next
// group opens a new one, and a COMMIT that failed is read back: the file says whether it is durable. Runs in the store's worker, and in the thread of tests and
// the simulator. The only importer of better-sqlite3. delivery.md section 6 gives the measurements behind the settings.
import Database from "better-sqlite3";
import { invariant } from "./assert.ts";
import { crashPoint } from "./crash.ts";
import { asFault, Fault } from "./errors.ts";
import { shown } from "./shown.ts";
import { Guard, isTorn, type ChainLink } from "./store-guard.ts";
import { engineFault, isEngineError, isGoneOrEmpty, prepareFiles } from "./store-files.ts";
import type { Operation, SqlRow, StoreModule } from "./store-query.ts";

/** WAL pages (4 KiB) after which SQLite checkpoints: short stalls rather than rare long ones. */
const checkpointPages = 200;
const walBytesKept = 4 * 1_048_576;
/** Prepared statements kept; every operation uses constant SQL. */
const statementsMax = 512;
/** Free pages go back to the disk a few at a time, now and then: what was purged must become space for others, and no group may wait long for it. */
const vacuumEveryGroups = 256;
const vacuumPages = 128;
/** The engine's own row: how many groups that wrote anything were ever committed. */
const COMMITS = "CREATE TABLE store_commits (n BIGINT NOT NULL); INSERT INTO store_commits (n) VALUES (0)";

export interface EngineOptions {
  readonly file: string;
  readonly module: StoreModule;
  /** The caller knows that there was a database: a missing or empty file is damage, not a first run. */
  readonly mustExist: boolean;
}

export type CallOutcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly fault: Fault };

export interface Call {
  readonly name: string;
  readonly args: unknown;
}

export class StoreEngine {
  readonly #options: EngineOptions;
  /** Null after an error that leaves no handle to rely on; the next group opens again. */
  #db: Database.Database | null = null;
  /** Of the open handle, where the module asks for one. */
  #guard: Guard | null = null;
  readonly #statements = new Map<string, Database.Statement>();
  #mustExist: boolean;
  #commits = 0;
  #hasWritten = false;
  #groups = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#mustExist = options.mustExist;
    this.#live();
  }

  #live(): Database.Database {
    if (this.#db !== null) return this.#db;
    const db = this.#open();
    this.#db = db;
    this.#mustExist = true; // from here on a file that is gone is damage
    this.#commits = Number((db.prepare("SELECT n FROM store_commits").get() as { n: number }).n);
    return db;
  }

  #open(): Database.Database {
    const { file, module } = this.#options;
    if (this.#mustExist && isGoneOrEmpty(file)) {
      throw new Fault("STORE_CORRUPT", { what: `the database ${file} is gone or empty`, why: "this data folder was in use before", hint: "restore it from a backup; to begin anew, move the whole data folder away" });
    }
    prepareFiles(file);
    let db: Database.Database | null = null;
    try {
      db = new Database(file, { timeout: 0 });
      db.pragma("locking_mode = EXCLUSIVE");
      db.pragma("auto_vacuum = INCREMENTAL"); // only an empty file takes it, and it is empty only before the journal's mode is set
      invariant(db.pragma("journal_mode = WAL", { simple: true }) === "wal", "the journal is a write-ahead log");
      db.pragma("synchronous = FULL");
      invariant(db.pragma("synchronous", { simple: true }) === 2, "every commit is synchronised to the disk");
      db.pragma("foreign_keys = ON");
      db.pragma(`wal_autocheckpoint = ${checkpointPages}`);
      db.pragma(`journal_size_limit = ${walBytesKept}`);
      // The first write takes the exclusive lock: a second process is told now, not at its first order.
      db.exec("BEGIN IMMEDIATE; COMMIT");
      const guard = module.isGuarded === true ? new Guard(db) : null;
      // What is guarded is small, and an index that lost an entry hides its row as well as a lost row would.
      const verdict = db.pragma(guard === null ? "quick_check(1)" : "integrity_check(1)", { simple: true });
      if (verdict !== "ok") throw new Fault("STORE_CORRUPT", { what: `the database ${file} is damaged`, why: shown(verdict), hint: "restore it from a backup" });
      guard?.verify();
      this.#migrate(db, guard);
      guard?.arm();
      this.#guard = guard;
      return db;
    } catch (error) {
      db?.close();
      throw engineFault(error, file);
    }
  }

  #migrate(db: Database.Database, guard: Guard | null): void {
    const { file, module } = this.#options;
    const { migrations, applicationId = 0 } = module;
    const version = db.pragma("user_version", { simple: true }) as number;
    const isOurs = version === 0 || db.pragma("application_id", { simple: true }) === applicationId;
    if (!isOurs) throw new Fault("STORE_CORRUPT", { what: `${file} is damaged, or not a Bowline database`, why: "its application id is another program's", hint: "check that the data folder is the right one" });
    if (version > migrations.length) {
      throw new Fault("STORE_NEWER", { what: `the database ${file} was written by a newer version`, why: `it has the schema version ${version}, this program knows ${migrations.length}`, hint: "run the newer version, or restore a backup made by this one" });
    }
    for (let step = version; step < migrations.length; step += 1) {
      db.exec("BEGIN IMMEDIATE");
      if (step === 0) db.exec(COMMITS);
      db.exec(migrations[step]!);
      guard?.resum();
      if (step === 0) db.pragma(`application_id = ${applicationId}`);
      db.pragma(`user_version = ${step + 1}`);
      guard?.noteSchema();
      crashPoint("migration-step");
      db.exec("COMMIT");
    }
    if (guard?.isThere === false) {
      db.exec("BEGIN IMMEDIATE");
      guard.resum();
      guard.noteSchema();
      db.exec("COMMIT");
    }
  }

  /** Runs calls in one transaction. After it returned, what succeeded is durable. Throws a Fault when the group as a whole did not commit. */
  runGroup(calls: readonly Call[]): CallOutcome[] {
    try {
      return this.#attempt(calls);
    } catch (error) {
      const fault = asFault(error);
      // What is large must not take what is small with it: each alone, and only those that do not fit are refused.
      if (fault.code === "DISK_FULL" && calls.length > 1) return calls.map((call) => this.#alone(call));
      throw fault;
    }
  }

  #alone(call: Call): CallOutcome {
    try {
      return this.#attempt([call])[0]!;
    } catch (error) {
      return { ok: false, fault: asFault(error) };
    }
  }

  #attempt(calls: readonly Call[]): CallOutcome[] {
    const db = this.#live();
    const expected = this.#commits + 1;
    const guard = this.#guard;
    let outcomes: CallOutcome[] | null = null;
    let link: ChainLink | null = null;
    this.#hasWritten = false;
    try {
      db.exec("BEGIN IMMEDIATE");
      guard?.begin();
      const before = this.#totalChanges(db);
      const values = calls.map((call) => this.#runOne(db, call));
      // A group that changed nothing writes nothing here either: its COMMIT costs no fsync.
      this.#hasWritten = this.#totalChanges(db) !== before;
      if (this.#hasWritten) {
        this.#prepare(db, "UPDATE store_commits SET n = ?").run(expected);
        link = this.#link(db);
      }
      outcomes = values;
      crashPoint("insert-before-commit");
      db.exec("COMMIT");
    } catch (error) {
      const fault = this.#rolledBack(db, error);
      if (outcomes === null || !this.#hasWritten || this.#db !== null || !this.#isCommitted(expected)) throw fault;
    }
    if (this.#hasWritten) this.#commits = expected;
    if (link !== null) guard?.committed(link);
    this.#vacuumSome();
    return outcomes;
  }

  /** The group's link in the chain of a guarded database. */
  #link(db: Database.Database): ChainLink | null {
    const link = this.#guard?.next() ?? null;
    if (link !== null) this.#prepare(db, "INSERT INTO store_chain (seq, hash, written) VALUES (?, ?, ?)").run(link.seq, link.hash, link.written);
    return link;
  }

  /** Leaves no transaction open. An error of the disk ends the handle: what its page cache holds is no longer known. */
  #rolledBack(db: Database.Database, error: unknown): Fault {
    const fault = engineFault(error, this.#options.file);
    if (fault.code === "STORE_FAILED" || fault.code === "STORE_CORRUPT") this.#drop(db);
    else if (db.inTransaction) {
      try {
        db.exec("ROLLBACK");
      } catch {
        this.#drop(db);
      }
    }
    return fault;
  }

  #drop(db: Database.Database): void {
    this.#statements.clear();
    this.#db = null;
    try {
      db.close();
    } catch {
      // a broken handle may refuse even that
    }
  }

  /** A COMMIT that failed may still be durable: opens again and looks. False when the file cannot be opened now; the callers are then told that it failed. */
  #isCommitted(expected: number): boolean {
    try {
      this.#live();
      return this.#commits === expected;
    } catch {
      return false;
    }
  }

  #vacuumSome(): void {
    this.#groups += 1;
    if (this.#groups % vacuumEveryGroups !== 0 || this.#db === null) return;
    const db = this.#db;
    try {
      if (Number(db.pragma("freelist_count", { simple: true })) > vacuumPages) db.pragma(`incremental_vacuum(${vacuumPages})`);
    } catch (error) {
      this.#rolledBack(db, error); // the group before it is committed; the next one finds the disk as it is
    }
  }

  #runOne(db: Database.Database, call: Call): CallOutcome {
    db.exec("SAVEPOINT one");
    try {
      const operation = this.#options.module.operations[call.name];
      if (operation === undefined) throw new Fault("BUG", { what: `the store has no operation "${call.name}"` });
      const value = this.#step(db, operation(call.args) as Operation<unknown>);
      db.exec("RELEASE one");
      return { ok: true, value };
    } catch (error) {
      if (isEngineError(error)) throw error;
      db.exec("ROLLBACK TO one; RELEASE one");
      return { ok: false, fault: isTorn(error) ? new Fault("STORE_CORRUPT", { what: `a row of ${this.#options.file} was damaged on the disk`, why: "it is not what was written", hint: "restart the process: it looks at the whole file" }) : asFault(error) };
    }
  }

  #step(db: Database.Database, operation: Operation<unknown>): unknown {
    let next = operation.next();
    while (next.done !== true) {
      const { sql, params } = next.value;
      const statement = this.#prepare(db, sql);
      const rows = statement.reader ? (statement.all(...params) as SqlRow[]) : (statement.run(...params), []);
      next = operation.next(rows);
    }
    return next.value;
  }

  #totalChanges(db: Database.Database): number {
    return (this.#prepare(db, "SELECT total_changes() AS n").get() as { n: number }).n;
  }

  #prepare(db: Database.Database, sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= statementsMax) this.#statements.clear();
      statement = db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = null;
  }
}
