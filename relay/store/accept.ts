// Commands are accepted at the relay: with their order, their keys and their letter in one transaction, together with the Idempotency-Key of a call for one site.
// What is refused leaves nothing of itself. delivery.md sections 2 and 3.
import { crashPoint } from "../../shared/kit/crash.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { shownKey } from "../../shared/rules/ordering.ts";
import { nextChange } from "./changes.ts";
import { findKeyedCommand, putKey } from "./command-keys.ts";
import { endHere, queueLetter } from "./command-steps.ts";
import { commandRow, type CommandRow, type NewCommand } from "./commands.ts";
import { requireRoom } from "./queue-room.ts";
import { findSite, unknownSite, type SiteRow } from "./sites.ts";
import { putTargets } from "./targets.ts";

export function* submitCommand(command: NewCommand): Operation<CommandRow> {
  const { idempotencyKey, operator, nowMs } = command;
  if (idempotencyKey !== null) {
    const before = yield* findKeyedCommand({ caller: operator, key: idempotencyKey, requestHash: command.requestHash });
    if (before !== null) return before;
  }
  const site = requireActive(yield* findSite({ name: command.siteName }), command.siteName);
  const row = yield* acceptCommand(site, command);
  if (idempotencyKey !== null) yield* putKey({ caller: operator, key: idempotencyKey, requestHash: command.requestHash, deadlineMs: command.deadlineMs, nowMs, sites: [{ site: site.id, name: site.name, command: command.id }] });
  return row;
}

/** The command in its site's queue, with its order, its keys and its letter. */
export function* acceptCommand(site: SiteRow, command: NewCommand): Operation<CommandRow> {
  yield* supersede(site.id, command);
  yield* requireRoom(site, command);
  const ord = yield* insertCommand(site, command);
  yield* putTargets(site.id, command.id, command.keys);
  yield* queueLetter({ site: site.id, id: command.id, lane: command.lane, ord, octets: command.body.length }, command.nowMs);
  return yield* commandRow({ id: command.id });
}

export function requireActive(site: SiteRow | null, name: string): SiteRow {
  if (site === null || site.state === "revoked") throw unknownSite(name);
  if (site.state === "denied") throw new Fault("STATE_REFUSED", { what: `${site.name} takes no orders`, why: "an operator denied its agent", hint: `bowline site rm ${site.name} frees the name; then join again at the site, with a new token and an empty --data folder` });
  if (site.state !== "active") throw new Fault("SITE_WAITING", { what: `${site.name} is not approved yet`, why: `it is ${site.state}`, hint: `bowline approve ${site.name} --code CODE` });
  return site;
}

/** Those of the same collapse key that have not left end here; what has left goes on. A retry is no newer than they are. */
function* supersede(site: string, command: NewCommand): Operation<void> {
  if (command.collapseKey === null || command.ancestor !== undefined) return;
  const rows = yield* query<{ id: string }>("SELECT id FROM commands WHERE site = ? AND state IN ('queued', 'blocked') AND collapse_key = ?", site, command.collapseKey);
  for (const { id } of rows) {
    yield* endHere({ site, id }, "supersede", `${command.id} took its place`, command.nowMs);
    crashPoint("inside-supersede");
  }
}

function* insertCommand({ id: site, relayEpoch }: SiteRow, command: NewCommand): Operation<number> {
  const drawn = yield* queryOne<{ ord: number }>("UPDATE sites SET next_order = next_order + 1 WHERE id = ? RETURNING next_order - 1 AS ord", site);
  const ord = Number(drawn!.ord);
  yield* query(
    "INSERT INTO commands (id, site, relay_epoch, ord, ordering_key, collapse_key, lane, kind, repeatability, on_failure, what, body, body_hash, octets, operator, state, why, nbf_ms, deadline_ms, run_ms, asked_ms, change, ancestor, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', '', 0, ?, ?, ?, ?, ?, ?)",
    command.id,
    site,
    relayEpoch,
    ord,
    shownKey(command.keys),
    command.collapseKey,
    command.lane,
    command.kind,
    command.repeatability,
    command.onFailure ?? "continue",
    command.what,
    command.body,
    command.bodyHash,
    command.body.length,
    command.operator,
    command.deadlineMs,
    command.runMs,
    command.nowMs,
    yield* nextChange(),
    command.ancestor?.id ?? null,
    command.ancestor?.place ?? null,
  );
  return ord;
}
