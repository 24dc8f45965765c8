// The agent put together: folder, cluster access, one link at a time, letters, commands, reports. The only place where its rooms meet. Start takes up what an
// earlier run left; stop says BYE, lets requests finish for a while, leaves claims to the next start, closes the store last.
import { pause, type Clock } from "../shared/kit/clock.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { matchCode } from "../shared/kit/keys.ts";
import type { Logger } from "../shared/kit/log.ts";
import { Scope } from "../shared/kit/scope.ts";
import { dialDelayMs, hintMsMax } from "../shared/rules/backoff.ts";
import type { Courier } from "../shared/outbox/courier.ts";
import { ByeFault } from "../shared/link/frame-socket.ts";
import type { Link } from "../shared/link/link.ts";
import type { LinkSocket } from "../shared/link/link-socket.ts";
import type { LinkEnd } from "../shared/link/settings.ts";
import { makeCatalog } from "./command/catalog.ts";
import { Runner } from "./command/runner.ts";
import type { AgentSettings } from "./config.ts";
import { DialNumbers, shakeHands, untilLinked } from "./dial.ts";
import { askToJoin, untilDecided } from "./enrol.ts";
import { recordOf, type AgentFolder, type RelayRecord } from "./folder.ts";
import { openCluster, type Cluster } from "./kube/cluster.ts";
import { statusFault } from "./kube/objects.ts";
import { impersonationOf } from "./kube/policy.ts";
import type { SiteCluster } from "./kube/site-cluster.ts";
import { LetterDesk } from "./letter-desk.ts";
import type { AgentStatus } from "./local.ts";
import { makeHello, postRecords, serveLink, type Shaken } from "./serve-link.ts";
import { followTime, keepTime, noteBirth, noteTime, type TimePorts } from "./keep-time.ts";
import type { AgentPorts } from "./ports.ts";
import { SiteClock, type ClockRecord } from "./site-clock.ts";
import { SiteStanding } from "./standing.ts";
import type { QuarantineRecord } from "./store/carry.ts";
import { ownHealth } from "./status/health.ts";
import { Reporter } from "./status/reporter.ts";
import { WitnessKeeper, type Renewal } from "./witness.ts";

/** A link that ended sooner than this (ms) counts as a failed dial: a relay that takes links and drops them must not be dialled without a pause. */
const shortLinkMs = 5_000;
/** A newer link of this site is there: a second agent would take turns with us for ever, so we come back no sooner (ms). */
const replacedPauseMs = 30_000;

/** The cluster of these settings, for whoever looks at it without an agent (the doctor). */
export function clusterOf(settings: AgentSettings): Promise<Cluster> {
  return openCluster(settings);
}

export interface AgentOptions {
  readonly settings: Pick<AgentSettings, "reportEveryMs" | "drainMs" | "kubeconfig" | "storeBytes">;
  readonly folder: AgentFolder;
  readonly log: Logger;
  readonly version: string;
  readonly ports: AgentPorts;
}

export class Agent {
  readonly #settings: AgentOptions["settings"];
  readonly #folder: AgentFolder;
  readonly #log: Logger;
  readonly #version: string;
  readonly #ports: AgentPorts;
  readonly #clock: Clock;
  readonly #scope = new Scope("agent");
  readonly #keeper: WitnessKeeper;
  /** Why the database has to be made anew, once that is known. */
  #renewal: Renewal | null = null;
  #quarantined: QuarantineRecord | null = null;
  #standing!: SiteStanding;
  #relay!: RelayRecord;
  #siteClock!: SiteClock;
  #desk!: LetterDesk;
  #runner!: Runner;
  #reporter!: Reporter;
  #cluster!: SiteCluster;
  #link: Link | null = null;
  #courier: Courier | null = null;
  readonly #dials: DialNumbers;
  #state: { state: AgentStatus["state"]; sinceMs: number; why: string };

  constructor({ settings, folder, log, version, ports }: AgentOptions) {
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#keeper = new WitnessKeeper({ store: folder.store, clock: ports.clock, log, onDisproof: (renewal) => this.#renew(renewal) });
    this.#folder = { ...folder, store: this.#keeper.store };
    this.#log = log;
    this.#version = version;
    this.#ports = ports;
    this.#state = { state: "dialling", sinceMs: ports.clock.wallMs(), why: "" };
    this.#dials = new DialNumbers((count) => this.#folder.store.call("draw", { name: "dial", count }));
  }

  /** Runs until `stop`, or until its database must be made anew: then this says why. Rejects only for what no waiting mends. */
  async run(): Promise<Renewal | null> {
    const { store, dir } = this.#folder;
    const facts = await store.call("allFacts", null);
    const relay = recordOf<RelayRecord>(facts, "relay");
    if (relay === null) throw new Fault("NOT_INITIALISED", { what: "this agent has not joined a relay", why: `${dir} holds no relay`, hint: "bowline agent join --token TOKEN" });
    this.#relay = relay;
    await store.call("setRoom", { storeBytes: this.#settings.storeBytes }).catch((error: unknown) => this.#log.warn({ why: asFault(error).why }, "the room for orders and results is that of the last start"));
    this.#siteClock = new SiteClock(this.#clock, this.#ports.machine, recordOf<ClockRecord>(facts, "clock"));
    this.#standing = await SiteStanding.open(this.#folder, relay);
    this.#quarantined = recordOf<QuarantineRecord>(facts, "quarantined");
    this.#cluster = await this.#ports.openCluster();
    this.#keeper.open(this.#ports.openWitnesses(this.#cluster));
    this.#assemble();
    this.#scope.onEnd(noteTime(this.#timePorts));
    let reporting = Promise.resolve();
    try {
      await this.#ports.listen({ status: () => this.#status(), isLinked: () => this.#link !== null }, (server) => this.#closeAtEnd(server));
      await this.#reporter.event("agent-started", `agent ${this.#version} started`);
      await this.#runner.start();
      reporting = this.#reporter.run();
      if (facts.joining !== undefined) await this.#join();
      await this.#keepLinked();
    } catch (error) {
      if (!this.#scope.hasEnded) throw error;
    } finally {
      // Whatever failed above: a listener that stayed would hold the process.
      await this.#scope.end();
      await Promise.all([reporting, this.#runner.stopped()]);
      await this.#keeper.end();
      await this.#cluster.close();
    }
    return this.#renewal;
  }

  /** The database is not what it was: nothing more is done with it. The caller puts it aside and starts again. */
  #renew(renewal: Renewal): void {
    if (this.#scope.hasEnded) return;
    this.#renewal = renewal;
    this.#log.error({ why: renewal.why }, "the database is put aside and made anew");
    void this.stop();
  }

  /** An agent that was asked to stop while it was still starting must not be held by a server that came too late. */
  #closeAtEnd(server: { close(): unknown }): void {
    if (this.#scope.hasEnded) server.close();
    this.#scope.onEnd(() => void server.close());
  }

  #assemble(): void {
    const { store, siteId, keys } = this.#folder;
    const { objects, facts } = this.#cluster;
    const { signal } = this.#scope;
    const onLetter = (): void => this.#courier?.poke();
    store.onFull = (isFull) => this.#tellFull(isFull);
    this.#runner = new Runner({ store, catalog: makeCatalog({ objects, impersonationOf, statusFault }, this.#clock, () => this.#status()), clock: this.#clock, log: this.#log, time: this.#siteClock, signal, onLetter });
    this.#desk = new LetterDesk({ store, clock: this.#clock, siteClock: this.#siteClock, log: this.#log, siteId, signKey: keys.sign, standing: () => this.#standing.approved, onCommand: () => this.#runner.poke(), onCancel: (id) => this.#runner.cancel(id) });
    this.#reporter = new Reporter({
      store,
      clock: this.#clock,
      log: this.#log,
      shownMs: () => this.#siteClock.shownMs(),
      clusterFacts: facts,
      freeOctets: () => this.#ports.freeOctets(),
      version: this.#version,
      everyMs: this.#settings.reportEveryMs,
      signal,
      health: () => ownHealth({ binding: this.#relay.binding, witnesses: this.#keeper.health(), witnessTrouble: this.#folder.witnessTrouble, knowsTime: this.#siteClock.estimate() !== null }),
      onLetter,
    });
  }

  #tellFull(isFull: boolean): void {
    if (isFull) this.#log.error({}, "the disk is full; no order is taken or begun until there is room");
    else this.#log.info({}, "the disk has room again");
    this.#reporter.poke();
    this.#runner.poke();
  }

  async #join(): Promise<void> {
    this.#enter("joining", "");
    this.#standing = await untilLinked(this.#keepOptions(), () => askToJoin(this.#folder, this.#ports, this.#scope.signal));
    this.#log.info({ site: this.#standing.name, code: matchCode(this.#folder.keys.sign.publicKey) }, "joined; tell the person at the centre this code");
  }

  #keepOptions(): Parameters<typeof untilLinked>[0] {
    return {
      clock: this.#clock,
      random: this.#ports.random,
      signal: this.#scope.signal,
      onFailed: (fault, waitMs) => {
        this.#enter("dialling", `${fault.message}: ${fault.why}`);
        this.#log.warn({ code: fault.code, what: fault.message, why: fault.why, waitMs: Math.round(waitMs) }, "no link; dialling again");
      },
    };
  }

  /** One link after the other, for ever. */
  async #keepLinked(): Promise<void> {
    const { signal } = this.#scope;
    while (!signal.aborted) {
      const end = await untilLinked(this.#keepOptions(), () => this.#linkOnce());
      if (end === null) continue; // approved, or the wait for it is to be renewed
      const why = `${end.fault.message}: ${end.fault.why}`;
      this.#enter("dialling", why);
      await this.#reporter.event("link-down", why);
      // The relay said when to come back, or a newer link of this site is there: a second agent would take turns with us for ever.
      const hintMs = end.retryAfterMs > 0 ? Math.min(end.retryAfterMs, hintMsMax) : end.fault.code === "LINK_REPLACED" ? replacedPauseMs : null;
      // Thousands of sites lose their links in the same beat: they must not dial in one.
      await pause(this.#clock, hintMs ?? dialDelayMs({ forMs: 0, attempts: 0 }, this.#ports.random), signal);
    }
  }

  /** Dials, shakes hands, serves to the end of the link. Null when the site waits for approval. */
  async #linkOnce(): Promise<LinkEnd | null> {
    const { store, keys, siteId, agentEpoch } = this.#folder;
    const { signal } = this.#scope;
    const { boot } = this.#ports;
    const dialNumber = await this.#dials.next();
    const socket = await this.#ports.openRelay(this.#relay, signal);
    const abort = (): void => socket.close();
    signal.addEventListener("abort", abort, { once: true });
    try {
      const hello = await makeHello(store, { agentEpoch, relayEpoch: this.#standing.relayEpoch, relayFence: this.#standing.relayFence, trustVersion: this.#standing.trustVersion, ...this.#standing.presented, version: this.#version, freeOctets: this.#ports.freeOctets(), clockErrorMs: this.#siteClock.estimate()?.errorMs ?? null });
      const begunMs = this.#clock.monoMs();
      const shaken = await shakeHands(socket, { purpose: "link", relayKeys: this.#relay.identity, boot, dial: dialNumber, keys: keys.sign, site: siteId, hello }, this.#clock, signal);
      await keepTime(this.#timePorts, this.#siteClock.agree(shaken.relayTimeMs, this.#clock.monoMs() - begunMs));
      await noteBirth(store, this.#siteClock.shownMs());
      await this.#standing.absorb(shaken);
      if (shaken.welcome.trustMore === true && shaken.welcome.trust.length > 0) return (socket.close(), null); // the rest of the chain comes with the next dial
      if (shaken.welcome.state === "waiting") return await this.#waitForApproval(socket);
      if (shaken.welcome.wantsRecords === true) await postRecords(store, this.#log, { relayEpoch: this.#standing.relayEpoch, nowMs: this.#siteClock.shownMs() });
      signal.removeEventListener("abort", abort); // from here on the link ends by its own BYE
      return await this.#serve({ socket, dial: dialNumber, result: shaken, inDoubt: hello.inDoubt });
    } catch (error) {
      socket.close();
      if (asFault(error).code === "SITE_CLONED") this.#dials.skip();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  get #timePorts(): TimePorts {
    return { clock: this.#clock, siteClock: this.#siteClock, store: this.#folder.store, log: this.#log };
  }

  async #waitForApproval(socket: LinkSocket): Promise<null> {
    if (this.#state.state !== "waiting") this.#log.info({ site: this.#standing.name, code: matchCode(this.#folder.keys.sign.publicKey) }, "waiting for approval; tell the person at the centre this code");
    this.#enter("waiting", "an operator has to approve this site");
    await untilDecided(socket, this.#clock);
    return null;
  }

  async #serve(shaken: Shaken): Promise<LinkEnd> {
    const { link, courier } = await serveLink({ store: this.#folder.store, desk: this.#desk, clock: this.#clock, random: this.#ports.random, log: this.#log, onStream: this.#cluster.serve }, shaken);
    this.#link = link;
    this.#courier = courier;
    this.#enter("linked", "");
    this.#log.info({ site: this.#standing.name, fence: shaken.result.fence }, "linked");
    this.#runner.poke();
    void this.#reporter.event("link-up", "linked to the relay");
    this.#reporter.poke();
    const withdraw = this.#scope.onEnd(() => link.shutdown("draining", new Fault("DRAINING", { what: "the agent is shutting down", why: "it was asked to stop" }), { retryAfterMs: 0, drainMs: this.#settings.drainMs }));
    const sinceMs = this.#clock.monoMs();
    const stopAsking = followTime(this.#timePorts, link);
    const end = await link.ended;
    stopAsking();
    withdraw();
    this.#link = null;
    this.#courier = null;
    if (end.fault.code === "EPOCH_DEMANDED") this.#renew({ why: end.fault.why, witness: null });
    if (this.#clock.monoMs() - sinceMs >= shortLinkMs || this.#scope.hasEnded) return end;
    await this.#reporter.event("link-down", `${end.fault.message}: ${end.fault.why}`);
    throw end.saidBy === "peer" && end.code !== null ? new ByeFault(end.fault, end.code, end.retryAfterMs) : end.fault;
  }

  #enter(state: AgentStatus["state"], why: string): void {
    if (this.#state.state !== state) this.#state = { state, sinceMs: this.#clock.wallMs(), why };
    else this.#state = { ...this.#state, why };
  }

  async #status(): Promise<AgentStatus> {
    const { store, siteId, keys } = this.#folder;
    const [counts, commandsOpen, room] = await Promise.all([store.call("ownCounts", null), store.call("openCommandCount", null), store.call("room", null)]);
    return {
      name: this.#standing.name,
      site: siteId,
      state: this.#state.state,
      since: new Date(this.#state.sinceMs).toISOString(),
      why: this.#state.why,
      matchCode: this.#state.state === "waiting" ? matchCode(keys.sign.publicKey) : "",
      version: this.#version,
      streams: this.#link?.openStreams ?? 0,
      lettersWaiting: counts.waiting,
      commandsOpen,
      store: { ...room, isFull: store.isFull },
      kubeconfig: this.#settings.kubeconfig,
      quarantined: this.#quarantined,
    };
  }

  stop(): Promise<void> {
    return this.#scope.end(new Fault("DRAINING", { what: "the agent is shutting down" }));
  }
}
