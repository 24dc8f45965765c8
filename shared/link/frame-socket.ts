// One WebSocket as messages of frames: what the handshake reads frame by frame and the link then takes over. Holds back what arrives between
// the two, so a relay that speaks right after WELCOME loses nothing. Bounded: the handshake's backlog is a few messages, more ends the socket.
import type { TLSSocket } from "node:tls";
import type { WebSocket } from "ws";
import { errnoText } from "../kit/dial.ts";
import { Fault } from "../kit/errors.ts";
import { parseBye } from "../wire/message.ts";
import { encodeFrame, type FrameTypeName } from "../wire/frame.ts";
import { decodeFrames } from "../wire/decoder.ts";
import { faultCodeOf } from "../wire/codes.ts";
import { handshakeBytesMax, handshakeClaimBytesMax, tlsRecordBytes } from "../wire/limits.ts";
import { exporterBytes } from "./handshake-frames.ts";
import type { LinkSocket, SocketEnd } from "./link-socket.ts";
import { giveBack, takePiece } from "./message-pool.ts";
import { faultFromReason } from "./reason.ts";
import { writeWsHead, wsHeadBytes } from "./ws-head.ts";

export const EXPORTER_LABEL = "EXPORTER-bowline-link-v1";
/** Octets that may wait between handshake and link. At the relay nobody has shown a key yet: one CLAIM. At the agent streams may follow WELCOME at once. */
const backlogBytesMax = { relay: 131_072, agent: 4_194_304 } as const;
/** After our close frame the peer has this long (ms) to answer before the socket is destroyed. */
const closeGraceMs = 1_000;

/** BYE as read during the handshake: the retry hint beside the Fault that says why. */
export class ByeFault extends Fault {
  readonly retryAfterMs: number;
  readonly byeCode: string;

  constructor(fault: Fault, byeCode: string, retryAfterMs: number) {
    super(fault.code, { what: fault.message, why: fault.why, hint: fault.hint, facts: fault.facts });
    this.byeCode = byeCode;
    this.retryAfterMs = retryAfterMs;
  }
}

export class FrameSocket implements LinkSocket {
  readonly exporter: Uint8Array;
  readonly ended: Promise<SocketEnd>;
  readonly #ws: WebSocket;
  readonly #tls: TLSSocket;
  readonly #isMasked: boolean;
  #backlog: Buffer[] = [];
  #backlogOctets = 0;
  /** Messages that fill TLS records wait here for the others of their turn, each behind its WebSocket head: up to `#filled` they are sent, there `allocate` goes on. */
  #piece: Buffer = NOTHING;
  #filled = 0;
  #message: Uint8Array = NOTHING;
  #take: ((message: Buffer) => void) | null = null;
  #end: SocketEnd | null = null;
  #error: Error | null = null;
  #onEnd: (() => void) | null = null;

  constructor(ws: WebSocket, tls: TLSSocket, role: "relay" | "agent", binding: "exporter" | "none") {
    this.#ws = ws;
    this.#tls = tls;
    this.#isMasked = role === "agent";
    this.exporter = binding === "none" ? new Uint8Array(exporterBytes) : tls.exportKeyingMaterial(exporterBytes, EXPORTER_LABEL, Buffer.alloc(0));
    ws.binaryType = "nodebuffer";
    ws.on("message", (message, isBinary) => {
      if (!isBinary) return void ws.close(1003, "binary messages only");
      if (this.#take) this.#take(message as Buffer);
      else this.#keep(message as Buffer, backlogBytesMax[role]);
    });
    ws.on("error", (error) => (this.#error = error));
    // ws keeps what went wrong below it to itself, and a reset would read "closed with code 1006".
    tls.on("error", (error) => (this.#error ??= error));
    this.ended = new Promise((resolve) => {
      ws.once("close", (closeCode) => {
        this.#end = { closeCode, error: this.#error };
        resolve(this.#end);
        this.#onEnd?.();
      });
    });
  }

  #keep(message: Buffer, octetsMax: number): void {
    this.#backlogOctets += message.length;
    if (this.#backlogOctets > octetsMax) return this.#ws.terminate();
    this.#backlog.push(message);
  }

  get bufferedOctets(): number {
    return this.#tls.writableLength + this.#filled;
  }

  get octetsRead(): number {
    return this.#tls.bytesRead;
  }

  get octetsWritten(): number {
    return this.#tls.bytesWritten;
  }

  send(type: FrameTypeName, payload: Uint8Array): void {
    this.sendMessage(encodeFrame(type, 0, payload));
  }

  /** With room for the message's WebSocket head in front, so that nothing is copied on its way to the engine. */
  allocate(octets: number): Uint8Array {
    const headBytes = wsHeadBytes(octets, this.#isMasked);
    if (this.#filled + headBytes + octets > this.#piece.length) {
      this.flush();
      this.#piece = takePiece(headBytes + octets);
    }
    const at = this.#filled;
    writeWsHead(this.#piece, at, octets, this.#isMasked);
    this.#message = this.#piece.subarray(at + headBytes, at + headBytes + octets);
    return this.#message;
  }

  /** Sends a message; one that fills TLS records may wait for `flush`. */
  sendMessage(message: Uint8Array): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (message !== this.#message) {
      this.flush();
      return this.#ws.send(message, sendOptions);
    }
    this.#filled = message.byteOffset - this.#piece.byteOffset + message.length;
    this.#message = NOTHING;
    // Records end where a write ends: behind a message that leaves one half full the next would not be a record's whole.
    if (this.#filled % tlsRecordBytes !== 0) this.flush();
  }

  /** Writes what waits: at the end of a turn, one write for all of it. */
  flush(): void {
    const piece = this.#piece;
    if (this.#filled > 0) this.#tls.write(this.#filled === piece.length ? piece : piece.subarray(0, this.#filled), () => giveBack(piece));
    this.#filled = 0;
    this.#piece = NOTHING;
  }

  onDrain(wake: () => void): void {
    this.#tls.on("drain", wake);
  }

  /** Told after each read from the socket, whether or not it completed a message. */
  onRead(tell: () => void): void {
    this.#tls.on("data", tell);
  }

  /** The handshake's read: the payload of the next frame, which must be of `type` and alone in its message. */
  next(type: FrameTypeName): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (message: Buffer): void => {
        this.#take = null;
        this.#onEnd = null;
        try {
          resolve(handshakePayload(message, type));
        } catch (error) {
          reject(error as Error);
        }
      };
      const waiting = this.#backlog.shift();
      if (waiting) {
        this.#backlogOctets -= waiting.length;
        return settle(waiting);
      }
      if (this.#end) return reject(lostInHandshake(this.#end));
      this.#take = settle;
      this.#onEnd = () => reject(lostInHandshake(this.#end!));
    });
  }

  /** Hands every further message to `take`, those that waited first. */
  attach(take: (message: Buffer) => void): void {
    const waiting = this.#backlog;
    this.#backlog = [];
    for (const message of waiting) take(message);
    this.#take = take;
  }

  /** Closing handshake of WebSocket, then the socket; at most `closeGraceMs`. */
  close(): void {
    if (this.#end) return;
    this.#ws.close(1000);
    const grace = setTimeout(() => this.#ws.terminate(), closeGraceMs);
    void this.ended.then(() => clearTimeout(grace));
  }

  terminate(): void {
    this.#ws.terminate();
  }
}

const NOTHING = Buffer.alloc(0);
const sendOptions = { binary: true, compress: false } as const;

/** The payload of a handshake message that must be one frame of `type`. Faults FRAME_*, and a ByeFault for a BYE in its place. */
export function handshakePayload(message: Uint8Array, type: FrameTypeName): Uint8Array {
  const bound = type === "CLAIM" || type === "WELCOME" ? handshakeClaimBytesMax : handshakeBytesMax;
  if (message.length > bound + 16) throw new Fault("FRAME_TOO_LARGE", { what: `a handshake message of ${message.length} octets came`, why: `${type} is at most ${bound} octets` });
  const frames = decodeFrames(message);
  const frame = frames[0];
  if (frame?.type === "BYE") {
    const bye = parseBye(frame.payload);
    const fault = faultFromReason(faultCodeOf(bye.code), "the other end closed the link during the handshake", bye.reason);
    throw new ByeFault(fault, bye.code, bye.retryAfterMs);
  }
  if (frames.length !== 1 || frame?.type !== type) throw new Fault("FRAME_MISPLACED", { what: `${frame?.type ?? "no frame"} came in the handshake`, why: `${type} is what must come here, alone` });
  return frame.payload;
}

export function lostInHandshake(end: SocketEnd): Fault {
  return new Fault("LINK_LOST", { what: "the link ended during the handshake", why: endWhy(end), cause: end.error });
}

/** In words: what the kernel or ws said, else the close code. */
export function endWhy(end: SocketEnd): string {
  return end.error === null ? `closed with code ${end.closeCode}` : errnoText(end.error);
}
