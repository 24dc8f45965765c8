// The open streams of one link: effects of the mux become calls to their sinks. A sink that throws ends its own stream, never the link; the end of the link
// reaches every stream, a few per turn. Made and called by link.ts.
import type { Clock } from "../kit/clock.ts";
import { asFault, type Fault } from "../kit/errors.ts";
import type { Logger } from "../kit/log.ts";
import type { Effect } from "../mux/effects.ts";
import type { CodeName } from "../wire/codes.ts";
import { faultCodeOf } from "../wire/codes.ts";
import type { RequestHead } from "../wire/message.ts";
import type { Link } from "./link.ts";
import { LinkStream, type StreamSink } from "./link-stream.ts";
import { faultFromReason, reasonOf } from "./reason.ts";

/** Streams told of the link's end in one turn: thousands of them must not hold the loop of a relay that serves other sites. */
const endsPerTurn = 64;
/** A link counts as used by streams this long (ms) after the last one began: between two requests of one person nothing else may take it whole. */
const inUseMs = 1_000;

/** Why our own mux ends streams, other than for what the peer did. */
const OWN_REASONS: Partial<Record<CodeName, string>> = { draining: "the link is closing", stalled: "the answer was read too slowly" };

/** `head.flags.ends`: no body follows. */
export type StreamHandler = (stream: LinkStream, head: RequestHead) => void;
type StreamEffect = Extract<Effect, { kind: "head" | "data" | "end" | "stop" | "writable" }>;

export class StreamSet {
  onStream: StreamHandler = (stream) => stream.reset("policy");
  readonly #link: Link;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #streams = new Map<number, LinkStream>();
  #lastBeganMs = -Infinity;

  constructor(link: Link, { log, clock }: { readonly log: Logger; readonly clock: Clock }) {
    this.#link = link;
    this.#log = log;
    this.#clock = clock;
  }

  get areInUse(): boolean {
    return this.#streams.size > 0 || this.#clock.monoMs() - this.#lastBeganMs < inUseMs;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(id: number, sink: StreamSink | null): LinkStream {
    const stream = new LinkStream(this.#link, id, sink);
    this.#lastBeganMs = this.#clock.monoMs();
    this.#streams.set(id, stream);
    return stream;
  }

  forget(id: number): void {
    this.#streams.delete(id);
  }

  accept(id: number, head: RequestHead): void {
    const stream = this.add(id, null);
    try {
      this.onStream(stream, head);
    } catch (error) {
      this.#failHandler(id, error);
    }
  }

  deliver(effect: StreamEffect): void {
    try {
      this.#streams.get(effect.id)?.deliver(effect);
    } catch (error) {
      this.#failHandler(effect.id, error);
    }
  }

  close(id: number): void {
    this.#streams.get(id)?.close();
  }

  /** The peer reset the stream, or our own mux did (`local`). */
  reset(effect: Extract<Effect, { kind: "reset" }>): void {
    const what = effect.local ? (OWN_REASONS[effect.code] ?? "the other end broke a rule of the stream") : "the other end gave up the stream";
    this.#fail(effect.id, faultFromReason(faultCodeOf(effect.code), what, effect.reason), effect.code);
  }

  #failHandler(id: number, error: unknown): void {
    const fault = asFault(error);
    this.#log.error({ code: fault.code, why: fault.why, stack: fault.stack ?? "" }, "a stream handler failed");
    this.#link.mux.reset(id, "bug", reasonOf(fault));
    this.#fail(id, fault, "bug");
  }

  #fail(id: number, fault: Fault, code: CodeName): void {
    const stream = this.#streams.get(id);
    try {
      stream?.fail(fault, code);
    } catch (error) {
      this.#log.error({ why: asFault(error).why }, "a stream could not be told of its end");
    }
  }

  /** The link is over. */
  endAll(fault: Fault): void {
    this.#endSome([...this.#streams.keys()], fault);
  }

  #endSome(ids: number[], fault: Fault): void {
    for (const id of ids.splice(0, endsPerTurn)) this.#fail(id, fault, "unspecified");
    if (ids.length > 0) setImmediate(() => this.#endSome(ids, fault));
  }
}
