// One WebSocket joined to one mux: octets in become effects for the streams and the letters, what the mux wants to say leaves once per turn
// of the event loop. Promises: every stream hears its end exactly once, with a Fault that says why; nothing is written from inside the read
// path; tearing down never blocks the loop. Callers: agent/serve-link, relay/agents/serve-link. Wire: shared/PROTOCOL.md.
import { crashPoint } from "../kit/crash.ts";
import { Fault } from "../kit/errors.ts";
import type { CancelTimer } from "../kit/clock.ts";
import { unreachable } from "../kit/assert.ts";
import type { Effect } from "../mux/effects.ts";
import { Mux } from "../mux/mux.ts";
import { RatePacer } from "../mux/pacer.ts";
import { faultCodeOf, type CodeName } from "../wire/codes.ts";
import type { Bye, RequestHead } from "../wire/message.ts";
import { socketStuckBytes, socketStuckMs } from "../wire/limits.ts";
import { processBudget } from "./budget.ts";
import { drainLookMs, drainMsDefault, heardDrainMsMax, StuckWatch, type Farewell } from "./drain.ts";
import { endWhy } from "./frame-socket.ts";
import { Hearing } from "./hearing.ts";
import type { LinkStream, StreamSink } from "./link-stream.ts";
import { letterPortOf, type LetterPort, type LetterSide } from "./letter-side.ts";
import { faultFromReason, reasonOf } from "./reason.ts";
import type { LinkEnd, LinkSettings } from "./settings.ts";
import { StreamSet, type StreamHandler } from "./stream-set.ts";

/** Messages put into the socket in one turn: 1 MiB at most before reads get their turn again. */
export const messagesPerTurn = 64;
/** Messages that an abort sends at most: what control waits, and BYE behind it. */
const lastMessagesMax = 64;

export class Link {
  readonly ended: Promise<LinkEnd>;
  readonly mux: Mux;
  /** Told of every letter event; set by whoever runs a courier on this link. */
  letters: LetterSide | null = null;
  onHeld: (payload: Uint8Array) => void = () => {};
  onRoundTrip: (ms: number, peerWallMs: number) => void = () => {};
  readonly #settings: LinkSettings;
  readonly #streams: StreamSet;
  #resolveEnd!: (end: LinkEnd) => void;
  #pumpAsked = false;
  #hasEnded = false;
  #bye: Farewell | null = null;
  #cancelTimer: CancelTimer = () => {};
  #timerAtMs = Infinity;
  readonly #stuck: StuckWatch;
  #hearing: Hearing | null = null;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
    this.#streams = new StreamSet(this, settings);
    const now = settings.clock.monoMs();
    this.mux = new Mux(
      {
        role: settings.role,
        allocate: (octets) => settings.socket.allocate(octets),
        allocateRecord: (octets) => Buffer.allocUnsafe(octets),
        peerStartCredit: settings.peerStartCredit,
        ownStartCredit: settings.ownStartCredit,
        peerLetterCredit: settings.peerLetterCredit,
        ownLetterCredit: settings.ownLetterCredit,
        wallMs: () => settings.clock.wallMs(),
        random: settings.random,
        processBudget,
        pacer: new RatePacer(now),
      },
      now,
    );
    this.#stuck = new StuckWatch(now);
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve));
    const { socket } = settings;
    socket.onDrain(this.#pump);
    // A BYE that was heard says more than the close that follows it.
    void socket.ended.then((end) => this.#end(this.#bye?.fault ?? new Fault("LINK_LOST", { what: "the link was cut", why: endWhy(end), cause: end.error })));
  }

  /** Begins to read. Handlers must be set before. */
  start(): void {
    const { socket, clock } = this.#settings;
    this.#hearing = new Hearing(socket, clock, (nowMs) => this.mux.octetsSeen(socket.octetsRead, nowMs));
    socket.attach((message) => {
      this.mux.receive(message, clock.monoMs());
      this.#drainEffects();
      this.poke();
    });
    this.ping(); // the growth of the windows needs the round trip
  }

  /** The link as a courier sees it: whatever it puts in leaves at the end of the turn. */
  get letterPort(): LetterPort {
    return letterPortOf(this.mux, () => this.#streams.areInUse, () => this.poke());
  }

  /** Told of each stream that the relay opens. */
  set onStream(handler: StreamHandler) {
    this.#streams.onStream = handler;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** No new streams from here on: BYE was said or heard, or the link is over. */
  get isDraining(): boolean {
    return this.#hasEnded || this.#bye !== null;
  }

  get openStreams(): number {
    return this.mux.streams.size;
  }

  /** Relay only: opens a stream to the agent. Faults: TOO_MANY, DRAINING, LINK_LOST. */
  open(head: RequestHead, sink: StreamSink): LinkStream {
    if (this.#hasEnded) throw new Fault("LINK_LOST", { what: "the link has ended" });
    const stream = this.#streams.add(this.mux.open(head, this.#settings.clock.monoMs()), sink);
    this.poke();
    return stream;
  }

  /** Asks the other end for its time: onRoundTrip tells. */
  ping(): void {
    this.mux.ping(this.#settings.clock.monoMs());
    this.poke();
  }

  /** Something may want to leave: look at the end of this turn. */
  poke(): void {
    if (!this.#pumpAsked && !this.#hasEnded) setImmediate(this.#pump);
    this.#pumpAsked = true;
  }

  /**
   * Says BYE, lets streams end by themselves for `drainMs`, then closes. Resolves when the socket is gone.
   * `fault` is what the streams that are cut, and the peer, are told.
   */
  async shutdown(code: CodeName, fault: Fault, options: { retryAfterMs?: number; drainMs?: number } = {}): Promise<void> {
    if (!this.#hasEnded && this.#bye === null) {
      this.#sayBye(code, fault, options.retryAfterMs ?? 0, options.drainMs ?? drainMsDefault);
      this.poke();
      this.#arm();
    }
    await this.ended;
    await this.#settings.socket.ended;
  }

  /** Ends the link now, telling the peer if it listens. */
  abort(code: CodeName, fault: Fault): void {
    if (this.#hasEnded) return;
    if (this.#bye === null) this.#sayBye(code, fault, 0, 0);
    for (let left = lastMessagesMax; left > 0 && this.mux.control.bye !== null; left -= 1) {
      const message = this.mux.nextMessage(this.#settings.clock.monoMs(), 0);
      if (message === null) break;
      this.#settings.socket.sendMessage(message);
    }
    this.#settings.socket.flush();
    this.#end(fault);
  }

  #sayBye(code: CodeName, fault: Fault, retryAfterMs: number, drainMs: number): void {
    this.#bye = { code, saidBy: "us", retryAfterMs, fault, beforeMs: this.#settings.clock.monoMs() + drainMs };
    this.mux.bye(code, { retryAfterMs, reason: reasonOf(fault) });
  }

  forget(id: number): void {
    this.#streams.forget(id);
  }

  readonly #pump = (): void => {
    this.#pumpAsked = false;
    if (this.#hasEnded) return;
    const { socket, clock } = this.#settings;
    const now = clock.monoMs();
    let left = messagesPerTurn;
    // What waits in the socket is a queue of our own making: no more is added, not even control, until it drains.
    while (left > 0 && socket.bufferedOctets <= socketStuckBytes) {
      const message = this.mux.nextMessage(now, socket.bufferedOctets);
      if (message === null) break;
      socket.sendMessage(message);
      left -= 1;
    }
    socket.flush();
    if (this.mux.lettersOut.isMidway) crashPoint("letter-half-sent");
    this.#drainEffects();
    if (left === 0) this.poke();
    if (this.#isDrained) this.#finishDrain();
    else this.#arm();
  };

  /** BYE was said, no stream is open, and the letters of both ends have their receipts. */
  get #isDrained(): boolean {
    return this.#bye !== null && this.#streams.size === 0 && this.mux.lettersIn.unsettled === 0 && this.mux.lettersOut.underWay === 0;
  }

  #drainEffects(): void {
    for (const effect of this.mux.effects()) {
      if (this.#hasEnded) return;
      this.#apply(effect);
    }
  }

  #apply(effect: Effect): void {
    switch (effect.kind) {
      case "open":
        return this.#streams.accept(effect.id, effect.head);
      case "head":
      case "data":
      case "end":
      case "stop":
      case "writable":
        return this.#streams.deliver(effect);
      case "closed":
        return this.#streams.close(effect.id);
      case "reset":
        return this.#streams.reset(effect);
      case "letter":
        return this.letters?.onLetterChunk(effect.number, effect.offset, effect.total, effect.chunk);
      case "letterAcked":
        return this.letters?.onLetterAcked(effect.handle);
      case "settled":
        return this.letters?.onSettled(effect.handle, effect.status);
      case "letterRoom":
        return this.letters?.onLetterRoom();
      case "held":
        return this.onHeld(effect.payload);
      case "roundTrip":
        return this.onRoundTrip(effect.ms, effect.peerWallMs);
      case "bye":
        return this.#hearBye(effect.bye);
      case "fail":
        this.#settings.log.warn({ code: effect.fault.code, why: effect.fault.why }, "the link broke a rule or went silent");
        return this.abort(effect.code, effect.fault);
      default:
        return unreachable(effect);
    }
  }

  #hearBye(bye: Bye): void {
    if (this.#bye !== null) return;
    const fault = faultFromReason(faultCodeOf(bye.code), "the other end closed the link", bye.reason);
    this.#bye = { code: bye.code, saidBy: "peer", retryAfterMs: bye.retryAfterMs, fault, beforeMs: this.#settings.clock.monoMs() + heardDrainMsMax };
    this.poke();
  }

  #finishDrain(): void {
    const { fault, beforeMs } = this.#bye!;
    if (this.#settings.socket.bufferedOctets > 0 && this.#settings.clock.monoMs() < beforeMs) return this.#arm();
    this.#end(fault);
  }

  #arm(): void {
    if (this.#hasEnded) return;
    const now = this.#settings.clock.monoMs();
    let wakeMs = Math.min(this.mux.nextWakeMs(now), this.#bye?.beforeMs ?? Infinity);
    if (this.#settings.socket.bufferedOctets > socketStuckBytes) wakeMs = Math.min(wakeMs, now + socketStuckMs / 10);
    if (this.#isDrained) wakeMs = Math.min(wakeMs, now + drainLookMs);
    if (wakeMs >= this.#timerAtMs || wakeMs === Infinity) return; // the armed timer comes first anyway and arms again
    this.#cancelTimer();
    this.#timerAtMs = wakeMs;
    this.#cancelTimer = this.#settings.clock.after(Math.max(0, Math.ceil(wakeMs - now)), this.#wake);
  }

  readonly #wake = (): void => {
    this.#timerAtMs = Infinity;
    const now = this.#settings.clock.monoMs();
    // A timer that fires late must not judge a peer whose octets wait unread in the socket: the count is read first.
    this.mux.octetsSeen(this.#settings.socket.octetsRead, now);
    this.mux.tick(now);
    this.#drainEffects();
    const { socket } = this.#settings;
    if (!this.#hasEnded && this.#stuck.isStuck(socket.octetsWritten - socket.bufferedOctets, socket.bufferedOctets, now)) {
      this.abort("stuck", new Fault("LINK_SILENT", { what: "the other end takes nothing any more", why: `${socket.bufferedOctets} octets waited for ${socketStuckMs / 1000} s` }));
    }
    if (this.#bye !== null && now >= this.#bye.beforeMs) return this.#end(this.#bye.fault);
    this.#pump();
  };

  #end(fault: Fault): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancelTimer();
    this.#hearing?.end();
    const bye = this.#bye;
    const isSilent = fault.code === "LINK_SILENT";
    if (isSilent) this.#settings.socket.terminate();
    else this.#settings.socket.close();
    const end: LinkEnd = { fault, code: bye?.code ?? null, saidBy: bye?.saidBy ?? "nobody", retryAfterMs: bye?.retryAfterMs ?? 0 };
    this.mux.end();
    this.letters?.onLinkEnd();
    this.#resolveEnd(end);
    this.#streams.endAll(fault);
  }
}
