// Faults on demand: a rule says which requests it meets, how often, and what becomes of them. Rules are asked in the order they were
// made; the first that meets a request takes it. Used by tests that prove what the product does when an API server misbehaves.
import type { Exchange, Bend } from "./reply.ts";
import { StatusError, statusOf } from "./status.ts";
import { pause, type Clock } from "../../../shared/kit/clock.ts";

interface FaultMatch {
  readonly method?: string;
  /** Verb as the audit says it: get, list, watch, create, ... */
  readonly verb?: string;
  readonly resource?: string;
  /** Against the request target as it came, query included. */
  readonly path?: RegExp;
}

type FaultAction =
  | { readonly kind: "status"; readonly code: number; readonly message?: string; readonly reason?: string; readonly retryAfterS?: number; readonly headers?: Readonly<Record<string, string>>; readonly text?: string }
  | { readonly kind: "delay"; readonly delayMs: number }
  /** Takes the request and never answers. */
  | { readonly kind: "silence" }
  /** Destroys the socket before any answer. */
  | { readonly kind: "hangUp" }
  /** 413 at once, while the client is still sending; nothing of the body is read. */
  | { readonly kind: "early413" }
  | Bend;

export interface FaultRule {
  readonly match?: FaultMatch;
  /** Default: until withdrawn. */
  readonly times?: number;
  readonly action: FaultAction;
}

export class FaultRules {
  #rules: { rule: FaultRule; left: number }[] = [];

  /** Answers a function that withdraws the rule. */
  add(rule: FaultRule): () => void {
    const held = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
    this.#rules.push(held);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== held);
    };
  }

  clear(): void {
    this.#rules = [];
  }

  take(exchange: Pick<Exchange, "method" | "entry">): FaultAction | null {
    const held = this.#rules.find(({ rule, left }) => left > 0 && meets(rule.match ?? {}, exchange));
    if (held === undefined) return null;
    held.left -= 1;
    if (held.left <= 0) this.#rules = this.#rules.filter((other) => other !== held);
    return held.rule.action;
  }
}

function meets(match: FaultMatch, { method, entry }: Pick<Exchange, "method" | "entry">): boolean {
  if (match.method !== undefined && match.method !== method) return false;
  if (match.verb !== undefined && match.verb !== entry.verb) return false;
  if (match.resource !== undefined && match.resource !== entry.resource) return false;
  return match.path === undefined || match.path.test(entry.path);
}

/** Lets the fault happen. True: the request is dealt with, no handler runs. */
export async function befall(action: FaultAction, exchange: Exchange, clock: Clock): Promise<boolean> {
  const { reply } = exchange;
  switch (action.kind) {
    case "delay":
      await pause(clock, action.delayMs, reply.signal);
      return false;
    case "silence":
      await new Promise<void>((resolve) => reply.signal.addEventListener("abort", () => resolve(), { once: true }));
      return true;
    case "hangUp":
      reply.abort();
      return true;
    case "early413":
      reply.answerEarly(413, { "Content-Type": "application/json" }, JSON.stringify(statusOf(413, "Request entity too large: limit is 3145728")));
      return true;
    case "status":
      if (action.text !== undefined) {
        reply.head(action.code, { "Content-Type": "text/plain; charset=utf-8", ...action.headers });
        await reply.end(action.text);
        return true;
      }
      throw new StatusError(action.code, action.message ?? `simulated ${action.code}`, {
        ...(action.reason === undefined ? {} : { reason: action.reason }),
        ...(action.retryAfterS === undefined ? {} : { details: { retryAfterSeconds: action.retryAfterS } }),
        headers: { ...action.headers, ...(action.retryAfterS === undefined ? {} : { "Retry-After": String(action.retryAfterS) }) },
      });
    default:
      reply.bend(action);
      return false;
  }
}
