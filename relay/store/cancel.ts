// Cancelling and giving up. What has not left ends here at once; what has left is asked of the site by a letter of its own in the lane control, and the site's
// word counts. Giving up ends a command for this relay alone: a true result that comes later is kept as evidence. delivery.md section 3.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { isTerminal, type RelayState } from "../../shared/rules/command-state.ts";
import { endHere, putCancelLetter, stepCommand } from "./command-steps.ts";
import { commandRow, type CommandRow } from "./commands.ts";

export interface ByOperator {
  readonly id: string;
  readonly operator: string;
  readonly nowMs: number;
}

function* openCommand(args: ByOperator, verb: string): Operation<{ site: string; state: RelayState }> {
  const row = yield* queryOne<{ site: string; state: RelayState; outcome: string | null }>("SELECT site, state, outcome FROM commands WHERE id = ?", args.id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${args.id.slice(0, 80)}`, hint: "bowline command ls" });
  if (isTerminal(row.state)) {
    const what = row.outcome === null ? "" : `: ${(JSON.parse(row.outcome) as { what: string }).what}`;
    throw new Fault("STATE_REFUSED", { what: `${args.id} cannot be ${verb} any more`, why: `it has ended: ${row.state}${what}`, hint: `bowline command describe ${args.id}` });
  }
  return row;
}

/** Cancels, or asks the site to. Fault STATE_REFUSED, with the outcome, for what has ended. Asked again it changes nothing. */
export function* cancelCommand(args: ByOperator): Operation<CommandRow> {
  const { id, operator, nowMs } = args;
  const { site, state } = yield* openCommand(args, "cancelled");
  if (state === "queued" || state === "blocked") {
    yield* endHere({ site, id }, "cancel", `cancelled by ${operator}`, nowMs);
    return yield* commandRow({ id });
  }
  yield* stepCommand(id, "cancelAsked", `cancel asked by ${operator}`);
  const first = yield* query("UPDATE commands SET cancel_asked_ms = ?, cancel_asked_by = ? WHERE id = ? AND cancel_asked_ms IS NULL RETURNING id", nowMs, operator, id);
  if (first.length > 0) yield* putCancelLetter({ site, id }, nowMs);
  return yield* commandRow({ id });
}

/** The operator gives up on it. */
export function* abandonCommand(args: ByOperator): Operation<CommandRow> {
  const { site } = yield* openCommand(args, "abandoned");
  yield* endHere({ site, id: args.id }, "abandon", `given up by ${args.operator}`, args.nowMs);
  return yield* commandRow({ id: args.id });
}
