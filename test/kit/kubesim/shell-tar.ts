// tar in both directions over a container's files, enough for `kubectl cp`: regular files and folders, long names by ustar prefix, GNU
// and pax headers. A container's files are a map of absolute paths; folders exist by what is in them.
import { inputs, resolved, type Process } from "./process.ts";

const recordBytes = 512;

function headerOf(name: string, bytes: number, wallMs: number, isFolder: boolean): Buffer {
  const header = Buffer.alloc(recordBytes);
  const cut = Buffer.byteLength(name) > 100 ? name.lastIndexOf("/", 155) : -1;
  header.write(cut < 0 ? name : name.slice(cut + 1), 0, 100);
  if (cut >= 0) header.write(name.slice(0, cut), 345, 155);
  header.write(isFolder ? "0000755\0" : "0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124);
  header.write(`${Math.floor(wallMs / 1000).toString(8).padStart(11, "0")}\0`, 136);
  header.write("        ", 148);
  header.write(isFolder ? "5" : "0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

const paddingOf = (bytes: number): Buffer => Buffer.alloc((recordBytes - (bytes % recordBytes)) % recordBytes);

async function pack(names: readonly string[], folder: string, process: Process): Promise<number> {
  let status = 0;
  for (const name of names) {
    const base = resolved(folder === "" ? name : `${folder}/${name}`, process);
    const shown = (path: string): string => (name.replace(/^\/+/, "").replace(/\/$/, "") + path.slice(base.length)).replace(/^\/+/, "");
    const found = [...process.files].filter(([path]) => path === base || path.startsWith(`${base === "/" ? "" : base}/`)).sort(([left], [right]) => (left < right ? -1 : 1));
    if (found.length === 0) {
      await process.err(`tar: ${name}: No such file or directory\n`);
      status = 1;
    }
    for (const [path, content] of found) {
      await process.out(Buffer.concat([headerOf(shown(path), content.length, process.wallMs(), false), content, paddingOf(content.length)]));
    }
  }
  await process.out(Buffer.alloc(recordBytes * 2));
  return status;
}

/** Reads exact numbers of bytes from chunks of any size. */
class BlockReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Null at the end of input. */
  async take(bytes: number): Promise<Buffer | null> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < bytes) {
      const next = await this.#chunks.next();
      if (next.done === true) return null;
      parts.push(next.value);
      have += next.value.length;
    }
    const whole = Buffer.concat(parts);
    this.#rest = whole.subarray(bytes);
    return whole.subarray(0, bytes);
  }

  async drain(): Promise<void> {
    while ((await this.#chunks.next()).done !== true);
  }
}

const fieldText = (header: Buffer, at: number, bytes: number): string => header.toString("utf8", at, at + bytes).replace(/\0.*$/s, "");

function paxPath(content: Buffer): string | null {
  const match = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content.toString("utf8"));
  return match === null ? null : match[1]!;
}

async function unpack(folder: string, input: AsyncIterable<Buffer>, process: Process): Promise<number> {
  const reader = new BlockReader(input);
  let longName: string | null = null;
  for (let header = await reader.take(recordBytes); header !== null && header[0] !== 0; header = await reader.take(recordBytes)) {
    const bytes = Number.parseInt(fieldText(header, 124, 12).trim() || "0", 8);
    const kind = String.fromCharCode(header[156]!);
    const padded = bytes + paddingOf(bytes).length;
    const content = padded === 0 ? Buffer.alloc(0) : await reader.take(padded);
    if (content === null) {
      await process.err("tar: short read\n");
      return 1;
    }
    const body = content.subarray(0, bytes);
    if (kind === "L") longName = body.toString("utf8").replace(/\0.*$/s, "");
    else if (kind === "x") longName = paxPath(body);
    else {
      const prefix = fieldText(header, 345, 155);
      const name = longName ?? (prefix === "" ? "" : `${prefix}/`) + fieldText(header, 0, 100);
      longName = null;
      if (kind === "0" || kind === "\0") process.files.set(resolved(`${folder === "" ? "." : folder}/${name}`, process), Buffer.from(body));
    }
  }
  await reader.drain();
  return 0;
}

export async function tar(words: readonly string[], process: Process): Promise<number> {
  const rest = [...words];
  const flags = /^-?[a-zA-Z]+$/.test(rest[0] ?? "") ? rest.shift()! : "";
  let folder = "";
  let file = "-";
  const names: string[] = [];
  if (/f/.test(flags)) file = rest.shift() ?? "-";
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "-C") folder = rest.shift() ?? "";
    else if (word === "-f") file = rest.shift() ?? "-";
    else if (!word.startsWith("-")) names.push(word);
  }
  if (flags.includes("c")) return pack(names, folder, process);
  if (flags.includes("x")) return unpack(folder, inputs([file], process), process);
  await process.err("tar: must specify one of -c, -x\n");
  return 1;
}
