// The files of a database and what their errors mean: one file and what SQLite puts beside it, readable by their owner only, and errors of the engine as
// Faults in words. Called by store-engine.ts.
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { asFault, Fault } from "./errors.ts";
import { fileFault } from "./files.ts";

const ownerOnly = 0o600;
const othersMask = 0o077;

/** What the disk itself says, and may say no more in a minute: neither damage nor a bug, whatever stands behind it. */
const OF_THE_DISK = ["EIO", "EROFS"];

function unusable(file: string, why: string, cause: unknown): Fault {
  return new Fault("STORE_FAILED", { what: `the database ${file} cannot be used`, why, hint: "check the disk, and who may write to the data folder", cause });
}

function placeFault(error: unknown, file: string): Fault {
  return OF_THE_DISK.includes(codeOf(error)) ? unusable(file, (error as Error).message, error) : fileFault(error, file);
}

/** Makes the file when it is not there, and takes group's and others' rights away from it and its companions. Faults: FILE_MISSING, FILE_INVALID, FILE_EXPOSED, DISK_FULL, STORE_FAILED. */
export function prepareFiles(file: string): void {
  try {
    closeSync(openSync(file, "a", ownerOnly));
    for (const path of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(path)) hideFromOthers(path);
  } catch (error) {
    throw placeFault(error, file);
  }
}

/** SQLite gives the files beside a database the database's own mode, so this also holds for those that it makes later. */
function hideFromOthers(path: string): void {
  if ((statSync(path).mode & othersMask) === 0) return;
  try {
    chmodSync(path, ownerOnly);
  } catch {
    // not ours to change: judged below
  }
  if ((statSync(path).mode & othersMask) === 0) return;
  throw new Fault("FILE_EXPOSED", { what: `${path} can be read by others`, why: "it holds what every site was ever told, and its mode cannot be changed by this process", hint: `chmod 600 ${path}` });
}

/** A disk that does not answer is no file that is gone: Fault STORE_FAILED. */
export function isGoneOrEmpty(file: string): boolean {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined || found.size === 0;
  } catch (error) {
    throw placeFault(error, file);
  }
}

/** Which files stand under the database's names now; "" where there is none. */
export function placesOf(file: string): string {
  return [file, `${file}-wal`].map((path) => statSync(path, { throwIfNoEntry: false })?.ino ?? "").join(" ");
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** An error of the engine as a Fault that names the file. */
export function engineFault(error: unknown, file: string): Fault {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  const why = error instanceof Error ? error.message : String(error);
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return new Fault("STORE_HELD", { what: `another process holds the database ${file}`, why: "a data folder belongs to one process", hint: `find it with: fuser ${file}`, cause: error });
  if (code === "SQLITE_FULL") return new Fault("DISK_FULL", { what: `the disk is full: ${file} cannot be written`, why, hint: "free space on the disk that holds the data folder; nothing that was accepted is lost", cause: error });
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) return new Fault("STORE_CORRUPT", { what: `${file} is damaged, or not a Bowline database`, why, hint: "restore it from a backup", cause: error });
  if (code.startsWith("SQLITE_")) return unusable(file, `${why} (${code})`, error);
  return asFault(error);
}

/** Errors after which the handle, or the group around the operation, is no longer to be relied on. Everything else belongs to the operation that made it. */
const OF_THE_ENGINE = ["SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT"];

export function isEngineError(error: unknown): boolean {
  const code = codeOf(error);
  return OF_THE_ENGINE.some((prefix) => code === prefix || code.startsWith(`${prefix}_`));
}
