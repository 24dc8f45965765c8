// SQLite as a store's engine, synchronous: runs groups of operations in one transaction with a savepoint each, so that a failed one leaves nothing of itself.
// After an I/O error the handle is gone, the next group opens a new one (store-open.ts), and a COMMIT that failed is read back: the file says whether it is durable.
// Runs in the store's worker, and in the thread of tests and the simulator. delivery.md section 6 gives the measurements behind the settings.
import type Database from "better-sqlite3";
import { Ballast, ballastNeedsBytes } from "./ballast.ts";
import { crashPoint } from "./crash.ts";
import { asFault, Fault } from "./errors.ts";
import { engineFault, isEngineError, placesOf } from "./store-files.ts";
import { isTorn, type ChainLink, type Guard } from "./store-guard.ts";
import { openDatabase, type Opened } from "./store-open.ts";
import type { Operation, SqlRow, StoreModule } from "./store-query.ts";

/** Prepared statements kept; every operation uses constant SQL. */
const statementsMax = 512;
/** Free pages go back to the disk a few at a time, now and then: what was purged must become space for others, and no group may wait long for it. */
const vacuumEveryGroups = 256;
const vacuumPages = 128;

export interface EngineOptions {
  readonly file: string;
  readonly module: StoreModule;
  /** The caller knows that there was a database: a missing or empty file is damage, not a first run. */
  readonly mustExist: boolean;
  /** Room that is kept back beside the file, or none. */
  readonly ballast?: Ballast;
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
  /** The files that were opened. */
  #places = "";
  /** They were removed or replaced while they were open: nothing is opened in their stead by this process. */
  #lost: Fault | null = null;
  #commits = 0;
  #hasWritten = false;
  #groups = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#mustExist = options.mustExist;
    try {
      this.#live();
    } catch (error) {
      if (!this.#givesWay(error)) throw error;
      this.#live();
    }
  }

  /** The disk is full, and there was ballast to give up: what failed may work now. */
  #givesWay(error: unknown): boolean {
    return asFault(error).code === "DISK_FULL" && this.#options.ballast?.release() === true;
  }

  #live(): Database.Database {
    if (this.#db !== null) return this.#db;
    if (this.#lost !== null) throw this.#lost;
    const { db, guard } = this.#openSurely();
    this.#db = db;
    this.#guard = guard;
    this.#places = placesOf(this.#options.file);
    this.#mustExist = true; // from here on a file that is gone is damage
    this.#commits = Number((db.prepare("SELECT n FROM store_commits").get() as { n: number }).n);
    return db;
  }

  /** A read that fails can look like damage, and damage is acted upon: only what a second look finds too is called so. */
  #openSurely(): Opened {
    const { file, module } = this.#options;
    const options = { file, module, mustExist: this.#mustExist };
    try {
      return openDatabase(options);
    } catch (error) {
      if (asFault(error).code !== "STORE_CORRUPT") throw error;
      return openDatabase(options);
    }
  }

  /** Runs calls in one transaction. After it returned, what succeeded is durable. Throws a Fault when the group as a whole did not commit. */
  runGroup(calls: readonly Call[]): CallOutcome[] {
    try {
      return this.#attempt(calls);
    } catch (error) {
      if (this.#givesWay(error)) return this.runGroup(calls);
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
        this.#requirePlaces();
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

  /** Octets written to a file that has no name any more are gone with this process: nobody is told that they are stored. */
  #requirePlaces(): void {
    const { file } = this.#options;
    if (placesOf(file) === this.#places) return;
    this.#lost = new Fault("STORE_CORRUPT", { what: `the database ${file} was removed or replaced while it was in use`, why: "what is written to it now would be lost", hint: "put the file back from a backup, with what belongs beside it, and start again" });
    throw this.#lost;
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

  /** A COMMIT that failed may still be durable, or is when it is opened again: looks. False when that cannot be done now; the callers are then told that it failed. */
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
    if (this.#groups % vacuumEveryGroups === 0) this.giveBack(vacuumPages);
  }

  /** Gives some free pages back to the disk when there are more than `keptPages`. For the time between groups: after a great purge a store that rests gives back what it took. */
  giveBack(keptPages: number): void {
    const db = this.#db;
    try {
      if (db !== null && Number(db.pragma("freelist_count", { simple: true })) > keptPages) db.pragma(`incremental_vacuum(${vacuumPages})`);
    } catch (error) {
      this.#rolledBack(db!, error); // what was asked for before is committed; the next group finds the disk as it is
    }
  }

  #runOne(db: Database.Database, call: Call): CallOutcome {
    this.#prepare(db, "SAVEPOINT one").run();
    try {
      const operation = this.#options.module.operations[call.name];
      if (operation === undefined) throw new Fault("BUG", { what: `the store has no operation "${call.name}"` });
      if (this.#options.ballast?.isWhole === false && this.#options.module.refusedWhenFull?.includes(call.name) === true) throw this.#full();
      const value = this.#step(db, operation(call.args) as Operation<unknown>);
      this.#prepare(db, "RELEASE one").run();
      return { ok: true, value };
    } catch (error) {
      if (isEngineError(error)) throw error;
      db.exec("ROLLBACK TO one; RELEASE one");
      return { ok: false, fault: isTorn(error) ? new Fault("STORE_CORRUPT", { what: `a row of ${this.#options.file} was damaged on the disk`, why: "it is not what was written", hint: "restart the process: it looks at the whole file" }) : asFault(error) };
    }
  }

  #full(): Fault {
    const { file } = this.#options;
    return new Fault("DISK_FULL", {
      what: "the disk is full: nothing new is taken",
      why: `the reserve of ${file} is used up or could not be made; what frees room and what has ended is still written`,
      hint: `free space on the disk that holds ${file}: from ${ballastNeedsBytes / 1_048_576} MiB on it goes on by itself; nothing that was accepted is lost`,
    });
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
