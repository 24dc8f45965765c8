// Runs a program with a time limit and says how it ended. Promises that nothing outlives its limit and that output is bounded; no shell in between.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";

/** Kept output of one program; what is larger must be hashed. */
const outputBytesMax = 64 * 1_048_576;

export interface Ended {
  /** Exit code; 128 + number for a signal as in a shell, 124 when the time was over as in timeout(1). */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** sha256 of standard output, whole, also when it was not kept. */
  readonly sha256: string;
  readonly stdoutBytes: number;
  readonly ms: number;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly stdin?: string | Buffer;
  /** Only hash standard output. */
  readonly isHashed?: boolean;
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 };

/** A program under way: lines can be awaited, the end can be brought about. */
export class Running {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #text = "";
  #watchers: (() => void)[] = [];
  #isOver = false;

  constructor(file: string, args: readonly string[], options: CommandOptions) {
    const startedMs = performance.now();
    const child = spawn(file, args, { cwd: options.cwd, env: { ...options.env }, stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    const hash = createHash("sha256");
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let outBytes = 0;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, options.timeoutMs);
    child.stdin!.on("error", () => {}); // the program may end without reading
    if (options.stdin === undefined) child.stdin!.end();
    else child.stdin!.end(options.stdin);
    child.stdout!.on("data", (chunk: Buffer) => {
      hash.update(chunk);
      outBytes += chunk.length;
      if (options.isHashed === true) return;
      if (outBytes <= outputBytesMax) out.push(chunk);
      this.#heard(chunk);
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      err.push(chunk);
      this.#heard(chunk);
    });
    this.ended = new Promise((resolve) => {
      const finish = (code: number, why: string): void => {
        clearTimeout(timer);
        this.#isOver = true;
        for (const watcher of this.#watchers.splice(0)) watcher();
        const stderr = `${Buffer.concat(err).toString("utf8")}${why}`;
        resolve({ code, stdout: Buffer.concat(out).toString("utf8"), stderr, sha256: hash.digest("hex"), stdoutBytes: outBytes, ms: Math.round(performance.now() - startedMs) });
      };
      child.once("error", (error) => finish(127, `${file}: ${error.message}`));
      child.once("close", (code, signal) => finish(isLate ? 124 : (code ?? 128 + (SIGNALS[signal ?? ""] ?? 0)), isLate ? `\nstopped after ${options.timeoutMs} ms` : ""));
    });
  }

  #heard(chunk: Buffer): void {
    if (this.#text.length < outputBytesMax) this.#text += chunk.toString("utf8");
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  /** The first match in what the program has said so far or says in time. */
  async match(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      for (const watcher of this.#watchers.splice(0)) watcher();
    }, timeoutMs);
    try {
      for (;;) {
        const found = pattern.exec(this.#text);
        if (found !== null) return found;
        if (isLate || this.#isOver) throw new Error(`${this.#child.spawnargs.slice(0, 6).join(" ")} ... did not say ${pattern} ${this.#isOver ? "before it ended" : `within ${timeoutMs} ms`}; it said: ${this.#text.slice(-500)}`);
        await new Promise<void>((resolve) => this.#watchers.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Signals the program; resolves when it has ended. */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    if (!this.#isOver) this.#child.kill(signal);
    return this.ended;
  }
}

export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<Ended> {
  return new Running(file, args, options).ended;
}
