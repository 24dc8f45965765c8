// Files written whole or not at all, and errors of the file system as Faults in words: what is missing, full, or not allowed, and what to try.
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { asFault, Fault } from "./errors.ts";

/** Passes Faults through. */
export function fileFault(error: unknown, path: string): Fault {
  if (error instanceof Fault) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new Fault("DISK_FULL", { what: `the disk is full: ${path} cannot be written`, why: message, hint: "free space on the disk that holds it; nothing that was accepted is lost", cause: error });
    case "ENOENT":
      return new Fault("FILE_MISSING", { what: `${path} is not there`, why: message, hint: "check the path", cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Fault("FILE_INVALID", { what: `${path} may not be used by this process`, why: message, hint: "check its owner and mode, or choose another place", cause: error });
    case "EIO":
      return new Fault("FILE_INVALID", { what: `${path} cannot be read or written`, why: message, hint: "check the disk", cause: error });
    case "ENOTDIR":
    case "EISDIR":
    case "EEXIST":
      return new Fault("FILE_INVALID", { what: `${path} is not what it should be`, why: message, cause: error });
    default:
      return asFault(error);
  }
}

/** Durable under its name when it returns. On a full disk the name still holds what it held before, or nothing: half a certificate would read as damage for ever. */
export function writeWhole(path: string, text: string, mode: number): void {
  const next = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(next, text, { mode, flush: true });
    chmodSync(next, mode); // the umask may have taken from it
    renameSync(next, path);
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (error) {
    rmSync(next, { force: true });
    throw fileFault(error, path);
  }
}
