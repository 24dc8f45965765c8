// Room that is kept back on a database's disk. Promises: really written, so that no other file has its blocks; given up first when the disk is full, so that deletes,
// purges and results can go on; made again once there is clearly room. While it is away the store takes nothing that brings new work. Whether it is whole is read
// from the disk: a restart on a full disk changes nothing. Never throws: a disk without room for it is a state and no failure. Called by store-engine.ts.
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** What a checkpoint leaves of the write-ahead log (SQLite's journal size limit), and the most that one call writes on a full disk, where calls run one by one: an outcome of 256 KiB, twice. */
export const walBytesKept = 4 * 1_048_576;
/** Twice the log: what stands in it has to find room in the database as well before the log starts anew. */
export const ballastBytes = 2 * walBytesKept;
/** Free room from which it is made: itself and as much again, or the next order would take it away at once. */
export const ballastNeedsBytes = 2 * ballastBytes;
const blockBytes = 1_048_576;

export class Ballast {
  readonly #path: string;
  readonly #freeBytes: () => number;
  #isWhole: boolean;

  /** `file` is the database; `freeBytes` is for tests. */
  constructor(file: string, freeBytes: () => number = () => freeBytesAt(dirname(file))) {
    this.#path = `${file}.ballast`;
    this.#freeBytes = freeBytes;
    this.#isWhole = sizeOf(this.#path) === ballastBytes; // written from its beginning to its end: its size says whether it is whole
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Gives its room to the disk. False when there was none to give. */
  release(): boolean {
    if (!this.#isWhole) return false;
    this.#isWhole = false;
    return this.#remove();
  }

  /** Made again when there is room for it and for as much again. */
  restore(): void {
    if (this.#isWhole) return;
    try {
      if (this.#freeBytes() < ballastNeedsBytes) return;
      this.#write();
      this.#isWhole = true;
    } catch {
      this.#remove(); // somebody was faster: half of it helps nobody
    }
  }

  #write(): void {
    const block = randomBytes(blockBytes); // a file system that packs or finds zeros would keep nothing back
    const file = openSync(this.#path, "w", 0o600);
    try {
      for (let written = 0; written < ballastBytes; ) written += writeSync(file, block, 0, Math.min(blockBytes, ballastBytes - written));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #remove(): boolean {
    try {
      rmSync(this.#path, { force: true });
      return true;
    } catch {
      return false;
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function freeBytesAt(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
