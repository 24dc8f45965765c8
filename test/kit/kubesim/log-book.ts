// What one container wrote: lines with their times, bounded, for readers that follow. A book may be given bulk: megabytes of made lines
// before the real ones, produced while they are read, so that a 100 MB log costs no memory.
import { EventEmitter } from "node:events";

export interface LogLine {
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** As a node's log rotation would: the oldest go. */
const heldBytesMax = 32 * 1024 * 1024;
const bulkLineBytes = 128;

/** Exactly `bytes` of numbered lines, the same each time: a test may hash them on both ends. */
export function* bulkLines(bytes: number): Generator<Buffer> {
  const batchLines = 512;
  for (let sent = 0, number = 0; sent < bytes; ) {
    let batch = "";
    for (let index = 0; index < batchLines; index += 1, number += 1) batch += `${String(number).padStart(12, "0")} `.padEnd(bulkLineBytes - 1, "abcdefghijklmnop") + "\n";
    const chunk = Buffer.from(batch).subarray(0, bytes - sent);
    sent += chunk.length;
    yield chunk;
  }
}

export class LogBook {
  readonly #lines: LogLine[] = [];
  readonly #events = new EventEmitter().setMaxListeners(0);
  #heldBytes = 0;
  #partial: Buffer = Buffer.alloc(0);
  #isFinished = false;
  bulkBytes = 0;

  get isFinished(): boolean {
    return this.#isFinished;
  }

  lines(): readonly LogLine[] {
    return this.#lines;
  }

  append(bytes: Buffer, atMs: number): void {
    let rest = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#push({ atMs, bytes: Buffer.from(rest.subarray(0, end + 1)) });
      rest = rest.subarray(end + 1);
    }
    this.#partial = Buffer.from(rest);
  }

  finish(atMs: number): void {
    if (this.#partial.length > 0) this.#push({ atMs, bytes: this.#partial });
    this.#partial = Buffer.alloc(0);
    this.#isFinished = true;
    this.#events.emit("finish");
  }

  onLine(listener: (line: LogLine) => void): () => void {
    this.#events.on("line", listener);
    return () => this.#events.off("line", listener);
  }

  onFinish(listener: () => void): () => void {
    this.#events.once("finish", listener);
    return () => this.#events.off("finish", listener);
  }

  #push(line: LogLine): void {
    this.#lines.push(line);
    this.#heldBytes += line.bytes.length;
    while (this.#heldBytes > heldBytesMax) this.#heldBytes -= this.#lines.shift()!.bytes.length;
    this.#events.emit("line", line);
  }
}
