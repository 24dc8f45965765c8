// A disk that fails under a running process: strace makes chosen calls on the database's files fail, or kills the process in the middle of one. It is taken away again by
// detaching; the process lives on as if the disk were mended.
import { readFileSync } from "node:fs";
import { Started } from "../e2e/place.ts";

export interface DiskFault {
  /** A call, and what becomes of it, as strace has it: `fsync:error=EIO:when=2`. */
  readonly inject: string;
  /** Only these files, the database alone or with what is beside it. */
  readonly files: readonly string[];
}

export class BadDisk {
  readonly #tracer: Started;
  readonly #log: string;

  private constructor(tracer: Started, log: string) {
    this.#tracer = tracer;
    this.#log = log;
  }

  /** Resolves when it is in force. `log` is a file of its own. */
  static async under(pid: number, fault: DiskFault, log: string): Promise<BadDisk> {
    const call = fault.inject.split(":")[0]!;
    const paths = fault.files.flatMap((path) => ["-P", path]);
    const tracer = new Started(["-f", "-p", String(pid), ...paths, "-e", `trace=${call}`, "-e", `inject=${fault.inject}`, "-o", log], { command: "strace" });
    await tracer.said(/attached/);
    return new BadDisk(tracer, log);
  }

  /** How often it has struck. */
  get strikes(): number {
    return readFileSync(this.#log, "utf8").split("\n").filter((line) => line.includes("(INJECTED)") || line.includes("+++ killed by SIGKILL")).length;
  }

  async mend(): Promise<void> {
    this.#tracer.child.kill("SIGINT");
    await this.#tracer.ended;
  }
}

export const withCompanions = (file: string): string[] => [file, `${file}-wal`, `${file}-journal`];
