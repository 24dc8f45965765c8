// One process of the product in the demo: started on a leash (leash.ts), its output kept in a log file and read for words that the demo waits for. `Kept` starts
// it again when it ends unasked, as a supervisor would, and gives up when that happens too often.
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../shared/kit/clock.ts";
import { Fault, type FaultCode } from "../../shared/kit/errors.ts";
import { root } from "./folder.ts";

const entry = join(root, "bin", "bowline.mjs");
const leash = new URL("leash.ts", import.meta.url).href;

/** A start takes a second; on a machine with much else to do, fifteen were seen. */
const saidMs = 90_000;
/** SIGTERM, and after this (ms) SIGKILL: agents and relay drain for one second. */
const graceMs = 4_000;
const restartMs = 500;
/** Ends unasked within one minute that are put up with. */
const restartsMax = 5;
const restartWindowMs = 60_000;
/** Output shown when it did not start. */
const lastWordsLines = 8;

export interface ChildOptions {
  /** For people: "the relay", "the agent of ship-3". */
  readonly name: string;
  /** Of the Fault when it does not run. */
  readonly code: FaultCode;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Relative paths in `args` start here: the paths of unix sockets must be short. */
  readonly cwd: string;
}

export class Child {
  readonly ended: Promise<string>;
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #readers = new Set<(line: string) => void>();
  readonly #lastWords: string[] = [];
  #end: string | null = null;

  constructor(options: ChildOptions) {
    this.#options = options;
    const log = createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
    log.on("error", () => {}); // a full disk costs the log, not the demo
    // Its own process group: Ctrl-C reaches the demo alone, which then ends everything in order.
    this.#process = spawn(process.execPath, ["--import", leash, entry, ...options.args], { cwd: options.cwd, env: childEnv(), detached: true, stdio: ["ignore", "pipe", "pipe", "pipe"] });
    this.#process.stdio[3]!.on("error", () => {});
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        log.write(`${line}\n`);
        if (this.#lastWords.push(line) > lastWordsLines) this.#lastWords.shift();
        for (const reader of this.#readers) reader(line);
      });
    }
    this.ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.#end = why;
        log.end();
        resolve(why);
      };
      this.#process.once("error", (error) => end(error.message));
      this.#process.once("close", (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#end !== null;
  }

  /** Resolves with the first line from now on that matches. Faults when the process ends first, or says nothing of the kind in time. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const reader = (line: string): void => {
        const found = pattern.exec(line);
        if (found !== null) settle(() => resolve(found));
      };
      const cancel = systemClock.after(saidMs, () => settle(() => reject(this.#silent())));
      const settle = (act: () => void): void => {
        cancel();
        this.#readers.delete(reader);
        act();
      };
      this.#readers.add(reader);
      void this.ended.then((end) => settle(() => reject(this.#notStarted(end))));
    });
  }

  #notStarted(end: string): Fault {
    return new Fault(this.#options.code, { what: `${this.#options.name} ended before it was ready (${end})`, why: this.#lastWords.join("\n") || "it said nothing", hint: "npm run demo -- --keep leaves its log in the state folder" });
  }

  #silent(): Fault {
    return new Fault(this.#options.code, { what: `${this.#options.name} was not ready within ${saidMs / 1000} s`, why: this.#lastWords.join("\n") || "it said nothing", hint: "try again when the machine has less to do" });
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return;
    const cancel = systemClock.after(graceMs, () => this.kill());
    this.#process.kill("SIGTERM");
    await this.ended;
    cancel();
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

/** The user's environment (kubeconfig plugins need it) without settings of a Bowline of their own; compiled code from where ours is. */
function childEnv(): NodeJS.ProcessEnv {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BOWLINE_")));
  const cache = getCompileCacheDir();
  return cache === undefined ? own : { ...own, NODE_COMPILE_CACHE: dirname(cache) };
}

export interface KeptOptions {
  readonly start: () => Child;
  readonly name: string;
  readonly code: FaultCode;
  readonly note: (text: string) => void;
  /** It ended too often. */
  readonly onGaveUp: (fault: Fault) => void;
}

/** A process that is there again when it ended unasked. */
export class Kept {
  readonly #options: KeptOptions;
  readonly #ends: number[] = [];
  #child: Child;
  #isStopping = false;

  constructor(options: KeptOptions) {
    this.#options = options;
    this.#child = options.start();
    this.#watch();
  }

  get child(): Child {
    return this.#child;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#child.stop();
  }

  kill(): void {
    this.#isStopping = true;
    this.#child.kill();
  }

  #watch(): void {
    void this.#child.ended.then((end) => {
      if (!this.#isStopping) this.#again(end);
    });
  }

  #again(end: string): void {
    const { name, code, note, onGaveUp, start } = this.#options;
    const nowMs = systemClock.monoMs();
    this.#ends.push(nowMs);
    while (this.#ends[0]! < nowMs - restartWindowMs) this.#ends.shift();
    if (this.#ends.length > restartsMax) return onGaveUp(new Fault(code, { what: `${name} ended ${this.#ends.length} times within a minute`, why: `the last time: ${end}`, hint: "npm run demo -- --keep leaves its log in the state folder" }));
    note(`${name} ended (${end}); starting it again`);
    systemClock.after(restartMs, () => {
      if (this.#isStopping) return;
      this.#child = start();
      this.#watch();
    });
  }
}
