// Runs a parsed script against a Process: its streams, files and environment. Commands stream with back-pressure, so hundreds of
// megabytes pass through `cat` or `sha256sum` without being held. `exit` and a broken pipe travel as exceptions.
import { BrokenPipe, ExitShell, type Output, type Process } from "./process.ts";
import { parseShell, type Command, type Redirect } from "./shell-parse.ts";
import { ShellSyntax, type Word } from "./shell-words.ts";

/** Rounds that a loop may make without waiting for anything before it lets others run. */
const roundsBetweenTurns = 100;

/** One side writes, the other reads; a write waits until its bytes were taken. */
class Pipe {
  #bytes: Buffer | null = null;
  #isOver = false;
  #isAbandoned = false;
  #wake: () => void = () => undefined;

  readonly write: Output = async (bytes) => {
    while (this.#bytes !== null && !this.#isAbandoned) await this.#turn();
    if (this.#isAbandoned) throw new BrokenPipe();
    this.#bytes = Buffer.from(bytes as Buffer);
    this.#stir();
    while (this.#bytes !== null && !this.#isAbandoned) await this.#turn();
    if (this.#isAbandoned) throw new BrokenPipe();
  };

  finish(): void {
    this.#isOver = true;
    this.#stir();
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#stir();
  }

  async *read(): AsyncGenerator<Buffer> {
    while (true) {
      while (this.#bytes === null && !this.#isOver) await this.#turn();
      if (this.#bytes === null) return;
      const bytes = this.#bytes;
      this.#bytes = null;
      this.#stir();
      yield bytes;
    }
  }

  #turn(): Promise<void> {
    const before = this.#wake;
    return new Promise((resolve) => {
      this.#wake = () => {
        before();
        resolve();
      };
    });
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = () => undefined;
    wake();
  }
}

async function* ofBytes(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function arithmetic(source: string, process: Process): number {
  const plain = source.replace(/\$?([A-Za-z_]\w*)/g, (_, name: string) => String(Number(process.env.get(name) ?? 0)));
  if (!/^[\d\s+\-*/%()<>=!]*$/.test(plain)) throw new ShellSyntax(`arithmetic syntax error: ${source}`);
  let at = 0;
  const letters = plain.replace(/\s/g, "");
  const atom = (): number => {
    if (letters[at] === "-") return (at += 1), -atom();
    if (letters[at] === "(") {
      at += 1;
      const value = sumOf();
      at += 1;
      return value;
    }
    const digits = /^\d+/.exec(letters.slice(at))?.[0] ?? "0";
    at += digits.length;
    return Number(digits);
  };
  const product = (): number => {
    let value = atom();
    for (let operator = letters[at]; operator === "*" || operator === "/" || operator === "%"; operator = letters[at]) {
      at += 1;
      const right = atom();
      value = operator === "*" ? value * right : operator === "/" ? Math.trunc(value / right) : value % right;
    }
    return value;
  };
  const sumOf = (): number => {
    let value = product();
    for (let operator = letters[at]; operator === "+" || operator === "-"; operator = letters[at]) {
      at += 1;
      value = operator === "+" ? value + product() : value - product();
    }
    return value;
  };
  return sumOf();
}

/** The words a word becomes: unquoted expansions are split at blanks. */
async function expanded(word: Word, process: Process, status: number): Promise<string[]> {
  const fields: string[] = [];
  let current: string | null = null;
  for (const part of word) {
    let value: string;
    if (part.kind === "text") value = part.text;
    else if (part.kind === "arithmetic") value = String(arithmetic(part.source, process));
    else if (part.kind === "command") value = await captured(part.source, process);
    else if (part.name === "?") value = String(status);
    else value = process.env.get(part.name) || (part.fallback ?? "");
    if (part.kind === "text" || part.isQuoted) {
      current = (current ?? "") + value;
      continue;
    }
    const pieces = value.split(/[ \t\n]+/);
    for (const [index, piece] of pieces.entries()) {
      if (index > 0 && current !== null) {
        fields.push(current);
        current = null;
      }
      if (piece !== "") current = (current ?? "") + piece;
    }
  }
  if (current !== null) fields.push(current);
  return fields;
}

async function captured(source: string, process: Process): Promise<string> {
  const chunks: Buffer[] = [];
  await runShell(source, { ...process, env: new Map(process.env), out: async (bytes) => void chunks.push(Buffer.from(bytes as Buffer)) });
  return Buffer.concat(chunks).toString("utf8").replace(/\n+$/, "");
}

class Runner {
  #status = 0;
  #rounds = 0;

  async run(command: Command, process: Process): Promise<number> {
    process.signal.throwIfAborted();
    this.#status = await this.#dispatch(command, process);
    return this.#status;
  }

  async #dispatch(command: Command, process: Process): Promise<number> {
    switch (command.kind) {
      case "list": {
        let status = 0;
        for (const each of command.commands) status = await this.run(each, process);
        return status;
      }
      case "andOr": {
        let status = await this.run(command.first, process);
        for (const { operator, command: next } of command.rest) if ((status === 0) === (operator === "&&")) status = await this.run(next, process);
        return status;
      }
      case "pipeline":
        return this.#pipeline(command.parts, command.isNegated, process);
      case "if": {
        for (const branch of command.branches) if ((await this.run(branch.condition, process)) === 0) return this.run(branch.body, process);
        return command.otherwise === null ? 0 : this.run(command.otherwise, process);
      }
      case "loop":
        return this.#redirected(command.redirects, process, async (inner) => {
          let status = 0;
          while (((await this.run(command.condition, inner)) === 0) !== command.isUntil) {
            status = await this.run(command.body, inner);
            await this.#breathe(inner);
          }
          return status;
        });
      case "for":
        return this.#redirected(command.redirects, process, async (inner) => {
          let status = 0;
          const values = (await Promise.all(command.words.map((word) => expanded(word, inner, this.#status)))).flat();
          for (const value of values) {
            inner.env.set(command.name, value);
            status = await this.run(command.body, inner);
            await this.#breathe(inner);
          }
          return status;
        });
      case "group":
        return this.#redirected(command.redirects, process, (inner) => (command.isSubshell ? subshell(command.body, inner) : this.run(command.body, inner)));
      case "simple":
        return this.#simple(command, process);
    }
  }

  /** A busy loop must not hold the whole simulator. */
  async #breathe(process: Process): Promise<void> {
    this.#rounds += 1;
    if (this.#rounds % roundsBetweenTurns === 0) await new Promise((resolve) => setImmediate(resolve));
    process.signal.throwIfAborted();
  }

  async #pipeline(parts: readonly Command[], isNegated: boolean, process: Process): Promise<number> {
    const pipes = parts.slice(1).map(() => new Pipe());
    const statuses = await Promise.all(
      parts.map(async (part, index) => {
        const before = pipes[index - 1];
        const after = pipes[index];
        const inner = { ...process, env: new Map(process.env), ...(before === undefined ? {} : { stdin: before.read() }), ...(after === undefined ? {} : { out: after.write }) };
        try {
          return await subshell(part, inner);
        } finally {
          after?.finish();
          before?.abandon();
        }
      }),
    );
    const status = statuses.at(-1)!;
    return isNegated ? Number(status === 0) : status;
  }

  async #simple(command: Command & { kind: "simple" }, process: Process): Promise<number> {
    const words: string[] = [];
    for (const word of command.words) words.push(...(await expanded(word, process, this.#status)));
    const sets: [string, string][] = [];
    for (const { name, value } of command.sets) sets.push([name, (await expanded(value, process, this.#status)).join(" ")]);
    const env = words.length === 0 ? process.env : new Map([...process.env, ...sets]);
    if (words.length === 0) {
      for (const [name, value] of sets) env.set(name, value);
      return this.#redirected(command.redirects, process, async () => 0);
    }
    // `export` and the like change the shell's own environment.
    return this.#redirected(command.redirects, sets.length === 0 ? process : { ...process, env }, (inner) => runProgram(words, inner));
  }

  async #redirected(redirects: readonly Redirect[], process: Process, body: (inner: Process) => Promise<number>): Promise<number> {
    if (redirects.length === 0) return body(process);
    let inner = process;
    for (const redirect of redirects) {
      const target = (await expanded(redirect.target, process, this.#status)).join(" ");
      if (redirect.kind === "copy") inner = redirect.fd === 2 ? { ...inner, err: inner.out } : { ...inner, out: inner.err };
      else if (redirect.kind === "read") {
        const content = target === "/dev/null" ? Buffer.alloc(0) : process.files.get(target);
        if (content === undefined) {
          await process.err(`sh: can't open ${target}: no such file\n`);
          return 1;
        }
        inner = { ...inner, stdin: ofBytes(content) };
      } else {
        if (redirect.kind === "write" && target !== "/dev/null") process.files.set(target, Buffer.alloc(0));
        const write: Output = async (bytes) => {
          if (target !== "/dev/null") process.files.set(target, Buffer.concat([process.files.get(target) ?? Buffer.alloc(0), Buffer.from(bytes as Buffer)]));
        };
        inner = redirect.fd === 2 ? { ...inner, err: write } : { ...inner, out: write };
      }
    }
    return body(inner);
  }
}

async function subshell(command: Command, process: Process): Promise<number> {
  try {
    return await new Runner().run(command, { ...process, env: new Map(process.env) });
  } catch (error) {
    if (error instanceof ExitShell) return error.code;
    if (error instanceof BrokenPipe) return 141;
    throw error;
  }
}

/** Runs one program by its words, as `exec` does; 127 when there is none of that name. */
export async function runProgram(words: readonly string[], process: Process): Promise<number> {
  const [path = "", ...rest] = words;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const program = process.programs[name];
  if (program !== undefined) return program(rest, process);
  await process.err(`sh: ${path}: not found\n`);
  return 127;
}

export async function runShell(source: string, process: Process): Promise<number> {
  try {
    return await new Runner().run(parseShell(source), process);
  } catch (error) {
    if (error instanceof ExitShell) return error.code;
    if (error instanceof BrokenPipe) return 141;
    if (!(error instanceof ShellSyntax)) throw error;
    await process.err(`sh: ${error.message}\n`);
    return 2;
  }
}
