// What a link and its handshake ask of a socket: whole messages of frames both ways, what waits unsent, and an end. FrameSocket is the one over a WebSocket and TLS;
// the simulator has one over a network of its own. Types only.
import type { HandshakePort } from "./handshake.ts";

export interface SocketEnd {
  readonly closeCode: number;
  readonly error: Error | null;
}

export interface LinkSocket extends HandshakePort {
  readonly ended: Promise<SocketEnd>;
  /** Octets that were sent and wait here still. */
  readonly bufferedOctets: number;
  readonly octetsRead: number;
  readonly octetsWritten: number;
  /** Memory for the next message; `sendMessage` with it copies nothing. */
  allocate(octets: number): Uint8Array;
  /** Sends a message; it may wait for `flush`. */
  sendMessage(message: Uint8Array): void;
  flush(): void;
  onDrain(wake: () => void): void;
  /** Told after each read, whether or not it completed a message. */
  onRead(tell: () => void): void;
  /** Hands every further message to `take`, those that waited first. */
  attach(take: (message: Buffer) => void): void;
  /** Ends it after what was sent; bounded. */
  close(): void;
  /** Ends it now. */
  terminate(): void;
}
