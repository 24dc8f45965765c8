// Lifetimes: process > link > stream. A Scope is an AbortSignal plus the closers of what was opened inside it; ending a scope
// ends its children first, then runs its closers newest first. Refuses to open anything in a scope that has ended.
import { Fault } from "./errors.ts";

export type Closer = () => void | Promise<void>;

export class Scope {
  readonly name: string;
  readonly #abort = new AbortController();
  readonly #closers = new Set<Closer>();
  #ending: Promise<void> | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get hasEnded(): boolean {
    return this.#ending !== null;
  }

  /** Runs `close` when the scope ends. Returns a function that withdraws it (for things that ended earlier by themselves). */
  onEnd(close: Closer): () => void {
    if (this.#ending !== null) throw new Fault("DRAINING", { what: `${this.name} has ended, nothing new can begin in it` });
    this.#closers.add(close);
    return () => void this.#closers.delete(close);
  }

  child(name: string): Scope {
    const child = new Scope(`${this.name}/${name}`);
    const withdraw = this.onEnd(() => child.end(this.signal.reason));
    child.onEnd(withdraw);
    return child;
  }

  /** Ends the scope; idempotent. Resolves when every closer has; rejects with the first closer's error after all have run. */
  end(reason: unknown = new Fault("DRAINING", { what: `${this.name} has ended` })): Promise<void> {
    this.#ending ??= this.#runClosers(reason);
    return this.#ending;
  }

  async #runClosers(reason: unknown): Promise<void> {
    await Promise.resolve(); // so that #ending is set before a closer can ask for it
    this.#abort.abort(reason);
    const errors: unknown[] = [];
    for (const close of [...this.#closers].reverse()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#closers.clear();
    if (errors.length > 0) throw errors[0];
  }
}
