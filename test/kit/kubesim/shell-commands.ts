// The programs of a simulated container, as small as busybox's: enough for logs, jobs, exec tests (exit codes, stdin hashes, large
// outputs) and for looking around. Each takes its arguments and a Process and answers an exit code.
import { createHash } from "node:crypto";
import { blockBytes, ExitShell, inputs, resolved, type Process, type Program } from "./process.ts";
import { runProgram, runShell } from "./shell.ts";
import { tar } from "./shell-tar.ts";
import { interactive } from "./terminal.ts";

const operands = (words: readonly string[]): string[] => words.filter((word) => word === "-" || !word.startsWith("-"));

function byteCount(source: string): number {
  const match = /^(\d+)([kKMG]?)/.exec(source);
  const units: Record<string, number> = { "": 1, k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
  return match === null ? 0 : Number(match[1]) * units[match[2]!]!;
}

/** The value of `-n 5`, `-n5` or `-5`. */
function option(words: readonly string[], letter: string): string | null {
  const index = words.findIndex((word) => word.startsWith(`-${letter}`));
  if (index < 0) return null;
  return words[index]!.length > 2 ? words[index]!.slice(2) : (words[index + 1] ?? "");
}

async function copyFirst(bytesMax: number, names: readonly string[], process: Process): Promise<number> {
  let left = bytesMax;
  if (left === 0) return 0;
  for await (const chunk of inputs(names, process)) {
    process.signal.throwIfAborted();
    await process.out(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
  return 0;
}

async function head(words: readonly string[], process: Process): Promise<number> {
  const bytes = option(words, "c");
  const lines = option(words, "n");
  const names = operands(words).filter((word) => word !== bytes && word !== lines);
  if (bytes !== null) return copyFirst(byteCount(bytes), names, process);
  let left = Number(lines ?? words.find((word) => /^-\d+$/.test(word))?.slice(1) ?? 10);
  for await (const chunk of inputs(names, process)) {
    const pieces = chunk.toString("latin1").split(/(?<=\n)/);
    const taken = pieces.slice(0, left);
    await process.out(Buffer.from(taken.join(""), "latin1"));
    left -= taken.filter((piece) => piece.endsWith("\n")).length;
    if (left <= 0) break;
  }
  return 0;
}

async function textOf(names: readonly string[], process: Process): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of inputs(names, process)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function wordCount(words: readonly string[], process: Process): Promise<number> {
  let bytes = 0;
  let lines = 0;
  for await (const chunk of inputs(operands(words), process)) {
    bytes += chunk.length;
    for (const byte of chunk) if (byte === 10) lines += 1;
  }
  await process.out(`${words.includes("-l") ? lines : words.includes("-c") ? bytes : `${lines} ${bytes}`}\n`);
  return 0;
}

const digest =
  (algorithm: string): Program =>
  async (words, process) => {
    const hash = createHash(algorithm);
    const names = operands(words);
    for await (const chunk of inputs(names, process)) hash.update(chunk);
    await process.out(`${hash.digest("hex")}  ${names[0] ?? "-"}\n`);
    return 0;
  };

async function copyBlocks(words: readonly string[], process: Process): Promise<number> {
  const given = Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
  const block = byteCount(given["bs"] ?? "512");
  const wanted = given["count"] === undefined ? Number.POSITIVE_INFINITY : block * Number(given["count"]);
  let copied = 0;
  const target = given["of"];
  const kept: Buffer[] = [];
  if (wanted > 0) {
    for await (const chunk of inputs(given["if"] === undefined ? [] : [given["if"]], process)) {
      process.signal.throwIfAborted();
      const piece = chunk.subarray(0, wanted - copied);
      if (target === undefined) await process.out(piece);
      else if (target !== "/dev/null") kept.push(Buffer.from(piece));
      copied += piece.length;
      if (copied >= wanted) break;
    }
  }
  if (target !== undefined && target !== "/dev/null") process.files.set(resolved(target, process), Buffer.concat(kept));
  await process.err(`${copied} bytes copied\n`);
  return 0;
}

function printed(format: string, values: readonly string[]): string {
  let next = 0;
  return format
    .replaceAll("\\n", "\n")
    .replaceAll("\\t", "\t")
    .replace(/%([sd%])/g, (_, letter: string) => (letter === "%" ? "%" : (values[next++] ?? "")));
}

async function test(words: readonly string[], process: Process): Promise<number> {
  const [first = "", second, third = ""] = words;
  if (first === "!") return Number((await test(words.slice(1), process)) === 0);
  if (words.length <= 1) return Number(first === "");
  const path = resolved(second ?? "", process);
  const isFolder = [...process.files.keys()].some((name) => name.startsWith(`${path === "/" ? "" : path}/`));
  if (words.length === 2) {
    const unary: Record<string, boolean> = { "-n": second !== "", "-z": second === "", "-f": process.files.has(path), "-e": process.files.has(path) || isFolder, "-d": isFolder || path === "/" || path === "/tmp", "-t": process.isTty };
    return Number(!(unary[first] ?? false));
  }
  const binary: Record<string, boolean> = { "=": first === third, "==": first === third, "!=": first !== third, "-eq": Number(first) === Number(third), "-ne": Number(first) !== Number(third), "-lt": Number(first) < Number(third), "-le": Number(first) <= Number(third), "-gt": Number(first) > Number(third), "-ge": Number(first) >= Number(third) };
  return Number(!(binary[second!] ?? false));
}

async function listFiles(words: readonly string[], process: Process): Promise<number> {
  const name = operands(words)[0] ?? ".";
  const path = resolved(name, process);
  if (process.files.has(path)) return process.out(`${name}\n`).then(() => 0);
  const prefix = path === "/" ? "/" : `${path}/`;
  const children = new Set([...process.files.keys()].filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length).split("/")[0]!));
  if (path === "/") for (const folder of ["bin", "dev", "etc", "proc", "tmp"]) children.add(folder);
  if (children.size === 0 && !["/tmp", "/"].includes(path)) {
    await process.err(`ls: ${name}: No such file or directory\n`);
    return 1;
  }
  await process.out([...children].sort().map((child) => `${child}\n`).join(""));
  return 0;
}

async function sh(words: readonly string[], process: Process): Promise<number> {
  const at = words.findIndex((word) => /^-[a-z]*c$/.test(word));
  if (at >= 0) return runShell(words[at + 1] ?? "", { ...process, env: withArguments(process.env, words.slice(at + 2)) });
  return process.isTty ? interactive(process, (line) => runShellKeepingExit(line, process)) : runShell(await textOf([], process), process);
}

/** `sh -c SCRIPT NAME ARGUMENT...`: $0, $1 and so on, and $@. */
function withArguments(env: ReadonlyMap<string, string>, words: readonly string[]): Map<string, string> {
  const numbered = words.map((word, index): [string, string] => [String(index), word]);
  return new Map([...env, ...numbered, ["@", words.slice(1).join(" ")], ["#", String(Math.max(0, words.length - 1))]]);
}

/** In an interactive shell `exit` must end the shell, not only its line. */
async function runShellKeepingExit(line: string, process: Process): Promise<number> {
  const match = /^\s*exit(?:\s+(\d+))?\s*$/.exec(line);
  if (match !== null) throw new ExitShell(Number(match[1] ?? 0));
  return runShell(line, process);
}

const say =
  (text: (process: Process) => string): Program =>
  async (_words, process) => {
    await process.out(`${text(process)}\n`);
    return 0;
  };

const environment = (process: Process): string => [...process.env].filter(([name]) => /^[A-Za-z_]/.test(name)).map(([name, value]) => `${name}=${value}`).join("\n");

export const commands: Readonly<Record<string, Program>> = {
  ":": async () => 0,
  true: async () => 0,
  false: async () => 1,
  set: async () => 0,
  trap: async () => 0,
  chmod: async () => 0,
  mkdir: async () => 0,
  exit: async (words) => {
    throw new ExitShell(Number(words[0] ?? 0) & 0xff);
  },
  exec: async (words, process) => (words.length === 0 ? 0 : runProgram(words, process)),
  sh,
  bash: sh,
  ash: sh,
  echo: async (words, process) => {
    const isEscaped = words[0] === "-e" || words[0] === "-ne";
    const hasNoBreak = words[0] === "-n" || words[0] === "-ne";
    const rest = (isEscaped || hasNoBreak ? words.slice(1) : words).join(" ");
    await process.out((isEscaped ? rest.replaceAll("\\n", "\n").replaceAll("\\t", "\t") : rest) + (hasNoBreak ? "" : "\n"));
    return 0;
  },
  printf: async ([format = "", ...values], process) => process.out(printed(format, values)).then(() => 0),
  cat: async (words, process) => {
    const names = operands(words);
    const missing = names.filter((name) => !/^(-|\/dev\/(null|zero|u?random))$/.test(name) && !process.files.has(resolved(name, process)));
    for await (const chunk of inputs(names, process)) await process.out(chunk);
    return missing.length === 0 ? 0 : 1;
  },
  head,
  wc: wordCount,
  sha256sum: digest("sha256"),
  md5sum: digest("md5"),
  dd: copyBlocks,
  tar,
  ls: listFiles,
  test,
  "[": (words, process) => test(words.slice(0, -1), process),
  env: async (words, process) => (words.length === 0 ? process.out(`${environment(process)}\n`).then(() => 0) : runProgram(words, process)),
  printenv: async ([name], process) => {
    if (name === undefined) return process.out(`${environment(process)}\n`).then(() => 0);
    if (!process.env.has(name)) return 1;
    return process.out(`${process.env.get(name)}\n`).then(() => 0);
  },
  export: async (words, process) => {
    for (const word of words) if (word.includes("=")) process.env.set(word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1));
    return 0;
  },
  cd: async ([path = "/"], process) => {
    process.env.set("PWD", resolved(path, process));
    return 0;
  },
  rm: async (words, process) => {
    for (const name of operands(words)) {
      const path = resolved(name, process);
      for (const file of Array.from(process.files.keys())) if (file === path || file.startsWith(`${path}/`)) process.files.delete(file);
    }
    return 0;
  },
  tty: async (_words, process) => process.out(process.isTty ? "/dev/pts/0\n" : "not a tty\n").then(() => Number(!process.isTty)),
  stty: async (_words, process) => process.out(`${process.terminalSize().rows} ${process.terminalSize().columns}\n`).then(() => 0),
  sleep: async ([length = "0"], process) => {
    const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    await process.sleep(length === "infinity" ? 2_000_000_000 : Number.parseFloat(length) * (units[length.at(-1)!] ?? 1000));
    return 0;
  },
  seq: async (words, process) => {
    const numbers = words.map(Number);
    const first = numbers.length > 1 ? numbers[0]! : 1;
    const last = numbers.at(-1)!;
    let batch = "";
    for (let value = first; value <= last; value += 1) {
      batch += `${value}\n`;
      if (batch.length < blockBytes) continue;
      await process.out(batch);
      batch = "";
    }
    if (batch !== "") await process.out(batch);
    return 0;
  },
  yes: async ([word = "y"], process) => {
    const block = `${word}\n`.repeat(Math.ceil(blockBytes / (word.length + 1)));
    while (!process.signal.aborted) await process.out(block);
    return 0;
  },
  grep: async (words, process) => {
    const [pattern = "", ...names] = operands(words);
    const lines = (await textOf(names, process)).split("\n").filter((line) => new RegExp(pattern).test(line) !== words.includes("-v"));
    if (lines.length > 0 && !words.includes("-q")) await process.out(`${lines.join("\n")}\n`);
    return Number(lines.length === 0);
  },
  date: say((process) => new Date(process.wallMs()).toUTCString()),
  hostname: say((process) => process.env.get("HOSTNAME") ?? "localhost"),
  pwd: say((process) => process.env.get("PWD") ?? "/"),
  whoami: say(() => "root"),
  id: say(() => "uid=0(root) gid=0(root) groups=0(root)"),
  uname: say(() => "Linux"),
};
