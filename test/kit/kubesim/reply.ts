// One answer being written: head, chunks under back-pressure, end. Faults bend it (a delay, a trickle, a stall, a cut in the middle)
// without the handlers knowing. A write after the client left rejects, which ends the handler.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pause, type Clock } from "../../../shared/kit/clock.ts";
import type { AuditEntry } from "./audit.ts";

export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** How long an early answer's socket stays open for reading. */
const lingerMs = 500;

/** How a fault bends the body. Bytes are counted from the body's start. */
export type Bend =
  | { readonly kind: "reset"; readonly afterBytes: number }
  | { readonly kind: "close"; readonly afterBytes: number }
  | { readonly kind: "stall"; readonly afterBytes: number }
  | { readonly kind: "halfChunk"; readonly afterBytes: number }
  | { readonly kind: "slow"; readonly bytesPerSecond: number };

export class Reply {
  readonly #response: ServerResponse;
  readonly #entry: AuditEntry;
  readonly #clock: Clock;
  readonly #gone = new AbortController();
  #bend: Bend | null = null;
  #sentBytes = 0;
  #isAnswered = false;

  constructor(response: ServerResponse, entry: AuditEntry, clock: Clock) {
    this.#response = response;
    this.#entry = entry;
    this.#clock = clock;
    response.on("error", () => undefined);
    response.once("close", () => {
      if (!response.writableFinished) this.#gone.abort(new ClientGone("the client left"));
    });
  }

  /** Aborts when the client leaves before the answer is whole. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** The whole answer was handed to the socket. */
  get isAnswered(): boolean {
    return this.#isAnswered || this.#response.writableFinished;
  }

  get hasHead(): boolean {
    return this.#response.headersSent;
  }

  /**
   * Answers while the client may still be sending, and reads no more of it. The socket stays open for reading a moment, as a real
   * server's does: closing it with bytes unread would reset it, and the client would lose the answer.
   */
  answerEarly(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    const socket = this.#response.socket;
    this.#entry.status = status;
    this.#isAnswered = true;
    if (socket === null) return;
    const lines = Object.entries({ ...headers, "Content-Length": String(Buffer.byteLength(body)), Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${body}`);
    this.#clock.after(lingerMs, () => socket.destroy());
  }

  bend(bend: Bend): void {
    this.#bend = bend;
  }

  /** Leaves at once, before any body: a watch's client counts on it. */
  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.#entry.status = status;
    this.#response.writeHead(status, { "Cache-Control": "no-cache, private", "Audit-Id": String(this.#entry.number), ...headers });
    this.#response.flushHeaders();
  }

  async write(chunk: string | Buffer): Promise<void> {
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (bytes.length === 0) return;
    if (this.#bend === null) await this.#push(bytes);
    else await this.#writeBent(bytes, this.#bend);
  }

  async end(chunk?: string | Buffer): Promise<void> {
    if (chunk !== undefined) await this.write(chunk);
    if (this.#bend !== null && this.#bend.kind !== "slow") await this.#cut(Buffer.alloc(0), this.#bend);
    this.#response.end();
  }

  /** Destroys the socket; the client sees a broken answer. */
  abort(): void {
    this.#response.socket?.resetAndDestroy();
  }

  async #push(bytes: Buffer): Promise<void> {
    this.#sentBytes += bytes.length;
    if (this.#response.write(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const drained = (): void => {
        this.#gone.signal.removeEventListener("abort", left);
        resolve();
      };
      const left = (): void => {
        this.#response.off("drain", drained);
        reject(this.#gone.signal.reason as Error);
      };
      this.#response.once("drain", drained);
      this.#gone.signal.addEventListener("abort", left, { once: true });
    });
  }

  async #writeBent(bytes: Buffer, bend: Bend): Promise<void> {
    if (bend.kind === "slow") {
      const stepBytes = Math.max(1, Math.floor(bend.bytesPerSecond / 20));
      for (let at = 0; at < bytes.length; at += stepBytes) {
        await this.#push(bytes.subarray(at, at + stepBytes));
        await pause(this.#clock, 50, this.#gone.signal);
      }
      return;
    }
    const room = bend.afterBytes - this.#sentBytes;
    if (bytes.length < room) return this.#push(bytes);
    if (room > 0) await this.#push(bytes.subarray(0, room));
    await this.#cut(bytes.subarray(Math.max(0, room)), bend);
  }

  /** Never returns: the body goes no further. */
  async #cut(rest: Buffer, bend: Bend): Promise<never> {
    const socket = this.#response.socket;
    if (bend.kind === "halfChunk" && socket !== null) {
      // A chunk that promises more than it brings, then the end: what an API server killed in mid-write leaves behind.
      const half = rest.subarray(0, Math.ceil(rest.length / 2));
      socket.write(Buffer.concat([Buffer.from(`${(rest.length + 16).toString(16)}\r\n`), half]), () => socket.destroy());
    } else if (bend.kind === "reset") await new Promise<void>((resolve) => setImmediate(() => (socket?.resetAndDestroy(), resolve())));
    else if (bend.kind === "close") socket?.end(() => socket.destroy());
    return new Promise<never>((_, reject) => this.#gone.signal.addEventListener("abort", () => reject(this.#gone.signal.reason as Error), { once: true }));
  }
}

/** A request as the handlers see it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly method: string;
  /** Decoded path, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly reply: Reply;
  readonly entry: AuditEntry;
}

export function pathOf(target: string): string {
  const path = target.split("?")[0]!;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export const queryOf = (target: string): URLSearchParams => new URLSearchParams(target.includes("?") ? target.slice(target.indexOf("?") + 1) : "");
