// What a Link asks of its socket, without one: messages that it sends go to a function, messages to it are said by hand. Stands for shared/link/frame-socket.ts in
// the fast ring; every test of test/e2e runs the real one.
import type { FrameSocket } from "../../shared/link/frame-socket.ts";

export class FakeSocket {
  bufferedOctets = 0;
  octetsRead = 0;
  octetsWritten = 0;
  isClosed = false;
  readonly ended: Promise<{ closeCode: number; error: null }>;
  #resolve!: (end: { closeCode: number; error: null }) => void;
  #onRead: () => void = () => {};
  #take: (message: Buffer) => void = () => {};
  readonly #hear: (message: Uint8Array) => void;

  /** `hear`: the other end's read. */
  constructor(hear: (message: Uint8Array) => void) {
    this.#hear = hear;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** As the link wants it typed. */
  get port(): FrameSocket {
    return this as unknown as FrameSocket;
  }

  /** The other end sends. */
  say(message: Uint8Array): void {
    this.octetsRead += message.length;
    this.#onRead();
    this.#take(Buffer.from(message));
  }

  onDrain(): void {}

  onRead(tell: () => void): void {
    this.#onRead = tell;
  }

  attach(take: (message: Buffer) => void): void {
    this.#take = take;
  }

  allocate(octets: number): Uint8Array {
    return new Uint8Array(octets);
  }

  sendMessage(message: Uint8Array): void {
    this.octetsWritten += message.length;
    this.#hear(Uint8Array.from(message));
  }

  flush(): void {}

  close(): void {
    this.isClosed = true;
    this.#resolve({ closeCode: 1_000, error: null });
  }

  terminate(): void {
    this.close();
  }
}
