// What a process wrote to its database, as strace saw it: every write, cut, removal and synchronisation of the file and of what SQLite puts beside it, with its
// octets and the moments at which it began and ended (the machine's clock, ms). One trace file a thread, so that no line is split between two.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** More than SQLite writes at once: a page and the header of its frame. */
const octetsShown = 16_384;
const CALLS = "openat,pwrite64,pwritev,write,ftruncate,fsync,fdatasync,unlink,rename";

export interface DiskOp {
  readonly kind: "write" | "truncate" | "sync" | "remove";
  /** Its name; "" is the folder itself, whose synchronisation makes removals last. */
  readonly file: string;
  readonly offset: number;
  readonly octets: Buffer;
  /** After a truncation. */
  readonly size: number;
  readonly beganMs: number;
  readonly endedMs: number;
}

/** Null when strace is here and may trace. */
export function straceMissing(): string | null {
  const tried = spawnSync("strace", ["-D", "--seccomp-bpf", "-f", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (tried.error !== undefined) return "it traces real processes, and strace is not installed (apt-get install strace)";
  return tried.status === 0 ? null : `it traces real processes, and strace cannot: ${tried.stderr.trim()}`;
}

/** What is put in front of a command; the tracer is nobody's parent, so signals and exit codes are the command's own. */
export function tracedInto(dir: string): string[] {
  return ["strace", "-D", "-ff", "--seccomp-bpf", "-y", "-xx", "-s", String(octetsShown), "-ttt", "-T", "-e", `trace=${CALLS}`, "-e", "status=successful", "-o", join(dir, "trace")];
}

const LINE = /^(\d+\.\d+) (\w+)\((.*)\) = (\d+)\S* <(\d+\.\d+)>$/;
const DESCRIPTOR = /^\d+<([^>]*)>/;

function bytesOf(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll("\\x", ""), "hex");
}

/** Operations on `database` and its companions, in the order in which they began. Throws on a way of writing that it does not know: a gap would prove nothing. */
export function diskOps(dir: string, database: string): DiskOp[] {
  const folder = dirname(database);
  const ours = new RegExp(`^${basename(database)}(-wal|-journal|-shm)?$`);
  const ops: DiskOp[] = [];
  for (const name of readdirSync(dir)) {
    for (const line of readFileSync(join(dir, name), "latin1").split("\n")) {
      const found = LINE.exec(line);
      if (found === null || found[2] === "openat") continue;
      const op = parseCall(found, (path) => (path === folder ? "" : dirname(path) === folder && ours.test(basename(path)) ? basename(path) : null));
      if (op !== null) ops.push(op);
    }
  }
  return ops.sort((left, right) => left.beganMs - right.beganMs);
}

function parseCall([, began, call, args, result, took]: RegExpExecArray, fileOf: (path: string) => string | null): DiskOp | null {
  const path = call === "unlink" || call === "rename" ? /^"([^"]*)"/.exec(args!)?.[1] : DESCRIPTOR.exec(args!)?.[1];
  const file = path === undefined ? null : fileOf(bytesOf(path).toString("utf8"));
  if (file === null) return null;
  const beganMs = Number(began) * 1_000;
  const op = { file, offset: 0, octets: Buffer.alloc(0), size: 0, beganMs, endedMs: beganMs + Number(took) * 1_000 };
  switch (call) {
    case "pwrite64": {
      const parts = /^[^,]*, "([^"]*)"(\.*), \d+, (\d+)$/.exec(args!);
      if (parts === null || parts[2] !== "") throw new Error(`a write that strace did not show whole: ${args!.slice(-80)}`);
      return { ...op, kind: "write", octets: bytesOf(parts[1]!).subarray(0, Number(result)), offset: Number(parts[3]) };
    }
    case "ftruncate":
      return { ...op, kind: "truncate", size: Number(/, (?:0x)?(\d+)$/.exec(args!)![1]) };
    case "fsync":
    case "fdatasync":
      return { ...op, kind: "sync" };
    case "unlink":
      return { ...op, kind: "remove" };
    default:
      throw new Error(`${call} on ${file} is not known here`);
  }
}
