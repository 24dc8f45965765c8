// A command that ended badly is tried again as a new one with the same spec, in its ancestor's place in the keys; or skipped, so that its keys go on without it. What
// was given with `onFailure: block` holds its keys at the relay until one of the two: its successors are not offered before it has succeeded. delivery.md section 4.
import type { CommandBody } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { sha256 } from "../../shared/kit/keys.ts";
import { queryOne, type Operation } from "../../shared/kit/store.ts";
import { repeatabilityOf } from "../../shared/rules/command-kinds.ts";
import { isTerminal, nextRelayState, type RelayState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { targetKeys } from "../../shared/rules/ordering.ts";
import { acceptCommand, requireActive } from "./accept.ts";
import type { ByOperator } from "./cancel.ts";
import { release } from "./command-steps.ts";
import { markChanged } from "./changes.ts";
import { commandRow, type CommandRow } from "./commands.ts";
import type { QueueMax } from "./queue-room.ts";
import { findSiteById } from "./sites.ts";
import { dropTargets } from "./targets.ts";

interface Ended {
  readonly site: string;
  readonly siteName: string;
  readonly state: RelayState;
  readonly kind: string;
  readonly lane: LaneName;
  readonly what: string;
  readonly body: Uint8Array | null;
  readonly onFailure: "continue" | "block";
  readonly collapseKey: string | null;
  readonly place: number;
  readonly waitMs: number;
  readonly runMs: number;
  readonly outcome: string | null;
}

const COLUMNS =
  'c.site, s.name AS "siteName", c.state, c.kind, c.lane, c.what, c.body, c.on_failure AS "onFailure", c.collapse_key AS "collapseKey", COALESCE(c.place, c.ord) AS place, c.deadline_ms - c.asked_ms AS "waitMs", c.run_ms AS "runMs", c.outcome';

/** Fault STATE_REFUSED, with the outcome, for what has not ended or did what it should. */
function* endedBadly(id: string, verb: "retried" | "skipped"): Operation<Ended> {
  const row = yield* queryOne<Ended>(`SELECT ${COLUMNS} FROM commands c JOIN sites s ON s.id = c.site WHERE c.id = ?`, id);
  if (row === null) throw new Fault("COMMAND_UNKNOWN", { what: `there is no command ${id.slice(0, 80)}`, hint: "bowline command ls" });
  if (!isTerminal(row.state)) throw new Fault("STATE_REFUSED", { what: `${id} cannot be ${verb} yet`, why: `it has not ended: it is ${row.state}`, hint: `bowline command wait ${id}, or bowline command cancel ${id}` });
  if (row.state === "succeeded") {
    const { what } = JSON.parse(row.outcome ?? '{"what":""}') as { what: string };
    throw new Fault("STATE_REFUSED", { what: `${id} is not to be ${verb}`, why: `it has ended: succeeded: ${what}`, hint: "to do it once more, give the order anew" });
  }
  return row;
}

export interface Retry extends ByOperator {
  readonly newId: string;
  readonly tier: string;
  readonly queueMax?: QueueMax;
}

/** The new command, asked for by whoever retries, with as much time to start as the first had. Faults STATE_REFUSED, QUEUE_FULL, those of an order. */
export function* retryCommand({ id, newId, operator, tier, nowMs, queueMax }: Retry): Operation<CommandRow> {
  const before = yield* endedBadly(id, "retried");
  const again = yield* queryOne<{ id: string }>("SELECT id FROM commands WHERE ancestor = ?", id);
  if (again !== null) throw new Fault("STATE_REFUSED", { what: `${id} was retried already`, why: `as ${again.id}`, hint: `bowline command describe ${again.id}; when that failed too: bowline command retry ${again.id}` });
  if (before.body === null) throw new Fault("STATE_REFUSED", { what: `${id} cannot be retried any more`, why: `it is ${before.state}, and what it asked for is not kept: the newest failures of a site are, for a week`, hint: "give the order anew" });
  const site = requireActive(yield* findSiteById({ id: before.site }), before.siteName);
  const asked = JSON.parse(Buffer.from(before.body).toString("utf8")) as CommandBody;
  const body = Buffer.from(JSON.stringify({ ...asked, operator, tier } satisfies CommandBody));
  const { kind, lane, what, collapseKey, onFailure } = before;
  yield* acceptCommand(site, {
    id: newId,
    siteName: site.name,
    kind,
    lane,
    what,
    collapseKey,
    onFailure,
    operator,
    nowMs,
    repeatability: repeatabilityOf(kind),
    keys: targetKeys(asked.spec, asked.orderingKey),
    body,
    bodyHash: sha256(body).toString("hex"),
    deadlineMs: nowMs + Number(before.waitMs),
    runMs: Number(before.runMs),
    idempotencyKey: null,
    requestHash: "",
    ancestor: { id, place: Number(before.place) },
    ...(queueMax === undefined ? {} : { queueMax }),
  });
  yield* dropTargets(id); // from here on the retry holds the keys
  yield* markChanged(id);
  return yield* commandRow({ id: newId });
}

/** Its keys go on without it. Skipped again it changes nothing. Fault STATE_REFUSED. */
export function* skipCommand({ id, nowMs }: ByOperator): Operation<CommandRow> {
  const { site, state } = yield* endedBadly(id, "skipped");
  nextRelayState(state, "skip");
  yield* release({ site, id }, nowMs);
  yield* dropTargets(id);
  yield* markChanged(id);
  return yield* commandRow({ id });
}
