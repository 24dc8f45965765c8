// One stream of a link, as its owner sees it: verbs to write, end and refuse, and a sink that is told what arrives. No queue of its own:
// octets wait in the mux on the way out, and stay the sink's once delivered (it calls `take` when its own reader has them).
import type { Fault } from "../kit/errors.ts";
import type { CodeName } from "../wire/codes.ts";
import type { ResponseHead } from "../wire/message.ts";
import type { Effect } from "../mux/effects.ts";
import type { Link } from "./link.ts";
import { reasonOf } from "./reason.ts";

/** Told in order: head (at the relay), data*, end; or `onFail` at any time, once, as the last. `onClose` follows when both directions are complete. */
export interface StreamSink {
  onHead?(head: ResponseHead): void;
  /** The chunk is the sink's to keep; `stream.take(chunk.length)` when it is consumed. */
  onOctets(chunk: Uint8Array): void;
  onEnd(): void;
  /** The peer asks us to end our direction: nobody reads it any more. */
  onStop?(code: CodeName): void;
  onWritable?(): void;
  onFail(fault: Fault, code: CodeName): void;
  onClose?(): void;
}

type Delivered = Extract<Effect, { kind: "head" | "data" | "end" | "stop" | "writable" }>;

export class LinkStream {
  readonly id: number;
  sink: StreamSink | null;
  readonly #link: Link;
  #isOver = false;
  #hasFinished = false;

  constructor(link: Link, id: number, sink: StreamSink | null) {
    this.#link = link;
    this.id = id;
    this.sink = sink;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  respond(head: ResponseHead): void {
    if (this.#isOver) return;
    this.#link.mux.respond(this.id, head);
    this.#link.poke();
  }

  /** False: enough is waiting, go on at `onWritable`. After the end of the stream, or of our direction, the octets are dropped and it answers true. */
  write(chunk: Uint8Array): boolean {
    if (this.#isOver || this.#hasFinished || chunk.length === 0) return true;
    const hasRoom = this.#link.mux.write(this.id, chunk);
    this.#link.poke();
    return hasRoom;
  }

  finish(): void {
    if (this.#isOver || this.#hasFinished) return;
    this.#hasFinished = true;
    this.#link.mux.finish(this.id);
    this.#link.poke();
  }

  stop(code: CodeName): void {
    if (this.#isOver) return;
    this.#link.mux.stop(this.id, code);
    this.#link.poke();
  }

  /** Both directions are over; the sink hears nothing more. */
  reset(code: CodeName, fault?: Fault): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.mux.reset(this.id, code, fault ? reasonOf(fault) : "");
    this.#link.forget(this.id);
    this.#link.poke();
  }

  take(octets: number): void {
    if (this.#isOver || octets === 0) return;
    this.#link.mux.take(this.id, octets);
    this.#link.poke();
  }

  deliver(effect: Delivered): void {
    const sink = this.sink;
    if (this.#isOver || sink === null) return;
    if (effect.kind === "data") sink.onOctets(effect.chunk);
    else if (effect.kind === "head") sink.onHead?.(effect.head);
    else if (effect.kind === "end") sink.onEnd();
    else if (effect.kind === "stop") sink.onStop?.(effect.code);
    else sink.onWritable?.();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.forget(this.id);
    this.sink?.onClose?.();
  }

  fail(fault: Fault, code: CodeName): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.forget(this.id);
    this.sink?.onFail(fault, code);
  }
}
