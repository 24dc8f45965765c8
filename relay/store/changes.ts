// Every change of a command has a number, drawn in the transaction that makes it: who has seen all up to one asks the store for what is above it, whichever relay made
// it and whenever this process began. The row that the number is drawn from is locked to the commit, so a lower number never becomes visible after a higher one.
import { invariant } from "../../shared/kit/assert.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { outcomeHeadChars } from "../../shared/rules/outcome.ts";
import { ofSite, SHORT, type CommandRow } from "./commands.ts";
import { LAST_RESTORE } from "./restores.ts";

/** A place in the run of changes. After the relay was put back from a copy its numbers begin anew and mean something else: `epoch` is the time (ms) at which that was last noticed, or 0. */
export interface ChangeAt {
  readonly epoch: number;
  readonly change: number;
}

export function* nextChange(): Operation<number> {
  const row = yield* queryOne<{ value: number }>("UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value");
  invariant(row !== null, "the counter of changes exists from its migration");
  return Number(row.value);
}

export function* markChanged(command: string): Operation<void> {
  yield* query("UPDATE commands SET change = ? WHERE id = ?", yield* nextChange(), command);
}

/** The newest change. */
export function* changeHead(_args: null): Operation<ChangeAt> {
  const row = yield* queryOne<{ value: number; epoch: number }>(`SELECT value, ${LAST_RESTORE} AS epoch FROM counters WHERE name = 'change'`);
  return { epoch: Number(row?.epoch ?? 0), change: Number(row?.value ?? 0) };
}

export interface ChangedRow extends CommandRow {
  /** Of its site: JSON. */
  readonly labels: string;
}

/** Commands as they are now whose last change is above a number, oldest change first: one that changed twice is there once. */
export function* changedCommands(args: { readonly after: number; readonly limit: number }): Operation<ChangedRow[]> {
  return yield* query<ChangedRow>(`SELECT ${SHORT}, ${ofSite("labels")} AS labels, SUBSTR(c.outcome, 1, ?) AS outcome FROM commands c WHERE c.change > ? ORDER BY c.change LIMIT ?`, outcomeHeadChars + 1, args.after, args.limit);
}
