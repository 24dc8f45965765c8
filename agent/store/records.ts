// What this site's database has of every command, for a relay that was put back from a copy and asks before it offers anything: which wait, which run, how the
// others ended. Put into letters, so that a cut loses none of it. delivery.md section 3.
import type { CommandOutcome } from "../../shared/api.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { cut } from "../../shared/rules/outcome.ts";
import type { TerminalState } from "../../shared/rules/command-state.ts";
import { recordsPerLetter, type CommandRecord } from "../../shared/rules/records.ts";
import { draw } from "./identity.ts";
import { post } from "./letters.ts";

/** Its whole outcome travelled with its result, or still does. */
const whatCharsTold = 200;

interface Row {
  id: string;
  state: "ready" | "claimed" | "outcome" | "reported" | "purged";
  header: string | null;
  started_ms: number | null;
  ended_ms: number | null;
  outcome: string | null;
}

/** Asked again before all of them have left, it changes nothing. */
export function* postRecords(args: { readonly relayEpoch: number; readonly nowMs: number }): Operation<void> {
  const { relayEpoch, nowMs } = args;
  if ((yield* queryOne("SELECT id FROM outbox WHERE id LIKE ? LIMIT 1", `records-${relayEpoch}-%`)) !== null) return;
  let after = "";
  for (;;) {
    const rows = yield* query<Row>("SELECT id, state, header, started_ms, ended_ms, outcome FROM commands WHERE state <> 'withdrawn' AND id > ? ORDER BY id LIMIT ?", after, recordsPerLetter);
    const isLast = rows.length < recordsPerLetter;
    const id = `records-${relayEpoch}-${yield* draw({ name: "order" })}`;
    yield* post({ id, kind: "records", body: { relayEpoch, isLast, commands: rows.map(recordOf) }, nowMs });
    if (isLast) return;
    after = rows.at(-1)!.id;
  }
}

function recordOf({ id, state, header, started_ms, ended_ms, outcome }: Row): CommandRecord {
  const startedMs = started_ms === null ? null : Number(started_ms);
  if (state === "ready") return { id, state };
  if (state === "claimed") return { id, state, startedMs: startedMs! };
  const { what, ...rest } = JSON.parse(outcome!) as CommandOutcome & { readonly state: TerminalState };
  return { id, state: "ended", header: header ?? "", startedMs, endedMs: Number(ended_ms), outcome: { ...rest, what: cut(what, whatCharsTold), objects: [] } };
}

/** The greatest order that the relay gave a command in this epoch, of those that are known here; 0 for none. */
export function* greatestOrder(args: { readonly relayEpoch: number }): Operation<number> {
  const row = yield* queryOne<{ ord: number | null }>("SELECT MAX(ord) AS ord FROM commands WHERE relay_epoch = ?", args.relayEpoch);
  return Number(row?.ord ?? 0);
}
