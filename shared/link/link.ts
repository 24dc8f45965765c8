// One WebSocket joined to one mux: octets in become effects for the streams and the letters, what the mux wants to say leaves once per turn
// of the event loop. Promises: every stream hears its end exactly once, with a Fault that says why; nothing is written from inside the read
// path; tearing down never blocks the loop. Callers: agent/serve-link, relay/agents/serve-link. Wire: shared/PROTOCOL.md.
import { asFault, Fault } from "../kit/errors.ts";
import type { CancelTimer, Clock } from "../kit/clock.ts";
import type { Logger } from "../kit/log.ts";
import type { Random } from "../kit/random.ts";
import { unreachable } from "../kit/assert.ts";
import type { Effect } from "../mux/effects.ts";
import { Mux } from "../mux/mux.ts";
import type { LetterTotals } from "../mux/letters.ts";
import { RatePacer } from "../mux/pacer.ts";
import type { MuxRole } from "../mux/settings.ts";
import { faultCodeOf, type CodeName } from "../wire/codes.ts";
import type { Bye, RequestHead } from "../wire/message.ts";
import { socketStuckBytes, socketStuckMs } from "../wire/limits.ts";
import { endWhy, type FrameSocket } from "./frame-socket.ts";
import { Hearing } from "./hearing.ts";
import { LinkStream, type StreamSink } from "./link-stream.ts";
import type { LetterPort, LetterSide } from "./letter-side.ts";
import { faultFromReason, reasonOf } from "./reason.ts";

/** Messages put into the socket in one turn: 1 MiB at most before reads get their turn again. */
const messagesPerTurn = 16;
/** Streams told of the link's end in one turn. */
const endsPerTurn = 64;
/** Streams get this long (ms) to end by themselves after BYE, unless the caller says otherwise. */
const drainMsDefault = 10_000;

export interface LinkSettings {
  readonly role: MuxRole;
  readonly socket: FrameSocket;
  readonly peerStartCredit: number;
  readonly ownStartCredit: number;
  readonly peerLetterCredit: LetterTotals;
  readonly ownLetterCredit: LetterTotals;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface LinkEnd {
  /** Why, in words for `site describe` and for every stream that was open. */
  readonly fault: Fault;
  /** The code in the BYE that ended it, if there was one, and the hint that came with it. */
  readonly code: CodeName | null;
  readonly saidBy: "us" | "peer" | "nobody";
  readonly retryAfterMs: number;
}

export type StreamHandler = (stream: LinkStream, head: RequestHead, hasEnded: boolean) => void;

export class Link {
  readonly ended: Promise<LinkEnd>;
  readonly mux: Mux;
  onStream: StreamHandler = (stream) => stream.reset("policy");
  /** Told of every letter event; set by whoever runs a courier on this link. */
  letters: LetterSide | null = null;
  onHeld: (payload: Uint8Array) => void = () => {};
  onRoundTrip: (ms: number, peerWallMs: number) => void = () => {};
  readonly #settings: LinkSettings;
  readonly #streams = new Map<number, LinkStream>();
  #resolveEnd!: (end: LinkEnd) => void;
  #pumpAsked = false;
  #hasEnded = false;
  #bye: { code: CodeName; saidBy: "us" | "peer"; retryAfterMs: number; fault: Fault } | null = null;
  #cancelTimer: CancelTimer = () => {};
  #timerAtMs = Infinity;
  #drainBeforeMs = Infinity;
  #stuck = { leftOctets: 0, sinceMs: 0 };
  #hearing: Hearing | null = null;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
    const now = settings.clock.monoMs();
    this.mux = new Mux(
      {
        role: settings.role,
        allocate: (octets) => Buffer.allocUnsafe(octets),
        peerStartCredit: settings.peerStartCredit,
        ownStartCredit: settings.ownStartCredit,
        peerLetterCredit: settings.peerLetterCredit,
        ownLetterCredit: settings.ownLetterCredit,
        wallMs: () => settings.clock.wallMs(),
        random: settings.random,
        pacer: new RatePacer(now),
      },
      now,
    );
    this.#stuck.sinceMs = now;
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
    this.poke();
  }

  /** The link as a courier sees it: whatever it puts in leaves at the end of the turn. */
  get letterPort(): LetterPort {
    const { mux } = this;
    return {
      get letterRoom() {
        return mux.letterRoom;
      },
      offerLetter: (letter) => {
        mux.offerLetter(letter);
        this.poke();
      },
      settleLetter: (number, status) => {
        mux.settleLetter(number, status);
        this.poke();
      },
      grantLetters: (total) => {
        mux.grantLetters(total);
        this.poke();
      },
    };
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** No new streams from here on: BYE was said or heard, or the link is over. */
  get isDraining(): boolean {
    return this.#hasEnded || this.#bye !== null;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Relay only: opens a stream to the agent. Faults: TOO_MANY, DRAINING, LINK_LOST. */
  open(head: RequestHead, sink: StreamSink): LinkStream {
    if (this.#hasEnded) throw new Fault("LINK_LOST", { what: "the link has ended" });
    const stream = new LinkStream(this, this.mux.open(head, this.#settings.clock.monoMs()), sink);
    this.#streams.set(stream.id, stream);
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
    if (this.#pumpAsked || this.#hasEnded) return;
    this.#pumpAsked = true;
    setImmediate(this.#pump);
  }

  /**
   * Says BYE, lets streams end by themselves for `drainMs`, then closes. Resolves when the socket is gone.
   * `fault` is what the streams that are cut, and the peer, are told.
   */
  async shutdown(code: CodeName, fault: Fault, options: { retryAfterMs?: number; drainMs?: number } = {}): Promise<void> {
    const retryAfterMs = options.retryAfterMs ?? 0;
    if (!this.#hasEnded && this.#bye === null) {
      this.#bye = { code, saidBy: "us", retryAfterMs, fault };
      this.mux.bye(code, { retryAfterMs, reason: reasonOf(fault) });
      this.#drainBeforeMs = this.#settings.clock.monoMs() + (options.drainMs ?? drainMsDefault);
      this.poke();
      this.#arm();
    }
    await this.ended;
    await this.#settings.socket.ended;
  }

  /** Ends the link now, telling the peer if it listens. */
  abort(code: CodeName, fault: Fault): void {
    if (this.#hasEnded) return;
    if (this.#bye === null) {
      this.#bye = { code, saidBy: "us", retryAfterMs: 0, fault };
      this.mux.bye(code, { reason: reasonOf(fault) });
    }
    const last = this.mux.nextMessage(this.#settings.clock.monoMs(), 0);
    if (last) this.#settings.socket.sendMessage(last);
    this.#end(fault);
  }

  forget(id: number): void {
    this.#streams.delete(id);
  }

  readonly #pump = (): void => {
    this.#pumpAsked = false;
    if (this.#hasEnded) return;
    const { socket, clock } = this.#settings;
    const now = clock.monoMs();
    let left = messagesPerTurn;
    socket.cork();
    while (left > 0) {
      const message = this.mux.nextMessage(now, socket.bufferedOctets);
      if (message === null) break;
      socket.sendMessage(message);
      left -= 1;
    }
    socket.uncork();
    this.#drainEffects();
    if (left === 0) this.poke();
    if (this.#bye !== null && this.#streams.size === 0) this.#finishDrain();
    else this.#arm();
  };

  #drainEffects(): void {
    const effects = this.mux.effects();
    for (let index = 0; index < effects.length && !this.#hasEnded; index += 1) {
      const effect = effects[index]!;
      if (effect.kind === "open") {
        const next = effects[index + 1];
        const hasEnded = next !== undefined && next.kind === "end" && next.id === effect.id;
        if (hasEnded) index += 1;
        this.#accept(effect.id, effect.head, hasEnded);
      } else this.#apply(effect);
    }
  }

  #accept(id: number, head: RequestHead, hasEnded: boolean): void {
    const stream = new LinkStream(this, id, null);
    this.#streams.set(id, stream);
    this.#guard(id, () => this.onStream(stream, head, hasEnded));
  }

  #apply(effect: Exclude<Effect, { kind: "open" }>): void {
    switch (effect.kind) {
      case "head":
      case "data":
      case "end":
      case "stop":
      case "writable":
        return this.#guard(effect.id, () => this.#streams.get(effect.id)?.deliver(effect));
      case "closed":
        return this.#streams.get(effect.id)?.close();
      case "reset": {
        const stream = this.#streams.get(effect.id);
        const what = effect.local === true ? "the other end broke a rule of the stream" : "the other end gave up the stream";
        return this.#guard(effect.id, () => stream?.fail(faultFromReason(faultCodeOf(effect.code), what, effect.reason), effect.code));
      }
      case "letter":
        return this.letters?.onLetterChunk(effect.number, effect.offset, effect.total, effect.chunk);
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

  /** A stream's handler that throws ends its own stream, never the link. */
  #guard(id: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      const fault = asFault(error);
      this.#settings.log.error({ code: fault.code, why: fault.why, stack: fault.stack ?? "" }, "a stream handler failed");
      this.mux.reset(id, "bug", reasonOf(fault));
      this.#streams.get(id)?.fail(fault, "bug");
    }
  }

  #hearBye(bye: Bye): void {
    if (this.#bye !== null) return;
    const fault = faultFromReason(faultCodeOf(bye.code), "the other end closed the link", bye.reason);
    this.#bye = { code: bye.code, saidBy: "peer", retryAfterMs: bye.retryAfterMs, fault };
    this.#drainBeforeMs = this.#settings.clock.monoMs() + drainMsDefault;
    this.poke();
  }

  #finishDrain(): void {
    if (this.#settings.socket.bufferedOctets > 0 && this.#settings.clock.monoMs() < this.#drainBeforeMs) return this.#arm();
    this.#end(this.#bye!.fault);
  }

  #arm(): void {
    if (this.#hasEnded) return;
    const now = this.#settings.clock.monoMs();
    let wakeMs = Math.min(this.mux.nextWakeMs(now), this.#drainBeforeMs);
    if (this.#settings.socket.bufferedOctets > socketStuckBytes) wakeMs = Math.min(wakeMs, now + socketStuckMs / 10);
    if (this.#bye !== null && this.#streams.size === 0) wakeMs = Math.min(wakeMs, now + 10);
    if (wakeMs >= this.#timerAtMs || wakeMs === Infinity) return; // the armed timer comes first anyway and arms again
    this.#cancelTimer();
    this.#timerAtMs = wakeMs;
    this.#cancelTimer = this.#settings.clock.after(Math.max(0, Math.ceil(wakeMs - now)), this.#wake);
  }

  readonly #wake = (): void => {
    this.#timerAtMs = Infinity;
    if (this.#hasEnded) return;
    const now = this.#settings.clock.monoMs();
    // A timer that fires late must not judge a peer whose octets wait unread in the socket: the count is read first.
    this.mux.octetsSeen(this.#settings.socket.octetsRead, now);
    this.mux.tick(now);
    this.#watchSocket(now);
    this.#drainEffects();
    if (this.#hasEnded) return;
    if (now >= this.#drainBeforeMs && this.#bye !== null) return this.#end(this.#bye.fault);
    this.#pump();
  };

  #watchSocket(now: number): void {
    const { socket } = this.#settings;
    const leftOctets = socket.octetsWritten - socket.bufferedOctets;
    if (leftOctets !== this.#stuck.leftOctets || socket.bufferedOctets <= socketStuckBytes) this.#stuck = { leftOctets, sinceMs: now };
    else if (now - this.#stuck.sinceMs >= socketStuckMs) {
      this.abort("stuck", new Fault("LINK_SILENT", { what: "the other end takes nothing any more", why: `${socket.bufferedOctets} octets waited for ${socketStuckMs / 1000} s` }));
    }
  }

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
    this.letters?.onLinkEnd();
    this.#resolveEnd(end);
    this.#endStreams([...this.#streams.values()], fault);
  }

  /** A few streams per turn: thousands of open streams must not hold the loop of a relay that serves other sites. */
  #endStreams(streams: LinkStream[], fault: Fault): void {
    for (const stream of streams.splice(0, endsPerTurn)) this.#guard(stream.id, () => stream.fail(fault, "unspecified"));
    if (streams.length > 0) setImmediate(() => this.#endStreams(streams, fault));
  }
}
