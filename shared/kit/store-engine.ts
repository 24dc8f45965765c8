// SQLite as a store's engine, synchronous: opens with WAL and synchronous=FULL (asserted), holds the file alone, migrates, and runs groups of
// operations in one transaction with a savepoint each, so that a failed one leaves nothing of itself. Runs in the store's worker, and in the
// thread of tests and the simulator. The only importer of better-sqlite3. delivery.md section 6 gives the measurements behind the settings.
import { existsSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { invariant } from "./assert.ts";
import { crashPoint } from "./crash.ts";
import { asFault, Fault } from "./errors.ts";
import { shown } from "./shown.ts";
import type { Operation, SqlRow, StoreModule } from "./store-query.ts";

/** WAL pages (4 KiB) after which SQLite checkpoints: short stalls rather than rare long ones. */
const checkpointPages = 200;
const walBytesKept = 4 * 1_048_576;
/** Prepared statements kept; every operation uses constant SQL. */
const statementsMax = 512;

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
  #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#db = this.#open();
  }

  #open(): Database.Database {
    const { file, mustExist } = this.#options;
    if (mustExist && (!existsSync(file) || statSync(file).size === 0)) {
      throw new Fault("STORE_CORRUPT", { what: `the database ${file} is gone or empty`, why: "this data folder was in use before", hint: "restore it from a backup; to begin anew, move the whole data folder away" });
    }
    let db: Database.Database | null = null;
    try {
      db = new Database(file, { timeout: 0 });
      db.pragma("locking_mode = EXCLUSIVE");
      invariant(db.pragma("journal_mode = WAL", { simple: true }) === "wal", "the journal is a write-ahead log");
      db.pragma("synchronous = FULL");
      invariant(db.pragma("synchronous", { simple: true }) === 2, "every commit is synchronised to the disk");
      db.pragma("foreign_keys = ON");
      db.pragma(`wal_autocheckpoint = ${checkpointPages}`);
      db.pragma(`journal_size_limit = ${walBytesKept}`);
      // The first write takes the exclusive lock: a second process is told now, not at its first order.
      db.exec("BEGIN IMMEDIATE; COMMIT");
      const verdict = db.pragma("quick_check(1)", { simple: true });
      if (verdict !== "ok") throw new Fault("STORE_CORRUPT", { what: `the database ${file} is damaged`, why: shown(verdict), hint: "restore it from a backup" });
      this.#migrate(db);
      return db;
    } catch (error) {
      db?.close();
      throw this.#fault(error);
    }
  }

  #migrate(db: Database.Database): void {
    const { migrations } = this.#options.module;
    const version = db.pragma("user_version", { simple: true }) as number;
    if (version > migrations.length) {
      throw new Fault("STORE_NEWER", { what: `the database ${this.#options.file} was written by a newer version`, why: `it has the schema version ${version}, this program knows ${migrations.length}`, hint: "run the newer version, or restore a backup made by this one" });
    }
    for (let step = version; step < migrations.length; step += 1) {
      db.exec("BEGIN IMMEDIATE");
      db.exec(migrations[step]!);
      db.pragma(`user_version = ${step + 1}`);
      crashPoint("migration-step");
      db.exec("COMMIT");
    }
  }

  /** Runs calls in one transaction. After it returned, what succeeded is durable. Throws a Fault when the group as a whole did not commit. */
  runGroup(calls: readonly Call[]): CallOutcome[] {
    const db = this.#db;
    try {
      db.exec("BEGIN IMMEDIATE");
      const outcomes = calls.map((call) => this.#runOne(call));
      crashPoint("insert-before-commit");
      db.exec("COMMIT");
      return outcomes;
    } catch (error) {
      if (db.inTransaction) {
        try {
          db.exec("ROLLBACK");
        } catch {
          // the engine rolled back by itself
        }
      }
      const fault = this.#fault(error);
      // Never write again on handles that saw an I/O error: what the page cache holds is no longer known.
      if (fault.code === "STORE_FAILED") this.#reopen();
      throw fault;
    }
  }

  #reopen(): void {
    this.#statements.clear();
    try {
      this.#db.close();
    } catch {
      // a broken handle may refuse even that
    }
    this.#db = this.#open();
  }

  #runOne(call: Call): CallOutcome {
    const db = this.#db;
    db.exec("SAVEPOINT one");
    try {
      const operation = this.#options.module.operations[call.name];
      if (operation === undefined) throw new Fault("BUG", { what: `the store has no operation "${call.name}"` });
      const value = this.#step(operation(call.args) as Operation<unknown>);
      db.exec("RELEASE one");
      return { ok: true, value };
    } catch (error) {
      if (isEngineError(error)) throw error;
      db.exec("ROLLBACK TO one; RELEASE one");
      return { ok: false, fault: asFault(error) };
    }
  }

  #step(operation: Operation<unknown>): unknown {
    let next = operation.next();
    while (next.done !== true) {
      const { sql, params } = next.value;
      const statement = this.#prepare(sql);
      const rows = statement.reader ? (statement.all(...params) as SqlRow[]) : (statement.run(...params), []);
      next = operation.next(rows);
    }
    return next.value;
  }

  #prepare(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= statementsMax) this.#statements.clear();
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #fault(error: unknown): Fault {
    if (error instanceof Fault) return error;
    const { file } = this.#options;
    const code = codeOf(error);
    const why = shown(error, 1_000);
    if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return new Fault("STORE_HELD", { what: `another process holds the database ${file}`, why: "a data folder belongs to one process", hint: `find it with: fuser ${file}`, cause: error });
    if (code === "SQLITE_FULL" || why.includes("ENOSPC")) return new Fault("DISK_FULL", { what: `the disk is full: ${file} cannot be written`, why, hint: "free space on the disk that holds the data folder; nothing that was accepted is lost", cause: error });
    if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) return new Fault("STORE_CORRUPT", { what: `${file} is damaged, or not a Bowline database`, why, hint: "restore it from a backup", cause: error });
    if (code.startsWith("SQLITE_")) return new Fault("STORE_FAILED", { what: `the database ${file} cannot be used`, why: `${why} (${code})`, hint: "check the disk, and who may write to the data folder", cause: error });
    return error instanceof Error && error.name === "TypeError" && why.includes("directory does not exist") ? new Fault("FILE_MISSING", { what: `the folder of ${file} is not there`, why }) : asFault(error);
  }
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** Errors of the engine end the whole group; constraint violations belong to the operation that made them. */
function isEngineError(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith("SQLITE_") && !code.startsWith("SQLITE_CONSTRAINT") && code !== "SQLITE_ERROR";
}
