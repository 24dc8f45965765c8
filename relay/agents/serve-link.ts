// One admitted link at the relay: mux, courier, place in the roster, and its end in the store. Promises: what was in doubt is settled before a letter
// leaves; the end of a link is written once, with its reason; a link that ended leaves nothing behind. Called by the composition root.
import type { Clock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { Random } from "../../shared/kit/random.ts";
import { Courier, type CourierSide } from "../../shared/outbox/courier.ts";
import type { LinkSocket } from "../../shared/link/link-socket.ts";
import type { Claim } from "../../shared/link/handshake.ts";
import { Link } from "../../shared/link/link.ts";
import type { LinkEnd } from "../../shared/link/settings.ts";
import { creditStartBytes, letterCreditLetters } from "../../shared/wire/limits.ts";
import type { RelayStore } from "../store/store.ts";
import { ownLetterCredit, type Admitted } from "./admission.ts";
import type { Linked, Roster } from "./roster.ts";

/** The agent's HELD comes at once; it waits for what is still being committed there, and a slow disk takes seconds (ms). */
const heldMs = 60_000;

export interface ServeOptions {
  readonly store: RelayStore;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The durable side of this site's letters. */
  readonly courierSide: (site: { readonly id: string; readonly signKey: string; readonly fence: number }) => CourierSide;
}

export function serveLink(options: ServeOptions, socket: LinkSocket, claim: Claim, { site, welcome }: Admitted): Linked {
  const { clock, roster } = options;
  const log = options.log.child({ site: site.name, fence: claim.fence });
  const hello = claim.hello!;
  const link = new Link({
    role: "relay",
    socket,
    peerStartCredit: hello.startCredit,
    ownStartCredit: creditStartBytes,
    peerLetterCredit: hello.letterCredit,
    ownLetterCredit,
    clock,
    random: options.random,
    log,
  });
  const side = options.courierSide({ id: site.id, signKey: site.signKey, fence: claim.fence });
  const courier = new Courier({ port: link.letterPort, side, clock, log, granted: ownLetterCredit, onStuck: () => link.abort("stuck", new Fault("LINK_SILENT", { what: "letters have no receipt on a live link" })) });
  const linked: Linked = { siteId: site.id, name: site.name, fence: claim.fence, link, sinceMs: clock.wallMs(), agentVersion: hello.version, roundTripMs: null, poke: () => courier.poke() };
  link.letters = courier;
  link.onRoundTrip = (ms) => (linked.roundTripMs = ms);
  settleDoubts(options, { link, courier, log, siteId: site.id, fence: claim.fence, inDoubt: welcome.inDoubt });
  roster.join(linked);
  log.info({ version: hello.version, dial: claim.dial }, "site linked");
  void link.ended.then((end) => leave(options, linked, end, log));
  link.start();
  return linked;
}

interface Doubts {
  readonly link: Link;
  readonly courier: Courier;
  readonly log: Logger;
  readonly siteId: string;
  readonly fence: number;
  readonly inDoubt: readonly string[];
}

/** Letters leave only when the agent has said which of those in doubt it holds. It always says so, first of all; one that does not is no agent of ours. */
function settleDoubts(options: ServeOptions, doubts: Doubts): void {
  const { link, courier, log, siteId, fence, inDoubt } = doubts;
  const give = (why: string, error: unknown): void => {
    const fault = asFault(error);
    log.error({ code: fault.code, why: fault.why }, why);
    link.abort(fault.family === "refused" ? "protocol" : "busy", fault);
  };
  const cancel = options.clock.after(heldMs, () => give("the agent did not say what it holds", new Fault("FRAME_MALFORMED", { what: "HELD did not come", why: `${heldMs / 1000} s after WELCOME` })));
  void link.ended.then(cancel);
  link.onHeld = (payload) => {
    cancel();
    link.onHeld = () => give("the agent said twice what it holds", new Fault("FRAME_MISPLACED", { what: "HELD came twice" }));
    Promise.resolve()
      .then(() => parseHeld(payload))
      .then((held) => (inDoubt.length === 0 ? null : options.store.call("settleInDoubt", { site: siteId, fence, inDoubt, held, nowMs: options.clock.wallMs() })))
      .then(
        (missed) => (missed === null ? courier.open() : link.abort("refused", demand(missed))),
        (error: unknown) => give("what was in doubt could not be settled", error),
      );
  };
}

/** Nothing is offered to a site that has lost what it receipted, until its database has another epoch. */
function demand(missed: string): Fault {
  return new Fault("EPOCH_DEMANDED", { what: "this site's database was put back from a copy", why: `it does not know ${missed}, which it has receipted`, hint: "nothing has to be done: the agent makes its database anew and links again" });
}

/** HELD: `{held: [letter ids]}`, other members aside; more than could be in doubt, or anything else, ends the link. */
export function parseHeld(payload: Uint8Array): string[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    value = null;
  }
  const held = typeof value === "object" && value !== null ? (value as { held?: unknown }).held : undefined;
  if (!Array.isArray(held) || held.length > letterCreditLetters || held.some((id) => typeof id !== "string")) throw new Fault("FRAME_MALFORMED", { what: "HELD does not name letters" });
  return held as string[];
}

function leave(options: ServeOptions, linked: Linked, end: LinkEnd, log: Logger): void {
  const nowMs = options.clock.wallMs();
  const why = end.fault.why === "" ? end.fault.message : `${end.fault.message}: ${end.fault.why}`;
  options.roster.leave(linked, { siteId: linked.siteId, endedMs: nowMs, why, isReconnecting: willReturn(end) });
  log.info({ code: end.fault.code, why, saidBy: end.saidBy, forS: Math.round((nowMs - linked.sinceMs) / 1000) }, "link ended");
  options.store.call("endLink", { id: linked.siteId, fence: linked.fence, lastContactMs: nowMs, nowMs, why }).catch((error: unknown) => log.warn({ why: asFault(error).why }, "a link's end could not be stored"));
  if (end.code !== "replaced") {
    const event = { id: `relay-down-${linked.siteId}-${linked.fence}`, site: linked.siteId, atMs: nowMs, nowMs, kind: "link-down", what: why };
    options.store.call("putEvent", event).catch(() => {}); // the line above has said it
  }
}

/** Cut without a verdict, sent away by us, or a BYE that promises return: the agent will be back in seconds. link.md section 4. */
function willReturn(end: LinkEnd): boolean {
  if (end.fault.code === "LINK_SILENT") return false; // the verdict, whoever's BYE carried it
  if (end.saidBy === "nobody") return true;
  return end.saidBy === "us" ? end.fault.family === "unavailable" : end.retryAfterMs > 0;
}
