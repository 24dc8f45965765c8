// The multiplexer: many streams and letters over one ordered pipe of messages. A pure machine: inputs are methods, outputs wait in effects() and
// nextMessage(). Promises: order inside a stream, credit per stream, a cap on what is under way, control first, then small, then fair by
// octets; hostile input costs bounded memory and ends in one "fail" effect. PROTOCOL.md; receiving is in inbound.ts, sending in outbound.ts.
import { invariant } from "../kit/assert.ts";
import { Fault } from "../kit/errors.ts";
import type { CodeName } from "../wire/codes.ts";
import { ackAfterMs, creditLinkBytesMax, frameBytesMax, streamQueueBytesMax, streamQueueHighBytes, streamsPerLinkMax } from "../wire/limits.ts";
import { encodeHead, encodeOpen, type LetterStatus, type RequestHead, type ResponseHead } from "../wire/message.ts";
import { Control } from "./control.ts";
import { GrowthBudget } from "./credit.ts";
import type { Effect, StreamId } from "./effects.ts";
import { Inbound } from "./inbound.ts";
import { Keepalive } from "./keepalive.ts";
import { LiveTimer } from "./live.ts";
import { LettersIn, LettersOut, type LetterTotals, type OfferedLetter } from "./letters.ts";
import { Outbound } from "./outbound.ts";
import { Scheduler } from "./scheduler.ts";
import type { MuxRole, MuxSettings } from "./settings.ts";
import { StallWatch } from "./stalls.ts";
import { MuxStream } from "./stream.ts";

export class Mux {
  readonly role: MuxRole;
  readonly settings: MuxSettings;
  readonly streams = new Map<StreamId, MuxStream>();
  readonly control = new Control();
  readonly lettersOut: LettersOut;
  readonly lettersIn: LettersIn;
  readonly scheduler = new Scheduler();
  readonly keepalive: Keepalive;
  readonly budget: GrowthBudget;
  readonly #stalls = new StallWatch(this);
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  #lastId = 0;
  /** Greatest id whose OPEN has left (relay) or came (agent). */
  greatestId = 0;
  awaitedHeads = 0;
  sentOctets = 0;
  peerAckedOctets = 0;
  hasSaidBye = false;
  hasHeardBye = false;
  hasFailed = false;
  nowMs: number;
  #effects: Effect[] = [];
  #ackDueMs = Infinity;
  readonly #live = new LiveTimer();
  /** By the last PONG: what a grant needs to come into effect. */
  #roundTripMs = 50;

  constructor(settings: MuxSettings, nowMs: number) {
    this.settings = settings;
    this.role = settings.role;
    this.budget = new GrowthBudget(creditLinkBytesMax, settings.processBudget ?? null);
    this.nowMs = nowMs;
    this.lettersOut = new LettersOut(settings.peerLetterCredit);
    this.lettersIn = new LettersIn(settings.ownLetterCredit);
    this.keepalive = new Keepalive(settings.role === "relay", settings.random, nowMs);
    this.#inbound = new Inbound(this);
    this.#outbound = new Outbound(this);
  }

  // --- streams

  /** Relay only: a new stream; its OPEN leaves in the order of ids. Faults: DRAINING, TOO_MANY. */
  open(head: RequestHead, nowMs: number): StreamId {
    this.nowMs = nowMs;
    invariant(this.role === "relay", "only the relay opens streams");
    if (this.hasSaidBye || this.hasHeardBye) throw new Fault("DRAINING", { what: "the link is closing" });
    if (this.streams.size >= streamsPerLinkMax) throw new Fault("TOO_MANY", { what: `the link has ${streamsPerLinkMax} open streams`, why: "it takes no more until some end" });
    const record = encodeOpen(head, this.settings.allocateRecord);
    this.#lastId += 1;
    const stream = this.addStream(this.#lastId, head.flags.interactive);
    stream.record = record;
    if (head.flags.ends) stream.move("sendFin");
    this.#outbound.queueOpen(stream);
    this.awaitedHeads += 1;
    return stream.id;
  }

  addStream(id: StreamId, isInteractive: boolean): MuxStream {
    const stream = new MuxStream(id, isInteractive, { peerStart: this.settings.peerStartCredit, ownStart: this.settings.ownStartCredit, budget: this.budget });
    this.#live.opened(this.nowMs);
    this.streams.set(id, stream);
    return stream;
  }

  /** Agent only, once per stream. */
  respond(id: StreamId, head: ResponseHead): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    invariant(this.role === "agent" && !stream.hasResponded, "the agent answers each stream once");
    stream.record = encodeHead(head, this.settings.allocateRecord);
    stream.hasResponded = true;
    this.wake(stream);
  }

  /** False: enough is queued, go on at "writable". The chunk is the mux's until it has left. */
  write(id: StreamId, chunk: Uint8Array): boolean {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.isStopped) return true;
    invariant(!stream.wantsFin && stream.state !== "localDone", "nothing is written behind the end");
    invariant(stream.queuedOctets === 0 || stream.queuedOctets + chunk.length <= streamQueueBytesMax, "a writer stops when it is told to");
    stream.push(chunk, this.nowMs);
    this.wake(stream);
    if (stream.queuedOctets <= streamQueueHighBytes) return true;
    stream.wantsWritable = true;
    return false;
  }

  finish(id: StreamId): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.wantsFin || stream.state === "localDone") return;
    stream.wantsFin = true;
    this.wake(stream);
  }

  /** Asks the peer to end its direction. */
  stop(id: StreamId, code: CodeName): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.state === "remoteDone") return;
    this.control.stops.set(id, code);
  }

  /** Both directions end; what waited is dropped. Nothing for a stream that is over. */
  reset(id: StreamId, code: CodeName, reason = ""): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    const hasLeft = this.role === "agent" || stream.id <= this.greatestId || stream.recordSent > 0;
    if (hasLeft) this.control.resets.set(id, { code, reason });
    stream.move("reset");
    this.removeStream(stream);
  }

  removeStream(stream: MuxStream): void {
    if (this.role === "relay" && stream.headParts !== null) this.awaitedHeads -= 1;
    if (this.role === "relay" && stream.record !== null) this.#outbound.withdrawOpen(stream);
    stream.drop();
    this.control.credits.delete(stream);
    this.control.stops.delete(stream.id);
    this.streams.delete(stream.id);
  }

  /** The reader took octets of "data" effects. */
  take(id: StreamId, octets: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined || octets === 0) return;
    if (!stream.in.take(octets, this.nowMs, this.#roundTripMs) || stream.creditIsDue || stream.state === "remoteDone") return;
    stream.creditIsDue = true;
    this.control.credits.add(stream);
  }

  // --- letters

  offerLetter(letter: OfferedLetter): void {
    invariant(!this.hasSaidBye && !this.hasHeardBye, "no letter is offered after BYE");
    this.scheduler.wake(this.lettersOut.offer(letter), letter.lane === "control");
  }

  get letterRoom(): LetterTotals {
    return this.hasSaidBye || this.hasHeardBye ? { letters: 0, octets: 0 } : this.lettersOut.room;
  }

  settleLetter(number: number, status: LetterStatus): void {
    this.lettersIn.settle(number, status);
  }

  grantLetters(total: LetterTotals): void {
    this.lettersIn.grant(total);
  }

  held(payload: Uint8Array): void {
    invariant(payload.length <= frameBytesMax, "HELD fits one frame");
    this.control.held = payload;
  }

  // --- the link

  /** One message. Never throws for what a peer sent: a broken rule is a "fail" effect, and everything after it is ignored. */
  receive(message: Uint8Array, nowMs: number): void {
    this.nowMs = nowMs;
    if (this.hasFailed) return;
    this.keepalive.heard(nowMs);
    this.#inbound.receive(message);
    if (this.control.unackedOctets > 0 && this.#ackDueMs === Infinity) this.#ackDueMs = nowMs + ackAfterMs;
  }

  octetsSeen(total: number, nowMs: number): void {
    this.keepalive.octetsSeen(total, nowMs);
  }

  /** Keepalive, verdicts, LIVE. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    if (this.hasFailed) return;
    this.keepalive.setOwed(this.#isOwed, nowMs);
    const act = this.keepalive.tick(nowMs);
    if (act === "dead") {
      this.fail(new Fault("LINK_SILENT", { what: "the other end went silent", why: "nothing came back, and a ping was not answered" }), "silent");
    } else if (act === "ping") this.ping(nowMs);
    if (this.role === "relay" && nowMs >= this.#live.dueMs) this.#sayLive(nowMs);
    this.#stalls.tick(nowMs);
  }

  ping(nowMs: number): void {
    this.control.ping = this.keepalive.mark(nowMs);
  }

  heardPong(ms: number, peerWallMs: number): void {
    this.#roundTripMs = ms;
    this.effect({ kind: "roundTrip", ms, peerWallMs });
  }

  #sayLive(nowMs: number): void {
    if (this.greatestId > 0) this.control.live = { greatestId: this.greatestId, openIds: [...this.streams.keys()].filter((id) => id <= this.greatestId) };
    this.#live.said(this.streams.size, nowMs);
    this.ping(nowMs); // the round trip of the windows may have changed
  }

  get #isOwed(): boolean {
    return this.awaitedHeads > 0 || this.sentOctets > this.peerAckedOctets;
  }

  /** Says BYE: no new streams or letters; what is open goes on. */
  bye(code: CodeName, options: { retryAfterMs?: number; reason?: string; otherRelay?: string } = {}): void {
    if (this.hasSaidBye) return;
    this.hasSaidBye = true;
    this.control.bye = { code, greatestId: this.role === "agent" ? this.greatestId : 0, retryAfterMs: options.retryAfterMs ?? 0, reason: options.reason ?? "", otherRelay: options.otherRelay ?? "" };
    this.dropUnsent();
  }

  /** After BYE: OPENs that have not left never will, nor letters. */
  dropUnsent(): void {
    this.lettersOut.drop();
    for (const stream of this.#outbound.takeOpens()) {
      if (stream.recordSent > 0) this.control.resets.set(stream.id, { code: "draining", reason: "" });
      this.endStream(stream, "draining", "", true);
    }
  }

  /** A stream that is over without our caller having asked: tells it. */
  endStream(stream: MuxStream, code: CodeName, reason: string, local: boolean): void {
    stream.move("reset");
    this.removeStream(stream);
    this.effect({ kind: "reset", id: stream.id, code, reason, local });
  }

  /** The link is over: what its streams held of the process' memory is the other links' again. Their owners are told by the link. */
  end(): void {
    this.hasFailed = true;
    for (const stream of this.streams.values()) stream.drop();
    this.streams.clear();
  }

  fail(fault: Fault, code: CodeName): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.effect({ kind: "fail", fault, code });
  }

  closeStream(stream: MuxStream): void {
    this.removeStream(stream);
    this.effect({ kind: "closed", id: stream.id });
  }

  effect(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Drains what happened, oldest first. */
  effects(): Effect[] {
    return this.#effects.length === 0 ? NO_EFFECTS : this.#effects.splice(0);
  }

  /** The next message to send, or null when nothing may leave now. */
  nextMessage(nowMs: number, socketBufferedOctets: number): Uint8Array | null {
    this.nowMs = nowMs;
    const message = this.#outbound.nextMessage(nowMs, socketBufferedOctets, nowMs >= this.#ackDueMs);
    if (this.control.unackedOctets === 0) this.#ackDueMs = Infinity;
    return message;
  }

  /** Puts a stream in line when it has something that may leave. */
  wake(stream: MuxStream): void {
    if (this.role === "relay" && stream.record !== null) return; // OPENs leave in the order of their ids
    if (stream.hasBareWork) this.#outbound.queueBare(stream);
    else if (!stream.isQueued && stream.hasBody) this.scheduler.wake(stream, stream.goesFirst);
  }

  /** Absolute ms at which tick or nextMessage may have something to do; Infinity when never by time alone. */
  nextWakeMs(nowMs: number): number {
    if (this.hasFailed) return Infinity;
    this.keepalive.setOwed(this.#isOwed, nowMs);
    const pacerMs = this.scheduler.waiting > 0 ? this.settings.pacer.nextWakeMs(nowMs) : Infinity;
    return Math.min(this.keepalive.nextWakeMs(), this.#ackDueMs, this.#stalls.dueMs, this.role === "relay" ? this.#live.dueMs : Infinity, pacerMs);
  }
}

const NO_EFFECTS: Effect[] = [];
