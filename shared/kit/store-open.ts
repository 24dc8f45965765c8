// A database opened as every store wants it: a log that is synchronised at each commit (asserted), held alone, what the log held written out before anybody hears of
// it, looked at for damage, brought to the schema of this program. Called by the engine at its start and after an I/O error. delivery.md section 6.
import Database from "better-sqlite3";
import { invariant } from "./assert.ts";
import { walBytesKept } from "./ballast.ts";
import { crashPoint } from "./crash.ts";
import { Fault } from "./errors.ts";
import { shown } from "./shown.ts";
import { engineFault, isGoneOrEmpty, prepareFiles } from "./store-files.ts";
import { Guard } from "./store-guard.ts";
import type { StoreModule } from "./store-query.ts";

/** WAL pages (4 KiB) after which SQLite checkpoints: short stalls rather than rare long ones. */
const checkpointPages = 200;
/** The engine's own row: how many groups that wrote anything were ever committed. */
const COMMITS = "CREATE TABLE store_commits (n BIGINT NOT NULL); INSERT INTO store_commits (n) VALUES (0)";

export interface OpenOptions {
  readonly file: string;
  readonly module: StoreModule;
  /** A missing or empty file is damage, not a first run. */
  readonly mustExist: boolean;
}

export interface Opened {
  readonly db: Database.Database;
  /** Where the module asks for one. */
  readonly guard: Guard | null;
}

/** Faults STORE_HELD, STORE_NEWER, STORE_CORRUPT, DISK_FULL, STORE_FAILED. */
export function openDatabase({ file, module, mustExist }: OpenOptions): Opened {
  if (mustExist && isGoneOrEmpty(file)) {
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
    settleLog(db, file);
    // Before it is judged: what a newer program keeps here is not damage, and must not be treated as such.
    const version = schemaVersion(db, file, module);
    const guard = module.isGuarded === true ? new Guard(db) : null;
    // What is guarded is small, and an index that lost an entry hides its row as well as a lost row would.
    const verdict = db.pragma(guard === null ? "quick_check(1)" : "integrity_check(1)", { simple: true });
    if (verdict !== "ok") throw new Fault("STORE_CORRUPT", { what: `the database ${file} is damaged`, why: shown(verdict), hint: "restore it from a backup" });
    guard?.verify();
    migrate(db, guard, version, module);
    guard?.arm();
    return { db, guard };
  } catch (error) {
    db?.close();
    throw engineFault(error, file);
  }
}

/**
 * What an open finds in the log may never have been synchronised: its run was killed before that, or the disk refused. It is written out before anybody hears of
 * it; an fsync of the log itself would not do, for after one that failed the next may succeed without the octets. A full disk has refused the database and not the log.
 */
function settleLog(db: Database.Database, file: string): void {
  try {
    const [row] = db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
    invariant(row!.busy === 0, "nobody else reads what this process holds alone");
  } catch (error) {
    if (engineFault(error, file).code !== "DISK_FULL") throw error;
  }
}

function schemaVersion(db: Database.Database, file: string, { migrations, applicationId = 0 }: StoreModule): number {
  const version = db.pragma("user_version", { simple: true }) as number;
  const isOurs = version === 0 || db.pragma("application_id", { simple: true }) === applicationId;
  if (!isOurs) throw new Fault("STORE_CORRUPT", { what: `${file} is damaged, or not a Bowline database`, why: "its application id is another program's", hint: "check that the data folder is the right one" });
  if (version > migrations.length) {
    throw new Fault("STORE_NEWER", { what: `the database ${file} was written by a newer version`, why: `it has the schema version ${version}, this program knows ${migrations.length}`, hint: "run the newer version, or restore a backup made by this one" });
  }
  return version;
}

function migrate(db: Database.Database, guard: Guard | null, version: number, { migrations, applicationId = 0 }: StoreModule): void {
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
