// One admitted link at the relay: mux, courier, place in the roster, and its end in the store. Promises: what was in doubt is settled before a letter
// leaves; the end of a link is written once, with its reason; a link that ended leaves nothing behind. Called by the composition root.
import type { Clock } from "../../shared/kit/clock.ts";
import { asFault } from "../../shared/kit/errors.ts";
import type { Logger } from "../../shared/kit/log.ts";
import { systemRandom } from "../../shared/kit/random.ts";
import { Courier, type CourierSide } from "../../shared/outbox/courier.ts";
import type { FrameSocket } from "../../shared/link/frame-socket.ts";
import type { Claim } from "../../shared/link/handshake.ts";
import { Link, type LinkEnd } from "../../shared/link/link.ts";
import { creditStartBytes, letterCreditLetters } from "../../shared/wire/limits.ts";
import type { RelayStore } from "../store/store.ts";
import { ownLetterCredit, type Admitted } from "./admission.ts";
import type { Linked, Roster } from "./roster.ts";

export interface ServeOptions {
  readonly store: RelayStore;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Logger;
  /** The durable side of this site's letters. */
  readonly courierSide: (site: { readonly id: string; readonly signKey: string; readonly fence: number }) => CourierSide;
}

export function serveLink(options: ServeOptions, socket: FrameSocket, claim: Claim, { site, welcome }: Admitted): Linked {
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
    random: systemRandom,
    log,
  });
  const side = options.courierSide({ id: site.id, signKey: site.signKey, fence: claim.fence });
  const courier = new Courier({ port: link.letterPort, side, clock, log, granted: ownLetterCredit, onStuck: () => link.abort("stuck", asFault(new Error("letters without a receipt"))) });
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

/** Letters leave only when the agent has said which of those in doubt it holds. */
function settleDoubts(options: ServeOptions, doubts: Doubts): void {
  const { link, courier, log, siteId, fence, inDoubt } = doubts;
  if (inDoubt.length === 0) return courier.open();
  link.onHeld = (payload) => {
    link.onHeld = () => {};
    Promise.resolve()
      .then(() => options.store.call("settleInDoubt", { site: siteId, fence, inDoubt, held: parseHeld(payload), nowMs: options.clock.wallMs() }))
      .then(
        () => courier.open(),
        (error: unknown) => {
          const fault = asFault(error);
          log.error({ code: fault.code, why: fault.why }, "what was in doubt could not be settled");
          link.abort("busy", fault);
        },
      );
  };
}

/** HELD: a JSON list of letter ids; more than could be in doubt, or anything else, ends the link. */
function parseHeld(payload: Uint8Array): string[] {
  const value = JSON.parse(Buffer.from(payload).toString("utf8")) as unknown;
  if (!Array.isArray(value) || value.length > letterCreditLetters || value.some((id) => typeof id !== "string")) throw new Error("HELD is not a list of letter ids");
  return value as string[];
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
  if (end.saidBy === "nobody") return end.fault.code !== "LINK_SILENT";
  return end.saidBy === "us" ? end.fault.family === "unavailable" : end.retryAfterMs > 0;
}
