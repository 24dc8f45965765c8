// Commands at the relay as rows: what a new one brings, what is read of one and of many. accept.ts takes them in, command-steps.ts moves them.
import type { CommandSpec } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { queryOne, type Operation } from "../../shared/kit/store.ts";
import type { Repeatability } from "../../shared/rules/command-kinds.ts";
import type { RelayState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import type { TargetKey } from "../../shared/rules/ordering.ts";
import type { QueueMax } from "./queue-room.ts";
import { LAST_RESTORE } from "./restores.ts";

/** What is known of a command outlives its deadline by this (ms): its key answers retries, and a late result still finds it. */
export const keptMs = 30 * 86_400_000;

export interface CommandRow {
  readonly id: string;
  readonly site: string;
  readonly siteName: string;
  readonly ord: number;
  readonly kind: CommandSpec["kind"];
  readonly what: string;
  readonly operator: string;
  readonly state: RelayState;
  readonly why: string;
  readonly deadlineMs: number;
  readonly askedMs: number;
  readonly offeredMs: number | null;
  readonly storedMs: number | null;
  readonly endedMs: number | null;
  readonly startedSiteMs: number | null;
  readonly endedSiteMs: number | null;
  readonly cancelAskedMs: number | null;
  /** Number of its last change, and the epoch of changes in which it counts (changes.ts). */
  readonly change: number;
  readonly epoch: number;
  /** When its site was last heard, by the store. */
  readonly siteContactMs: number | null;
  /** Since when its site is waited for to tell what it knows (restored.ts), or null. */
  readonly siteRestoredMs: number | null;
  readonly onFailure: "continue" | "block";
  /** The command that this one is a retry of. */
  readonly ancestor: string | null;
  /** Keys that it has: none when it has ended, unless it holds them. */
  readonly keys: number;
  /** How often it was offered to the site. */
  readonly offers: number;
  /** JSON of a CommandOutcome; in a list its first characters (rules/outcome.ts, findOutcome). */
  readonly outcome: string | null;
}

/** A site's column by a query of its own: SQLite prepares a join with a bound value anew each time that it is run, which costs ten times what the row does. */
export const ofSite = (column: string): string => `(SELECT s.${column} FROM sites s WHERE s.id = c.site)`;

/** What lists read: of an outcome they take the head, since five hundred whole ones, of sites that want it so, would be more than a list can carry. */
export const SHORT =
  `c.id, c.site, ${ofSite("name")} AS "siteName", c.ord, c.kind, c.what, c.operator, c.state, c.why, c.deadline_ms AS "deadlineMs", c.asked_ms AS "askedMs", c.offered_ms AS "offeredMs", c.stored_ms AS "storedMs", c.ended_ms AS "endedMs", c.started_site_ms AS "startedSiteMs", c.ended_site_ms AS "endedSiteMs", c.cancel_asked_ms AS "cancelAskedMs", c.change, c.offers, ${ofSite("last_contact_ms")} AS "siteContactMs", ${ofSite("restored_ms")} AS "siteRestoredMs", ${LAST_RESTORE} AS epoch, c.on_failure AS "onFailure", c.ancestor, (SELECT COUNT(*) FROM command_targets t WHERE t.command = c.id) AS keys`;
const COLUMNS = `${SHORT}, c.outcome`;

export interface NewCommand {
  readonly id: string;
  readonly siteName: string;
  readonly kind: string;
  readonly repeatability: Repeatability;
  readonly lane: LaneName;
  readonly what: string;
  readonly keys: readonly TargetKey[];
  readonly collapseKey: string | null;
  /** What is signed at the offer, and its SHA-256 in hex. */
  readonly body: Uint8Array;
  readonly bodyHash: string;
  readonly operator: string;
  readonly deadlineMs: number;
  readonly runMs: number;
  readonly nowMs: number;
  readonly idempotencyKey: string | null;
  /** Of the whole request: the same key with another one is a conflict. */
  readonly requestHash: string;
  /** block: behind an end that is no success its keys are held. */
  readonly onFailure?: "continue" | "block";
  /** What it is a retry of, and where that stood in its keys. */
  readonly ancestor?: { readonly id: string; readonly place: number };
  /** What the site's queue may hold, where it is not the default. */
  readonly queueMax?: QueueMax;
}

export function* commandRow(args: { readonly id: string }): Operation<CommandRow> {
  const row = yield* queryOne<CommandRow>(`SELECT ${COLUMNS} FROM commands c WHERE c.id = ?`, args.id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${args.id.slice(0, 80)}`, hint: "bowline command ls" });
  return row;
}
