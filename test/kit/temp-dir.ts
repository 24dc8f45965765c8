// A new folder for one test's databases: in memory where the machine has such a file system, since what is tested there is what is written and not how fast a disk
// says so. Removed by whoever asked.
import { accessSync, constants, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IN_MEMORY = "/dev/shm";

export function makeTempDir(name: string): string {
  let base = tmpdir();
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    base = IN_MEMORY;
  } catch {
    // not this machine: the disk it is
  }
  return mkdtempSync(join(base, `bowline-${name}-`));
}
