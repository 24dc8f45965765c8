// The relay behind its doors: who is linked, what goes to each site and comes from it, what operators decide, what happens by time alone. Knows no port, no HTTP and
// no certificate, so the simulator runs it as it is. relay.ts puts the doors in front.
import type { Clock } from "../shared/kit/clock.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import type { Logger } from "../shared/kit/log.ts";
import { uuidV7, type Random } from "../shared/kit/random.ts";
import { sealSiteStatement } from "../shared/trust/site-statement.ts";
import { Acceptor, type AcceptOptions } from "./agents/accept.ts";
import { endSite } from "./agents/end-site.ts";
import { Roster, type Linked } from "./agents/roster.ts";
import { serveLink } from "./agents/serve-link.ts";
import { leaseLetters, settleLetter } from "./command/deliver.ts";
import { submitMany } from "./command/submit-many.ts";
import { submitCommand, type SubmitOptions } from "./command/submit.ts";
import { startSweep } from "./command/sweep.ts";
import type { CommandOptions } from "./http/operate-commands.ts";
import type { RestoredOptions } from "./http/operate-restored.ts";
import type { SiteOptions } from "./http/operate-sites.ts";
import { extendTrust, type RelayKeys } from "./setup.ts";
import { takeLetter } from "./status/intake.ts";
import type { QueueMax } from "./store/queue-room.ts";
import type { SiteRow } from "./store/sites.ts";
import type { RelayStore } from "./store/store.ts";

export interface CoreOptions extends Pick<AcceptOptions, "binding" | "refusal"> {
  readonly store: RelayStore;
  readonly keys: RelayKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What one site's queue may hold, where it is not the default. */
  readonly queueMax?: QueueMax;
}

export class RelayCore {
  readonly roster: Roster;
  readonly acceptor: Acceptor;
  /** What operators may do with sites and commands. */
  readonly operations: SiteOptions & CommandOptions & RestoredOptions;
  readonly #options: CoreOptions;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.roster = new Roster(options.clock.wallMs());
    this.acceptor = this.#makeAcceptor();
    this.operations = this.#makeOperations();
  }

  /** Begins what happens by time alone. Returns what stops it. */
  startSweep(): () => void {
    const { store, clock, log } = this.#options;
    return startSweep({ store, clock, log, linked: () => this.roster.all() });
  }

  /** Every linked agent is told, may finish its requests for `drainMs`, and comes back spread over `spreadMs`. */
  async sendAway(fault: Fault, { spreadMs, drainMs }: { readonly spreadMs: number; readonly drainMs: number }): Promise<void> {
    const { random } = this.#options;
    await Promise.all([...this.roster.all()].map(({ link }) => link.shutdown("draining", fault, { retryAfterMs: 1 + Math.floor(random() * spreadMs), drainMs })));
  }

  #makeAcceptor(): Acceptor {
    const { store, keys, clock, random, log, binding, refusal } = this.#options;
    const deliver = { store, clock, log, commandKey: keys.command };
    const intake = { store, clock, log };
    const serving = {
      store,
      roster: this.roster,
      clock,
      random,
      log,
      courierSide: (site: { readonly id: string; readonly signKey: string; readonly fence: number }) => ({
        lease: (room: Parameters<typeof leaseLetters>[2]) => leaseLetters(deliver, site, room),
        settle: (id: string, status: Parameters<typeof settleLetter>[3]) => settleLetter(deliver, site, id, status),
        intake: async (letter: Parameters<typeof takeLetter>[2]) => {
          const status = await takeLetter(intake, site, letter);
          if (letter.head.kind === "records") this.roster.find(site.id)?.poke(); // commands may be offered now
          return status;
        },
      }),
    };
    return new Acceptor({ store, identity: keys.identity, clock, random, log, binding, refusal, onLinked: (socket, claim, admitted) => void this.#confirm(serveLink(serving, socket, claim, admitted)) });
  }

  /** A site that was revoked, or linked elsewhere, between its admission and its place in the roster: nobody else would notice. */
  async #confirm(linked: Linked): Promise<void> {
    try {
      const site = await this.#options.store.call("findSiteById", { id: linked.siteId });
      if (site === null || site.state !== "active") linked.link.abort("refused", new Fault("SITE_REVOKED", { what: "this site was revoked by an operator", hint: "to join again, use a new join token and an empty --data folder" }));
      else if (site.fence > linked.fence) linked.link.abort("replaced", new Fault("LINK_REPLACED", { what: "a newer link of this site took over" }));
    } catch (error) {
      linked.link.abort("busy", asFault(error));
    }
  }

  /** A person says that what came back with a copy of the store may stand. */
  async #confirmRestores(operator: string): Promise<void> {
    const { store, keys, clock } = this.#options;
    const nowMs = clock.wallMs();
    const { trustVersion } = await store.call("unconfirmedRestores", null);
    if (trustVersion > 0) await extendTrust(store, keys, trustVersion, nowMs);
    for (const site of await store.call("confirmRestores", { operator, nowMs })) this.roster.find(site)?.poke();
  }

  #makeOperations(): SiteOptions & CommandOptions & RestoredOptions {
    const { store, clock, queueMax } = this.#options;
    const { roster, acceptor } = this;
    const submitting: SubmitOptions = { store, clock, isLinked: (id) => roster.find(id) !== null, ...(queueMax === undefined ? {} : { queueMax }) };
    return {
      store,
      clock,
      live: (id) => {
        const linked = roster.find(id);
        return linked === null ? null : { sinceMs: linked.sinceMs, roundTripMs: linked.roundTripMs, streams: linked.link.openStreams };
      },
      approve: (site, name, operator) => this.#approve(site, name, operator),
      end: (site, to, operator) => endSite({ store, clock, acceptor, roster }, { site, to, operator }),
      confirmRestores: (operator) => this.#confirmRestores(operator),
      poke: (id) => roster.find(id)?.poke(),
      submit: async (request, operator, idempotencyKey) => {
        const row = await submitCommand(submitting, { request, operator, idempotencyKey });
        roster.find(row.site)?.poke();
        return row;
      },
      retry: async (id, { name, tier }) => {
        const nowMs = clock.wallMs();
        const row = await store.call("retryCommand", { id, newId: uuidV7(nowMs), operator: name, tier, nowMs, ...(queueMax === undefined ? {} : { queueMax }) });
        roster.find(row.site)?.poke();
        return row;
      },
      submitMany: async (request, operator, idempotencyKey) => {
        const answers = await submitMany(submitting, { request, operator, idempotencyKey });
        for (const answer of answers) if ("row" in answer) roster.find(answer.row.site)?.poke();
        return answers;
      },
    };
  }

  async #approve(site: SiteRow, name: string, operator: string): Promise<SiteRow> {
    const { store, keys, clock } = this.#options;
    const nowMs = clock.wallMs();
    const labels = JSON.parse(site.labels) as Record<string, string>;
    const statement = sealSiteStatement({ site: site.id, version: 1, name, signKey: site.signKey, boxKey: site.boxKey, tier: site.tier, setting: "relayed", epoch: site.epoch, labels }, keys.command, 1, nowMs);
    const approved = await store.call("approveSite", { id: site.id, name, statement, operator, nowMs });
    this.acceptor.decide(site.id, "approved");
    return approved;
  }
}
