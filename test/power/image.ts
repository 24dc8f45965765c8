// The disk after a power cut, made from what a process wrote: all that was synchronised by then, and of the rest what the drive happened to have written. A sector (512
// octets) arrives whole, as it was after some write to it, or not at all; sectors of one write have each their own luck, and a removal or a cut of a file may
// not have arrived either.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../shared/kit/random.ts";
import type { DiskOp } from "./trace.ts";

const sectorBytes = 512;
/** How much of what was not synchronised arrives: all (a kill, no power cut), none, or some. */
const LUCK = [0, 0.1, 0.5, 0.9, 1] as const;

/** Per file, the first operation that is not surely on the disk at that moment. A folder's synchronisation makes removals before it last. */
function unsynced(ops: readonly DiskOp[], atMs: number): { isSure: (index: number) => boolean; until: number } {
  const surely = new Map<string, number>();
  let until = 0;
  for (const [index, op] of ops.entries()) {
    if (op.beganMs > atMs) break;
    until = index + 1;
    if (op.kind === "sync" && op.endedMs <= atMs) surely.set(op.file, index);
  }
  return { until, isSure: (index) => index < (surely.get(ops[index]!.kind === "remove" ? "" : ops[index]!.file) ?? -1) };
}

interface FileImage {
  octets: Buffer;
  size: number;
  /** Sectors that were written for the last time. */
  readonly settled: Set<number>;
}

function write(image: FileImage, op: DiskOp, arrives: (() => boolean) | null): void {
  const end = op.offset + op.octets.length;
  if (end > image.octets.length) {
    const larger = Buffer.alloc(Math.max(end, 2 * image.octets.length));
    image.octets.copy(larger, 0, 0, image.size);
    image.octets = larger;
  }
  for (let at = op.offset; at < end; ) {
    const sector = Math.floor(at / sectorBytes);
    const next = Math.min(end, (sector + 1) * sectorBytes);
    if (arrives !== null && !image.settled.has(sector) && !arrives()) image.settled.add(sector);
    if (!image.settled.has(sector)) {
      op.octets.copy(image.octets, at, at - op.offset, next - op.offset);
      image.size = Math.max(image.size, next);
    }
    at = next;
  }
}

/** The files as they may be after a power cut at that moment, by name. */
export function imageAt(ops: readonly DiskOp[], atMs: number, random: Random): Map<string, Buffer> {
  const luck = LUCK[Math.floor(random() * LUCK.length)]!;
  const arrives = (): boolean => random() < luck;
  const files = new Map<string, FileImage>();
  const { until, isSure } = unsynced(ops, atMs);
  for (const [index, op] of ops.slice(0, until).entries()) {
    if (op.kind === "sync") continue;
    const isOnDisk = isSure(index);
    if (op.kind === "remove") {
      if (isOnDisk || arrives()) files.delete(op.file);
      continue;
    }
    const image = files.get(op.file) ?? { octets: Buffer.alloc(0), size: 0, settled: new Set<number>() };
    files.set(op.file, image);
    if (op.kind === "write") write(image, op, isOnDisk ? null : arrives);
    else if (isOnDisk || arrives()) {
      image.size = Math.min(image.size, op.size);
      image.octets.fill(0, image.size);
    }
  }
  return new Map([...files].map(([name, { octets, size }]) => [name, octets.subarray(0, size)]));
}

export function putImage(dir: string, image: ReadonlyMap<string, Buffer>): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { mode: 0o700 });
  for (const [name, octets] of image) writeFileSync(join(dir, name), octets, { mode: 0o600 });
}
