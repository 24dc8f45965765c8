// A cable between two ends on loopback: forwards TCP, and can be cut (both ends get a reset, and so does every new socket until it is healed) or slowed
// (a delay and a rate, each way, as on a satellite hop). Never holds more than its bound: a slow way stalls its sender. Used by the demo.
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { systemClock, type CancelTimer, type Clock } from "../../shared/kit/clock.ts";

/** Held per direction of a slow line (octets): above it the sender waits. */
const heldBytesMax = 256 * 1024;
/** A slow line passes this much at a time (octets), so that a low rate trickles and does not come in lumps. */
const sliceBytes = 4 * 1024;

export interface Slowness {
  /** One way. */
  readonly delayMs: number;
  /** Each way. */
  readonly bytesPerSecond: number;
}

export type LineState = { readonly kind: "whole" } | { readonly kind: "cut" } | { readonly kind: "slow"; readonly slowness: Slowness };

export interface LineOptions {
  readonly host: string;
  /** Asked at each new socket: a line may be opened before its far end is. */
  readonly port: () => number;
  readonly clock?: Clock;
}

/** Opens a line to `host` on a free port of loopback. */
export async function openLine(options: LineOptions): Promise<Line> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return new Line(server, options);
}

export class Line {
  readonly port: number;
  readonly #server: Server;
  readonly #target: LineOptions;
  readonly #clock: Clock;
  /** Both ends of every pair that is through now. */
  readonly #sockets = new Set<Socket>();
  #state: LineState = { kind: "whole" };

  constructor(server: Server, target: LineOptions) {
    this.#server = server;
    this.#target = target;
    this.#clock = target.clock ?? systemClock;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#join(socket));
  }

  get state(): LineState {
    return this.#state;
  }

  cut(): void {
    this.#state = { kind: "cut" };
    this.#reset();
  }

  /** Whole again, at full speed. */
  heal(): void {
    this.#state = { kind: "whole" };
  }

  /** Holds for what is sent from now on; sockets that are through stay. Heals a cut. */
  slow(slowness: Slowness): void {
    this.#state = { kind: "slow", slowness };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#reset();
    });
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #join(near: Socket): void {
    near.on("error", () => {}); // its close says the same
    if (this.#state.kind === "cut") return void near.resetAndDestroy();
    const far = connect({ host: this.#target.host, port: this.#target.port(), allowHalfOpen: true, noDelay: true });
    far.on("error", () => {});
    const slowness = (): Slowness | null => (this.#state.kind === "slow" ? this.#state.slowness : null);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from);
      const way = new Way(from, to, slowness, this.#clock);
      to.once("close", () => way.close());
      from.once("close", (hadError) => {
        this.#sockets.delete(from);
        if (!hadError && from.readableEnded) return; // it said all that it had to; what is held still arrives
        way.close();
        to.resetAndDestroy();
      });
    }
  }
}

interface Slice {
  readonly dueMs: number;
  readonly bytes: Buffer;
}

/** One direction of one pair. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #slowness: () => Slowness | null;
  readonly #clock: Clock;
  readonly #held: Slice[] = [];
  #heldBytes = 0;
  /** When the last octet so far has been put on the wire. */
  #sentMs = 0;
  #isEnding = false;
  #cancel: CancelTimer | null = null;

  constructor(from: Socket, to: Socket, slowness: () => Slowness | null, clock: Clock) {
    this.#from = from;
    this.#to = to;
    this.#slowness = slowness;
    this.#clock = clock;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => {
      this.#isEnding = true;
      if (this.#held.length === 0) to.end();
    });
    to.on("drain", () => this.#flow());
  }

  close(): void {
    this.#cancel?.();
    this.#held.length = 0;
  }

  #take(bytes: Buffer): void {
    const slowness = this.#slowness();
    if (slowness === null && this.#held.length === 0) this.#to.write(bytes);
    else {
      for (let at = 0; at < bytes.length; at += sliceBytes) this.#hold(bytes.subarray(at, at + sliceBytes), slowness);
      this.#arm();
    }
    this.#flow();
  }

  #hold(bytes: Buffer, slowness: Slowness | null): void {
    const { delayMs, bytesPerSecond } = slowness ?? { delayMs: 0, bytesPerSecond: Infinity };
    this.#sentMs = Math.max(this.#clock.monoMs(), this.#sentMs) + (bytes.length * 1000) / bytesPerSecond;
    // Never before the slice ahead of it: a line that was healed in between still keeps the order.
    this.#held.push({ dueMs: Math.max(Math.ceil(this.#sentMs + delayMs), this.#held.at(-1)?.dueMs ?? 0), bytes });
    this.#heldBytes += bytes.length;
  }

  #arm(): void {
    const next = this.#held[0];
    if (next === undefined || this.#cancel !== null) return;
    this.#cancel = this.#clock.after(Math.max(0, next.dueMs - this.#clock.monoMs()), () => {
      this.#cancel = null;
      this.#deliver();
    });
  }

  #deliver(): void {
    const nowMs = this.#clock.monoMs();
    while (this.#held[0] !== undefined && this.#held[0].dueMs <= nowMs) {
      const { bytes } = this.#held.shift()!;
      this.#heldBytes -= bytes.length;
      this.#to.write(bytes);
    }
    if (this.#held.length === 0 && this.#isEnding) this.#to.end();
    this.#arm();
    this.#flow();
  }

  #flow(): void {
    if (this.#to.writableNeedDrain || this.#heldBytes > heldBytesMax) this.#from.pause();
    else this.#from.resume();
  }
}
