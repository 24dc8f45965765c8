// Bytes from one side that pushes to one side that reads in its own time. Tells its owner how much waits, so that the owner can stop
// reading the source.

export class ByteQueue {
  readonly #onLevel: (waitingBytes: number) => unknown;
  readonly #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(onLevel: (waitingBytes: number) => unknown = () => undefined) {
    this.#onLevel = onLevel;
  }

  push(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#chunks.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#onLevel(this.#waitingBytes);
    this.#wake();
  }

  finish(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length;
        this.#onLevel(this.#waitingBytes);
        yield chunk;
      } else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
