// A wide-area line in user space: a TCP forwarder with delay, bandwidth, a router's bounded queue, stalls, slices, half-open freezes and cuts. It takes no more from
// a sender than the queue has room for, so back-pressure reaches the sender's kernel as on a real path. Flows share the line and take turns at its entry: a small
// one never waits behind another's backlog, only in the queue. What is drawn by lot comes from one seed. Best run as a process of its own (chaos.ts).
// What it cannot do: a kernel answers a SYN at once (the first octets are late instead), and a socket here reads up to 128 KiB ahead of the queue.
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { ChaosWay } from "./chaos-way.ts";

export interface LineSettings {
  /** One way (ms). */
  readonly delayMs: number;
  /** Each way; 0 is as fast as it goes. */
  readonly octetsPerS: number;
  /** Octets that may wait at the line's entry, each way: the router's queue. */
  readonly queueOctets: number;
  /** Each flow stands still for `stallMs` again and again, this share of the time: a segment that was lost, until it is sent again. */
  readonly stallShare: number;
  readonly stallMs: number;
  /** Pieces are cut at random into at most this many octets; 0 leaves them whole. */
  readonly sliceOctets: number;
  readonly seed: number;
}

const plainLine: LineSettings = { delayMs: 0, octetsPerS: 0, queueOctets: 262_144, stallShare: 0, stallMs: 0, sliceOctets: 0, seed: 1 };

/** `swallow`: what is sent disappears, as with a NAT that forgot. `hold`: nothing moves and nothing is lost, as with a cable that is plugged in again later. */
export type FreezeKind = "swallow" | "hold";

export interface LineCounts {
  readonly flows: number;
  /** Octets that came out, from dialler to listener and back. */
  readonly forth: number;
  readonly back: number;
}

export class ChaosLine {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #forth: ChaosWay;
  readonly #back: ChaosWay;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #settings: LineSettings;
  #isFrozen = false;

  constructor(target: { readonly host: string; readonly port: number }, settings: Partial<LineSettings>) {
    this.#settings = { ...plainLine, ...settings };
    this.#target = target;
    this.#forth = new ChaosWay(this.#settings, this.#settings.seed);
    this.#back = new ChaosWay(this.#settings, this.#settings.seed + 1);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (dialler) => this.#accept(dialler));
  }

  /** Resolves with the port. */
  listen(port = 0): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  #accept(dialler: Socket): void {
    const listener = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const pair = [dialler, listener] as const;
    this.#pairs.add(pair);
    for (const [one, other] of [pair, [listener, dialler]] as const) {
      one.on("error", () => {});
      one.on("close", (hadError) => {
        if (hadError && !this.#isFrozen && !other.destroyed) other.resetAndDestroy();
        if (one.destroyed && other.destroyed) this.#pairs.delete(pair);
      });
    }
    this.#forth.add(dialler, listener);
    this.#back.add(listener, dialler);
  }

  /** From here on as `settings` say; what is under way arrives as it was to. */
  set(settings: Partial<LineSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#forth.set(this.#settings);
    this.#back.set(this.#settings);
  }

  /** Half open: nobody hears anything, and nobody is told. */
  halt(kind: FreezeKind): void {
    this.#isFrozen = true;
    this.#forth.halt(kind);
    this.#back.halt(kind);
  }

  heal(): void {
    this.#isFrozen = false;
    this.#forth.heal();
    this.#back.heal();
  }

  /** Both ends of every flow get a RST. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) if (!socket.destroyed) socket.resetAndDestroy();
    this.#pairs.clear();
  }

  counts(): LineCounts {
    return { flows: this.#pairs.size, forth: this.#forth.octetsOut, back: this.#back.octetsOut };
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
