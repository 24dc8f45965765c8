// Errors of the file system as Faults in words: what is missing, full, or not allowed, and what to try. Passes Faults through.
import { asFault, Fault } from "./errors.ts";

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
    case "ENOTDIR":
    case "EISDIR":
    case "EEXIST":
      return new Fault("FILE_INVALID", { what: `${path} is not what it should be`, why: message, cause: error });
    default:
      return asFault(error);
  }
}
