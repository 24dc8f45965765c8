// Five bugs that delivery.md exists to prevent, planted between the product and its stores for one run: whoever doubts the simulator lets it find them. None of them is
// in the product.
import type { AgentOperations } from "../../agent/store/operations.ts";
import type { RelayOperations } from "../../relay/store/operations.ts";
import type { Store } from "../../shared/kit/store.ts";
import type { SimStore } from "./sim-store.ts";

export const BUGS = ["receipt-before-commit", "resend-on-live-link", "missing-fence", "no-tombstone", "receipts-by-range"] as const;
export type Bug = (typeof BUGS)[number];

type AgentStore = Store<AgentOperations>;
type RelayStore = Store<RelayOperations>;

export interface Planted {
  agent(store: AgentStore): AgentStore;
  relay(store: RelayStore, engine: () => SimStore<RelayOperations>): RelayStore;
}

/** Stands before a store's `call`; `next` is the real one. */
type Stand = (name: string, args: unknown, next: (name: string, args: unknown) => Promise<unknown>) => Promise<unknown>;

function standing<Of extends Store<never>>(store: Of, stand: Stand): Of {
  const next = (name: string, args: unknown): Promise<unknown> => (store.call as unknown as (name: string, args: unknown) => Promise<unknown>)(name, args);
  return { call: (name: string, args: unknown) => stand(name, args, next), close: () => store.close() } as unknown as Of;
}

const NONE: Planted = { agent: (store) => store, relay: (store) => store };

export function bugOf(bug: Bug | null): Planted {
  switch (bug) {
    case null:
      return NONE;
    case "receipt-before-commit":
      // The receipt leaves, the transaction follows.
      return { ...NONE, agent: (store) => standing(store, (name, args, next) => (name === "storeCommand" ? (next(name, args).catch(() => {}), Promise.resolve("stored")) : next(name, args))) };
    case "resend-on-live-link":
      return { ...NONE, relay: (store) => standing(store, resend()) };
    case "missing-fence":
      // Whoever settles or takes a letter counts as the newest link.
      return { ...NONE, relay: (store, engine) => standing(store, (name, args, next) => next(name, withFence(name, args, engine))) };
    case "no-tombstone":
      return { ...NONE, agent: (store) => standing(store, forgetful()) };
    case "receipts-by-range":
      return { ...NONE, relay: (store, engine) => standing(store, byRange(engine)) };
  }
}

/** Every third lease takes what left before with it, although nobody refused it. */
function resend(): Stand {
  const left = new Map<string, unknown[]>();
  let leases = 0;
  return async (name, args, next) => {
    const answer = await next(name, args);
    if (name !== "leaseCommands") return answer;
    const { site } = args as { site: string };
    const leased = answer as unknown[];
    const before = left.get(site) ?? [];
    left.set(site, [...before, ...leased].slice(-3));
    leases += 1;
    return leases % 3 === 0 ? [...leased, ...before] : leased;
  };
}

function withFence(name: string, args: unknown, engine: () => SimStore<RelayOperations>): unknown {
  if (name !== "settleLetter" && name !== "takeSiteLetter" && name !== "settleInDoubt") return args;
  const { site, id } = args as { site: string; id: string };
  const own = name === "settleLetter" ? "SELECT offered_fence AS fence FROM outbox WHERE id = ? AND state = 'offered'" : "SELECT fence FROM sites WHERE id = ?";
  const found = engine().rows<{ fence: number }>(own, name === "settleLetter" ? id : site)[0];
  return found === undefined ? args : { ...(args as object), fence: found.fence };
}

/** What is reported leaves nothing behind. */
function forgetful(): Stand {
  return async (name, args, next) => {
    const answer = await next(name, args);
    if (name === "ownReceipt") await next("simRows", { sql: "DELETE FROM commands WHERE state = 'reported' RETURNING id", params: [] });
    return answer;
  };
}

/** A receipt settles all that left before it, as if letters were acknowledged by their order. */
function byRange(engine: () => SimStore<RelayOperations>): Stand {
  return async (name, args, next) => {
    if (name !== "settleLetter") return next(name, args);
    const { site, id, status } = args as { site: string; id: string; status: string };
    if (status !== "committed") return next(name, args);
    const lower = engine().rows<{ id: string }>("SELECT c.id FROM commands c WHERE c.site = ? AND c.state = 'offered' AND c.ord < (SELECT ord FROM commands WHERE id = ?)", site, id.replace("cancel-", ""));
    for (const row of lower) await next(name, { ...(args as object), id: row.id });
    return next(name, args);
  };
}
