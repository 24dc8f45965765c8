// Accepts an order for a site: judged here as far as the centre can, stored with its place in the queue, then answered. The answer comes after the
// commit. What is refused is refused whole, with the field that is wrong. A retry is answered from its key's record before its site is looked for: the site may
// have another name by now, or be gone. delivery.md sections 2 and 3.
import { createHash } from "node:crypto";
import type { CommandBody, CommandOrder, CommandRequest } from "../../shared/api.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { uuidV7 } from "../../shared/kit/random.ts";
import { deadlineMsMaxOf, findCommandKind } from "../../shared/rules/command-kinds.ts";
import { invalidField, parseCommandSpec, requireKey, requireText, runMsOf } from "../../shared/rules/command-spec.ts";
import { commandTitle } from "../../shared/rules/command-title.ts";
import { targetKeys } from "../../shared/rules/ordering.ts";
import { envelopeBodyBytesMax } from "../../shared/trust/envelope.ts";
import type { CommandRow, NewCommand } from "../store/commands.ts";
import type { QueueMax } from "../store/queue-room.ts";
import { unknownSite } from "../store/sites.ts";
import type { RelayStore } from "../store/store.ts";
import { requestHash } from "./request-hash.ts";

const hourMs = 3_600_000;
/** Time to start when none is asked for, where its class allows as much. delivery.md section 1. */
const deadlineMsDefault = 168 * hourMs;

export interface SubmitOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly isLinked: (siteId: string) => boolean;
  /** What a site's queue may hold, where it is not the default. */
  readonly queueMax?: QueueMax;
}

export interface Asked<Request extends CommandOrder = CommandRequest> {
  readonly request: Request;
  readonly operator: { readonly name: string; readonly tier: string };
  readonly idempotencyKey: string | null;
}

/** What of a request is a command, whatever site it is for. */
type Order = Omit<NewCommand, "id" | "siteName" | "idempotencyKey" | "requestHash">;

export async function submitCommand(options: SubmitOptions, asked: Asked): Promise<CommandRow> {
  const { store, clock } = options;
  const { request, operator, idempotencyKey } = asked;
  const nowMs = clock.wallMs();
  const order = orderOf(options, asked, nowMs);
  const siteName = requireText(request.site, "site", 63);
  const hash = requestHash(request);
  if (idempotencyKey !== null) {
    const before = await store.call("findKeyedCommand", { caller: operator.name, key: idempotencyKey, requestHash: hash });
    if (before !== null) return before;
  }
  const site = await store.call("findSite", { name: siteName });
  if (site === null) throw unknownSite(siteName);
  if (request.live === true && !options.isLinked(site.id)) throw offline(siteName);
  crashPoint("parsed-before-commit");
  const id = commandId(asked, site.id, nowMs);
  const row = await store.call("submitCommand", { ...order, id, siteName, idempotencyKey, requestHash: hash }).catch((error: unknown) => {
    throw undecided(asFault(error), id);
  });
  crashPoint("commit-before-answer");
  return row;
}

/** A disk that failed in the middle of a commit may have taken it all the same: the caller gets the name under which to ask. delivery.md section 6. */
function undecided(fault: Fault, id: string): Fault {
  if (fault.code !== "STORE_FAILED") return fault;
  const hint = `once the relay's disk works again, bowline command describe ${id} says whether it was; the same order with the same Idempotency-Key is taken once`;
  return new Fault("STORE_FAILED", { what: fault.message, why: `${fault.why}; whether the order was taken is not known`, hint, facts: { command: id }, cause: fault });
}

export function offline(name: string): Fault {
  return new Fault("SITE_OFFLINE", { what: `${name} is offline`, why: "the order is for sites that are linked now", hint: `leave --live out: the order then waits for the site\nbowline site describe ${name} says since when` });
}

export function orderOf({ queueMax }: SubmitOptions, { request, operator }: Asked<CommandOrder>, nowMs: number): Order {
  const spec = parseCommandSpec(request.spec);
  const { repeatability, lane } = findCommandKind(spec.kind)!;
  const expiresInMsMax = deadlineMsMaxOf(spec.kind);
  const expiresInMs = request.expiresInMs ?? Math.min(deadlineMsDefault, expiresInMsMax);
  if (!Number.isSafeInteger(expiresInMs) || expiresInMs <= 0) throw invalidField("expiresInMs", "it must be a whole number of milliseconds above 0");
  if (expiresInMs > expiresInMsMax) throw new Fault("USAGE", { what: "the deadline is too far away", why: `a command ${spec.kind} may wait ${expiresInMsMax / hourMs} hours at most`, hint: `--expires ${expiresInMsMax / hourMs}h` });
  if (request.live !== undefined && typeof request.live !== "boolean") throw invalidField("live", "it must be true or false");
  const { onFailure = "continue" } = request;
  if (onFailure !== "continue" && onFailure !== "block") throw invalidField("onFailure", 'it must be "continue" or "block"');
  const orderingKey = request.orderingKey === undefined ? undefined : requireKey(request.orderingKey, "orderingKey");
  const collapseKey = request.collapseKey === undefined ? null : requireKey(request.collapseKey, "collapseKey");
  const signed: CommandBody = { operator: operator.name, tier: operator.tier, spec, ...(orderingKey === undefined ? {} : { orderingKey }) };
  const body = Buffer.from(JSON.stringify(signed));
  if (body.length > envelopeBodyBytesMax) throw new Fault("BODY_TOO_LARGE", { what: `the command has ${body.length} octets`, why: `at most ${envelopeBodyBytesMax / 1_048_576} MiB go into one`, hint: "split the manifest into several files" });
  return {
    kind: spec.kind,
    repeatability,
    lane,
    what: commandTitle(spec),
    keys: targetKeys(spec, orderingKey),
    collapseKey,
    onFailure,
    body,
    bodyHash: createHash("sha256").update(body).digest("hex"),
    operator: operator.name,
    deadlineMs: nowMs + expiresInMs,
    runMs: runMsOf(spec),
    nowMs,
    ...(queueMax === undefined ? {} : { queueMax }),
  };
}

/** From the caller's key and the site's id (a name may come again with another cluster behind it), so that a retry names the same command; else a time-ordered id. */
export function commandId(asked: Asked<CommandOrder>, siteId: string, nowMs: number): string {
  if (asked.idempotencyKey === null) return uuidV7(nowMs);
  const hash = createHash("sha256").update(JSON.stringify([asked.operator.name, asked.idempotencyKey, siteId])).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
