// The server's side of one SPDY/3.1 transport: accepts the client's streams, answers them, moves their bytes. It runs on any Duplex: an
// upgraded socket, or a WebSocket that carries SPDY inside. Ends when the transport ends; every stream ends with it.
import type { Duplex } from "node:stream";
import { controlFrame, payloadFrame, finFlag, frameType, framesOf, wordBody, type Frame } from "./spdy-frames.ts";
import { HeaderReader, HeaderWriter, type Headers } from "./spdy-headers.ts";

/** Bytes one stream may hold unread before it stops the reading of the transport. */
const unreadBytesMax = 4 * 1024 * 1024;
const writeBytesMax = 32 * 1024;
const streamsMax = 4096;
const resetCancel = 5;

export class SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  readonly #link: SpdyLink;
  readonly #chunks: Buffer[] = [];
  #unreadBytes = 0;
  #isInputOver = false;
  #isOutputOver = false;
  #wake: () => void = () => undefined;
  #wakeReader: () => void = () => undefined;

  constructor(link: SpdyLink, id: number, headers: Headers) {
    this.#link = link;
    this.id = id;
    this.headers = headers;
  }

  /** The client's bytes until it half-closes or the transport ends. */
  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#unreadBytes -= chunk.length;
        this.#wake();
        yield chunk;
      } else if (this.#isInputOver) return;
      else await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  async write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isOutputOver; at += writeBytesMax) await this.#link.send(payloadFrame(this.id, bytes.subarray(at, at + writeBytesMax), false));
  }

  /** Half-closes towards the client. */
  async finish(): Promise<void> {
    if (this.#isOutputOver) return;
    this.#isOutputOver = true;
    await this.#link.send(payloadFrame(this.id, Buffer.alloc(0), true));
  }

  async reset(): Promise<void> {
    this.#isOutputOver = true;
    this.endInput();
    await this.#link.send(controlFrame(frameType.reset, 0, wordBody(this.id, resetCancel)));
  }

  /** Takes bytes from the transport; waits while the reader is too far behind. */
  async take(bytes: Buffer): Promise<void> {
    if (this.#isInputOver || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#unreadBytes += bytes.length;
    this.#wakeReader();
    while (this.#unreadBytes > unreadBytesMax && !this.#isInputOver) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  endInput(): void {
    this.#isInputOver = true;
    this.#wakeReader();
    this.#wake();
  }

  /** The peer or the transport is gone: nothing more can be written. */
  abandon(): void {
    this.#isOutputOver = true;
    this.endInput();
  }
}

export class SpdyLink {
  readonly #transport: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #reader = new HeaderReader();
  readonly #writer = new HeaderWriter();
  readonly #over = new AbortController();

  constructor(transport: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
    transport.on("error", () => this.#end());
    transport.once("close", () => this.#end());
  }

  /** Aborts when the transport has ended. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Reads frames until the transport ends. */
  async run(): Promise<void> {
    try {
      for await (const frame of framesOf(this.#transport as AsyncIterable<Buffer>)) await this.#handle(frame);
    } catch {
      this.#transport.destroy();
    } finally {
      this.#end();
    }
  }

  async send(frame: Buffer): Promise<void> {
    if (this.#over.signal.aborted || this.#transport.writableEnded || this.#transport.destroyed) return;
    if (this.#transport.write(frame)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#transport.off("drain", done);
        this.#over.signal.removeEventListener("abort", done);
        resolve();
      };
      this.#transport.once("drain", done);
      this.#over.signal.addEventListener("abort", done, { once: true });
    });
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.kind === "payload") {
      const stream = this.#streams.get(frame.stream);
      await stream?.take(frame.body);
      if (frame.isLast) stream?.endInput();
      return;
    }
    const { type, flags, body } = frame;
    if (type === frameType.synStream) await this.#open(body, (flags & finFlag) !== 0);
    else if (type === frameType.headers || type === frameType.synReply) await this.#reader.read(body.subarray(4));
    else if (type === frameType.ping) await this.send(controlFrame(frameType.ping, 0, body));
    else if (type === frameType.reset) {
      this.#streams.get(body.readUInt32BE(0))?.abandon();
      this.#streams.delete(body.readUInt32BE(0));
    }
  }

  async #open(body: Buffer, isInputOver: boolean): Promise<void> {
    const id = body.readUInt32BE(0);
    // stream id 4 | associated id 4 | priority and slot 2 | headers
    const headers = await this.#reader.read(body.subarray(10));
    if (this.#streams.size >= streamsMax) throw new RangeError("too many SPDY streams");
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    if (isInputOver) stream.endInput();
    await this.send(controlFrame(frameType.synReply, 0, Buffer.concat([wordBody(id), this.#writer.write({})])));
    this.#onStream(stream);
  }

  forget(stream: SpdyStream): void {
    this.#streams.delete(stream.id);
  }

  /** Sends what is waiting, says goodbye, and closes. */
  async close(): Promise<void> {
    const last = Math.max(0, ...this.#streams.keys());
    await this.send(controlFrame(frameType.goAway, 0, wordBody(last, 0)));
    this.#transport.end();
  }

  #end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(new Error("the transport has ended"));
    for (const stream of this.#streams.values()) stream.abandon();
    this.#reader.close();
  }
}
