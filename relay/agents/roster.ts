// Who is linked to this process right now. Memory only, and only what dies with the link: the record of a site is in the store. The newest link of a
// site (by fence) wins; the older loses its letters at once and drains its live streams.
import { Fault } from "../../shared/kit/errors.ts";
import type { Link } from "../../shared/link/link.ts";

export interface Linked {
  readonly siteId: string;
  readonly name: string;
  readonly fence: number;
  readonly link: Link;
  readonly sinceMs: number;
  readonly agentVersion: string;
  roundTripMs: number | null;
  /** Looks for letters that may leave. */
  poke(): void;
}

export interface Absence {
  readonly siteId: string;
  readonly endedMs: number;
  readonly why: string;
  /** The agent will be back within seconds: no verdict was passed, or a BYE promised return. */
  readonly isReconnecting: boolean;
}

/** How long (ms) a link's end counts as "reconnecting". link.md section 4. */
const reconnectingMs = 10_000;
/**
 * After a start nobody is linked yet. A site whose link ended (or, after a kill, was last heard) less than this (ms) before is about to return: a restart, and the half
 * minute between two notes of a contact.
 */
const restartMs = 120_000;
/** Ends remembered; older ones answer as plainly offline. */
const absencesMax = 10_000;

export class Roster {
  readonly #startedMs: number;
  readonly #byId = new Map<string, Linked>();
  readonly #idsByName = new Map<string, string>();
  readonly #absences = new Map<string, Absence>();
  readonly #waiters = new Map<string, Set<() => void>>();

  /** `startedMs`: wall clock of this process's start. */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** Takes the site for this link; an older one is told and loses its place. */
  join(linked: Linked): void {
    const before = this.#byId.get(linked.siteId);
    if (before !== undefined && before.fence > linked.fence) {
      linked.link.abort("replaced", replaced());
      return;
    }
    this.#byId.set(linked.siteId, linked);
    this.#idsByName.set(linked.name, linked.siteId);
    this.#absences.delete(linked.siteId);
    if (before !== undefined) void before.link.shutdown("replaced", replaced());
    for (const wake of this.#waiters.get(linked.siteId) ?? []) wake();
    this.#waiters.delete(linked.siteId);
  }

  /** The link is over. Nothing happens when a newer one took the site already. */
  leave(linked: Linked, absence: Absence): void {
    if (this.#byId.get(linked.siteId) !== linked) return;
    this.#byId.delete(linked.siteId);
    this.#absences.delete(linked.siteId);
    this.#absences.set(linked.siteId, absence);
    if (this.#absences.size > absencesMax) this.#absences.delete(this.#absences.keys().next().value!);
  }

  find(siteId: string): Linked | null {
    return this.#byId.get(siteId) ?? null;
  }

  /** The link of a name, in two looks and no promise: every request of kubectl comes by here. */
  linkFor(name: string): Linked | null {
    const id = this.#idsByName.get(name);
    return id === undefined ? null : (this.#byId.get(id) ?? null);
  }

  isReconnecting(site: { readonly id: string; readonly linkEndMs: number | null; readonly lastContactMs: number | null }, nowMs: number): boolean {
    const absence = this.#absences.get(site.id);
    if (absence !== undefined) return absence.isReconnecting && nowMs - absence.endedMs < reconnectingMs;
    const lastMs = site.linkEndMs ?? site.lastContactMs;
    return lastMs !== null && nowMs - this.#startedMs < reconnectingMs && this.#startedMs - lastMs < restartMs;
  }

  /** Calls `wake` once when the site is linked. Returns what withdraws it, or null when too many wait already. */
  onJoin(siteId: string, wake: () => void, waitersMax: number): (() => void) | null {
    const waiters = this.#waiters.get(siteId) ?? new Set();
    if (waiters.size >= waitersMax) return null;
    this.#waiters.set(siteId, waiters.add(wake));
    return () => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(siteId) === waiters) this.#waiters.delete(siteId);
    };
  }

  all(): IterableIterator<Linked> {
    return this.#byId.values();
  }
}

function replaced(): Fault {
  return new Fault("LINK_REPLACED", { what: "a newer link of this site took over", why: "the agent dialled again", hint: "repeat the request" });
}
