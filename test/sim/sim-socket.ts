// The network of a simulated run, and the two ends of one cable on it. Octets arrive whole, in order and late; a stalled line holds them back; a cut is heard by
// both ends, by one, or by nobody; what a dead process had open is reset. Stands for a WebSocket over TLS; test/e2e runs the real one.
import { Fault } from "../../shared/kit/errors.ts";
import { handshakePayload, lostInHandshake } from "../../shared/link/frame-socket.ts";
import { exporterBytes } from "../../shared/link/handshake-frames.ts";
import type { LinkSocket, SocketEnd } from "../../shared/link/link-socket.ts";
import { encodeFrame, type FrameTypeName } from "../../shared/wire/frame.ts";
import type { SimProcess, World } from "./world.ts";

/** What a kernel takes before a sender notices that nobody reads. */
const kernelOctets = 262_144;
const dialCeilingMs = 15_000;
const lagLookMs = 10;

/** Told of each message as it leaves. `cable` numbers the cables of a line. */
export type HearMessage = (from: "agent" | "relay", message: Uint8Array, cable: number) => void;

/** The line of one site: what lies between it and the relay. */
export class SimLine {
  readonly world: World;
  readonly latencyMs: number;
  readonly octetsPerMs: number;
  /** Until then (ms of the world) nothing passes, and nobody is told; what was sent meanwhile is sent again by TCP and arrives after it. */
  darkUntilMs = 0;
  /** Dials are refused. */
  isDown = false;
  stalledUntilMs = 0;
  readonly #open = new Set<Cable>();
  #cables = 0;

  constructor(world: World) {
    this.world = world;
    this.latencyMs = world.between(1, 120);
    this.octetsPerMs = world.pick([8, 60, 5_000]);
  }

  get isDark(): boolean {
    return this.world.nowMs < this.darkUntilMs;
  }

  /** When what leaves now arrives at the other end. */
  arrivalMs(): number {
    return Math.max(this.world.nowMs, this.darkUntilMs, this.stalledUntilMs) + this.latencyMs * this.world.between(0.9, 1.3);
  }

  /** A socket to the relay, or why there is none. `accept` is called in the relay's process. */
  dial(agent: SimProcess, relay: () => { readonly process: SimProcess; accept(socket: LinkSocket): void } | null, hear: HearMessage, signal: AbortSignal): Promise<LinkSocket> {
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => reject(new Fault("RELAY_UNREACHABLE", { what: "the relay cannot be reached", why }));
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      if (this.isDark) return void agent.after(dialCeilingMs, () => refuse("nothing answered"));
      this.world.at(this.arrivalMs(), () => {
        const there = this.isDown || this.isDark ? null : relay();
        if (there === null || there.process.isDead) return void agent.after(this.latencyMs, () => refuse("the dial was refused"));
        const cable = new Cable(this, { agent, relay: there.process, number: (this.#cables += 1) }, hear);
        this.#open.add(cable);
        there.process.run(() => there.accept(cable.relayEnd));
        this.world.at(this.arrivalMs(), () => {
          if (!agent.isDead && !signal.aborted) agent.run(() => resolve(cable.agentEnd));
          else cable.cut("its dialler is gone");
        });
      });
    });
  }

  forget(cable: Cable): void {
    this.#open.delete(cable);
  }

  /** What is under way on the cables of now comes this much later; a new cable is not held back by it. */
  lag(ms: number): void {
    for (const cable of this.#open) cable.lagUntilMs = this.world.nowMs + ms;
  }

  /** The lag of old cables is over. */
  release(): void {
    for (const cable of this.#open) cable.lagUntilMs = 0;
  }

  /** Every cable on the line is cut: each end hears of it at its own time, or, when `isSilent`, not at all. */
  cut(isSilent: boolean): void {
    for (const cable of this.#open) {
      if (isSilent) cable.silence();
      else cable.cut("the line was cut");
    }
  }
}

class Cable {
  readonly line: SimLine;
  readonly agentEnd: SimSocket;
  readonly relayEnd: SimSocket;
  /** Nothing of it arrives before then (ms of the world). */
  lagUntilMs = 0;

  constructor(line: SimLine, ends: { readonly agent: SimProcess; readonly relay: SimProcess; readonly number: number }, hear: HearMessage) {
    const { agent, relay, number } = ends;
    this.line = line;
    this.agentEnd = new SimSocket(this, agent, (message) => hear("agent", message, number));
    this.relayEnd = new SimSocket(this, relay, (message) => hear("relay", message, number));
    this.agentEnd.peer = this.relayEnd;
    this.relayEnd.peer = this.agentEnd;
    agent.onDeath(() => this.agentEnd.die());
    relay.onDeath(() => this.relayEnd.die());
  }

  cut(why: string): void {
    for (const end of [this.agentEnd, this.relayEnd]) {
      end.isMute = true;
      this.line.world.after(this.line.world.between(0, 2_000), () => end.finish(1_006, new Error(why)));
    }
  }

  silence(): void {
    this.agentEnd.isMute = true;
    this.relayEnd.isMute = true;
  }

  hasEnded(): void {
    if (this.agentEnd.hasEnded && this.relayEnd.hasEnded) this.line.forget(this);
  }
}

class SimSocket implements LinkSocket {
  readonly exporter = new Uint8Array(exporterBytes);
  readonly ended: Promise<SocketEnd>;
  readonly #cable: Cable;
  readonly #process: SimProcess;
  readonly #tell: (message: Uint8Array) => void;
  #resolveEnd!: (end: SocketEnd) => void;
  peer!: SimSocket;
  /** What it sends arrives nowhere any more. */
  isMute = false;
  octetsRead = 0;
  octetsWritten = 0;
  #inFlight = 0;
  #lastArrivalMs = 0;
  readonly #onTheWay: (() => void)[] = [];
  readonly #backlog: Buffer[] = [];
  #take: ((message: Buffer) => void) | null = null;
  #onRead: () => void = () => {};
  #onDrain: () => void = () => {};
  #onEnd: (() => void) | null = null;
  #end: SocketEnd | null = null;

  constructor(cable: Cable, process: SimProcess, tell: (message: Uint8Array) => void) {
    this.#cable = cable;
    this.#process = process;
    this.#tell = tell;
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve));
  }

  get hasEnded(): boolean {
    return this.#end !== null;
  }

  get bufferedOctets(): number {
    return Math.max(0, this.#inFlight - kernelOctets);
  }

  send(type: FrameTypeName, payload: Uint8Array): void {
    this.sendMessage(encodeFrame(type, 0, payload));
  }

  allocate(octets: number): Uint8Array {
    return Buffer.allocUnsafe(octets);
  }

  sendMessage(message: Uint8Array): void {
    if (this.#end !== null || this.#process.isDead) return;
    const octets = Buffer.from(message);
    this.#tell(octets);
    this.octetsWritten += octets.length;
    this.#inFlight += octets.length;
    this.#later(octets.length, () => {
      this.peer.#receive(octets);
      const wasFull = this.bufferedOctets > 0;
      this.#inFlight -= octets.length;
      if (wasFull && this.bufferedOctets === 0) this.#process.run(this.#onDrain);
    });
  }

  /** What leaves now arrives behind what left before. */
  #later(octets: number, arrive: () => void): void {
    const { line } = this.#cable;
    this.#onTheWay.push(arrive);
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, line.arrivalMs()) + octets / line.octetsPerMs;
    line.world.at(this.#lastArrivalMs, () => this.#arriveOne());
  }

  /** Whichever moment it is: what left first arrives first. */
  #arriveOne(): void {
    const { line, lagUntilMs } = this.#cable;
    const heldUntilMs = Math.max(line.darkUntilMs, lagUntilMs);
    const { nowMs } = line.world;
    // A lag may end early (`release`): it is looked at again and again.
    if (heldUntilMs > nowMs) return void line.world.at(lagUntilMs > nowMs ? nowMs + lagLookMs : heldUntilMs + line.latencyMs, () => this.#arriveOne());
    const arrive = this.#onTheWay.shift();
    if (!this.isMute) arrive?.();
  }

  #receive(octets: Buffer): void {
    if (this.#end !== null) return;
    this.#process.run(() => {
      this.octetsRead += octets.length;
      this.#onRead();
      if (this.#take !== null) this.#take(octets);
      else this.#backlog.push(octets);
    });
  }

  flush(): void {}

  onDrain(wake: () => void): void {
    this.#onDrain = wake;
  }

  onRead(tell: () => void): void {
    this.#onRead = tell;
  }

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
      if (waiting !== undefined) return settle(waiting);
      if (this.#end !== null) return reject(lostInHandshake(this.#end));
      this.#take = settle;
      this.#onEnd = () => reject(lostInHandshake(this.#end!));
    });
  }

  attach(take: (message: Buffer) => void): void {
    for (const message of this.#backlog.splice(0)) take(message);
    this.#take = take;
  }

  /** What was sent before still arrives, then the other end hears that it is over. */
  close(): void {
    if (this.#end !== null) return;
    this.#later(0, () => this.peer.finish(1_000, null));
    this.finish(1_000, null);
  }

  terminate(): void {
    if (this.#end !== null) return;
    this.#later(0, () => this.peer.finish(1_006, null));
    this.finish(1_006, null);
  }

  /** Its process is no more: the kernel resets what it had open. */
  die(): void {
    if (this.#end !== null) return;
    this.#end = { closeCode: 1_006, error: null };
    this.#later(0, () => this.peer.finish(1_006, new Error("the socket was reset")));
    this.#cable.hasEnded();
  }

  finish(closeCode: number, error: Error | null): void {
    if (this.#end !== null) return;
    this.#end = { closeCode, error };
    this.#cable.hasEnded();
    this.#process.run(() => {
      this.#resolveEnd(this.#end!);
      this.#onEnd?.();
    });
  }
}
