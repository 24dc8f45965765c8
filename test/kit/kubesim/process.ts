// What a simulated program sees of its container: streams, files, environment, time; and how it reads its input files. `exit` and a
// broken pipe travel as exceptions, so that they end everything between the program and its shell.
import { randomBytes } from "node:crypto";

export type Output = (bytes: Buffer | string) => Promise<void>;
export type Program = (words: readonly string[], process: Process) => Promise<number>;

export interface Process {
  readonly stdin: AsyncIterable<Buffer>;
  readonly out: Output;
  readonly err: Output;
  readonly isTty: boolean;
  /** By absolute path. Shared by everything that runs in one container; folders exist by what is in them. */
  readonly files: Map<string, Buffer>;
  readonly env: Map<string, string>;
  readonly programs: Readonly<Record<string, Program>>;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number) => Promise<void>;
  readonly wallMs: () => number;
  readonly terminalSize: () => { rows: number; columns: number };
}

export class ExitShell extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

export class BrokenPipe extends Error {}

/** One read or write of a program. */
export const blockBytes = 65_536;
const zeros = Buffer.alloc(blockBytes);

/** The bytes of the files named, or of stdin when none is. */
export async function* inputs(names: readonly string[], process: Process): AsyncGenerator<Buffer> {
  if (names.length === 0) yield* process.stdin;
  for (const name of names) {
    if (name === "-") yield* process.stdin;
    else if (name === "/dev/zero") while (true) yield zeros;
    else if (name === "/dev/urandom" || name === "/dev/random") while (true) yield randomBytes(blockBytes);
    else if (name !== "/dev/null") {
      const content = process.files.get(resolved(name, process));
      if (content === undefined) await process.err(`cat: can't open '${name}': No such file or directory\n`);
      else yield content;
    }
  }
}

export function resolved(name: string, process: Process): string {
  const whole = name.startsWith("/") ? name : `${process.env.get("PWD") ?? "/"}/${name}`;
  const steps: string[] = [];
  for (const step of whole.split("/")) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  return `/${steps.join("/")}`;
}
