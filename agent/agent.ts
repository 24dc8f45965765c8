// The agent put together: folder, cluster access, one link at a time, letters, commands, reports. The only place where its rooms meet. Start takes up what an
// earlier run left; stop says BYE, lets requests finish for a while, leaves claims to the next start, closes the store last.
import { statfsSync } from "node:fs";
import type { Pool } from "undici";
import { pause, systemClock, type Clock } from "../shared/kit/clock.ts";
import { noProxySettings, parseProxySettings, undiciConnector, dial, type ProxySettings } from "../shared/kit/dial.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { matchCode } from "../shared/kit/keys.ts";
import type { Logger } from "../shared/kit/log.ts";
import { systemRandom } from "../shared/kit/random.ts";
import { dialDelayMs } from "../shared/rules/backoff.ts";
import { Scope } from "../shared/kit/scope.ts";
import type { Courier } from "../shared/outbox/courier.ts";
import { agentHandshake, type AgentHandshakeResult } from "../shared/link/handshake.ts";
import type { FrameSocket } from "../shared/link/frame-socket.ts";
import type { Link, LinkEnd } from "../shared/link/link.ts";
import { makeCatalog } from "./command/catalog.ts";
import { Runner } from "./command/runner.ts";
import type { AgentSettings } from "./config.ts";
import { inHandshakeTime, openRelaySocket, untilLinked } from "./dial.ts";
import { askToJoin, boot } from "./enrol.ts";
import { recordOf, type AgentFolder, type RelayRecord } from "./folder.ts";
import { openKubeAccess, type KubeAccess } from "./kube/access.ts";
import { clusterFacts } from "./kube/facts.ts";
import { KubeObjects } from "./kube/objects.ts";
import { openKubePool, refuseStream, serveKubeRequest } from "./kube/proxy.ts";
import { serveKubeUpgrade } from "./kube/upgrade.ts";
import { LetterDesk } from "./letter-desk.ts";
import { serveHealth, serveStatus, type AgentStatus } from "./local.ts";
import { makeHello, serveLink } from "./serve-link.ts";
import { SiteClock, thisMachine, type ClockRecord } from "./site-clock.ts";
import { SiteStanding } from "./standing.ts";
import { Reporter } from "./status/reporter.ts";

const kubeDialMs = 10_000;
/** An agent that waits for approval dials again after this (ms): the socket may have died without a word. */
const waitingMs = 60_000;
/** After a newer link of this site took over (ms). */
const replacedMs = 30_000;
/** A link shorter than this (ms) counts as a dial that failed: whatever ends each one at once must not be asked thirty times a second. */
const briefLinkMs = 5_000;

export function proxyOf(settings: AgentSettings): ProxySettings {
  return parseProxySettings({ httpProxy: settings.httpProxy, httpsProxy: settings.httpsProxy, noProxy: settings.noProxy });
}

/** The cluster, its pool and a dialler for upgrades: all three go to the one API server and nowhere else, and never through the proxy of the way out. */
export async function openCluster(settings: AgentSettings): Promise<{ access: KubeAccess; pool: Pool; dialKube: (signal: AbortSignal) => ReturnType<typeof dial> }> {
  const access = await openKubeAccess({ kubeconfig: settings.kubeconfig === "" ? null : settings.kubeconfig, serviceHost: settings.serviceHost, servicePort: settings.servicePort, clock: systemClock });
  const tls = (): Parameters<typeof dial>[0]["tls"] => {
    const found = access.tls();
    return found === null ? null : { serverName: found.serverName ?? access.host, ca: found.ca ?? "webpki", clientCert: found.clientCert, clientKey: found.clientKey, alpn: ["http/1.1"] };
  };
  const faults = { down: "API_SERVER_DOWN", tls: "API_SERVER_TLS" } as const;
  const common = { host: access.host, port: access.port, proxy: noProxySettings, timeoutMs: kubeDialMs, faults };
  return { access, pool: openKubePool(access, undiciConnector({ ...common, tls })), dialKube: (signal) => dial({ ...common, tls: tls(), signal }) };
}

export class Agent {
  readonly #settings: AgentSettings;
  readonly #folder: AgentFolder;
  readonly #log: Logger;
  readonly #version: string;
  readonly #clock: Clock = systemClock;
  readonly #scope = new Scope("agent");
  #standing!: SiteStanding;
  #relay!: RelayRecord;
  #siteClock!: SiteClock;
  #desk!: LetterDesk;
  #runner!: Runner;
  #reporter!: Reporter;
  #cluster!: Awaited<ReturnType<typeof openCluster>>;
  #link: Link | null = null;
  #linkedMs = 0;
  #courier: Courier | null = null;
  #state: { state: AgentStatus["state"]; sinceMs: number; why: string } = { state: "dialling", sinceMs: Date.now(), why: "" };

  constructor(settings: AgentSettings, folder: AgentFolder, log: Logger, version: string) {
    this.#settings = settings;
    this.#folder = folder;
    this.#log = log;
    this.#version = version;
  }

  /** Runs until `stop`. Rejects only for what no waiting mends. */
  async run(): Promise<void> {
    const { store, dir } = this.#folder;
    const facts = await store.call("allFacts", null);
    const relay = recordOf<RelayRecord>(facts, "relay");
    if (relay === null) throw new Fault("NOT_INITIALISED", { what: "this agent has not joined a relay", why: `${dir} holds no relay`, hint: "bowline agent join --token TOKEN" });
    this.#relay = relay;
    this.#siteClock = new SiteClock(this.#clock, thisMachine, recordOf<ClockRecord>(facts, "clock"));
    this.#standing = await SiteStanding.open(this.#folder, relay);
    this.#cluster = await openCluster(this.#settings);
    this.#assemble();
    let reporting = Promise.resolve();
    try {
      await this.#listen(dir);
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
      await this.#cluster.pool.destroy();
      this.#cluster.access.close();
    }
  }

  async #listen(dir: string): Promise<void> {
    const status = await serveStatus(dir, () => this.#status());
    this.#scope.onEnd(() => void status.close());
    if (this.#settings.healthPort === 0) return;
    const health = await serveHealth(this.#settings.healthPort, () => this.#link !== null);
    this.#scope.onEnd(() => void health.close());
  }

  #assemble(): void {
    const { store, siteId, keys, dir } = this.#folder;
    const { access, pool } = this.#cluster;
    const { signal } = this.#scope;
    const objects = new KubeObjects(access, pool, this.#clock);
    const onLetter = (): void => this.#courier?.poke();
    this.#runner = new Runner({ store, catalog: makeCatalog(objects, this.#clock), clock: this.#clock, log: this.#log, time: this.#siteClock, signal, onLetter });
    this.#desk = new LetterDesk({ store, clock: this.#clock, siteClock: this.#siteClock, log: this.#log, siteId, signKey: keys.sign, standing: () => this.#standing.approved, onCommand: () => this.#runner.poke() });
    this.#reporter = new Reporter({
      store,
      clock: this.#clock,
      log: this.#log,
      shownMs: () => this.#siteClock.shownMs(),
      clusterFacts: (asked) => clusterFacts(objects, asked),
      dataDir: dir,
      version: this.#version,
      everyMs: this.#settings.reportEveryMs,
      signal,
      health: () => [...(this.#relay.binding === "none" ? [{ id: "binding-none", what: "the link is not bound to TLS" }] : []), ...(this.#siteClock.estimate() === null ? [{ id: "clock-unknown", what: "the time is not known since the restart; commands wait for a link" }] : [])],
      onLetter,
    });
  }

  async #join(): Promise<void> {
    this.#enter("joining", "");
    this.#standing = await untilLinked(this.#keepOptions(), () => askToJoin(this.#folder, proxyOf(this.#settings), this.#scope.signal));
    this.#log.info({ site: this.#standing.name, code: matchCode(this.#folder.keys.sign.publicKey) }, "joined; tell the person at the centre this code");
  }

  #keepOptions(): Parameters<typeof untilLinked>[0] {
    return {
      clock: this.#clock,
      random: systemRandom,
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
    /** Links in a row that ended right after they began. */
    let brief = 0;
    while (!signal.aborted) {
      const end = await untilLinked(this.#keepOptions(), () => this.#linkOnce());
      if (end === null) continue; // approved, or the wait for it is to be renewed
      brief = this.#clock.monoMs() - this.#linkedMs > briefLinkMs ? 0 : brief + 1;
      const why = `${end.fault.message}: ${end.fault.why}`;
      this.#enter("dialling", why);
      await this.#reporter.event("link-down", why);
      // The relay said when to come back, or a newer link of this site is there: a second agent would take turns with us for ever.
      const hintMs = end.retryAfterMs > 0 ? end.retryAfterMs : end.fault.code === "LINK_REPLACED" ? replacedMs : 0;
      const briefMs = brief === 0 ? 0 : dialDelayMs({ forMs: 0, attempts: brief }, systemRandom); // 2 s at most: the relay is there, and may be back for good
      const waitMs = Math.max(hintMs, briefMs);
      if (waitMs > 0) await pause(this.#clock, waitMs, signal).catch(() => {}); // the loop sees the abort
    }
  }

  /** Dials, shakes hands, serves to the end of the link. Null when the site waits for approval. */
  async #linkOnce(): Promise<LinkEnd | null> {
    const { store, keys, siteId, agentEpoch, dir } = this.#folder;
    const { signal } = this.#scope;
    const proxy = proxyOf(this.#settings);
    const dialNumber = await store.call("draw", { name: "dial" });
    const socket = await openRelaySocket({ relay: this.#relay, proxy, signal });
    const abort = (): void => socket.close();
    signal.addEventListener("abort", abort, { once: true });
    const unguard = (): void => signal.removeEventListener("abort", abort);
    try {
      const { bavail, bsize } = statfsSync(dir);
      const hello = await makeHello(store, { agentEpoch, relayEpoch: this.#standing.relayEpoch, trustVersion: this.#standing.trustVersion, version: this.#version, freeOctets: bavail * bsize });
      const begunMs = this.#clock.monoMs();
      const shaken = await inHandshakeTime(socket, agentHandshake(socket, { purpose: "link", relayKeys: this.#relay.identity, boot, dial: dialNumber, keys: keys.sign, site: siteId, hello }));
      await this.#learn(shaken, this.#clock.monoMs() - begunMs);
      if (shaken.welcome.state === "waiting") return await this.#waitForApproval(socket);
      return await this.#serve(socket, shaken, hello.inDoubt, unguard);
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      unguard();
    }
  }

  async #learn(shaken: AgentHandshakeResult, roundTripMs: number): Promise<void> {
    await this.#standing.absorb(shaken.welcome);
    const record = this.#siteClock.agree(shaken.relayTimeMs, roundTripMs);
    await this.#folder.store.call("putFacts", { facts: { clock: JSON.stringify(record) } });
  }

  async #waitForApproval(socket: FrameSocket): Promise<null> {
    if (this.#state.state !== "waiting") this.#log.info({ site: this.#standing.name, code: matchCode(this.#folder.keys.sign.publicKey) }, "waiting for approval; tell the person at the centre this code");
    this.#enter("waiting", "an operator has to approve this site");
    const cancel = this.#clock.after(waitingMs, () => socket.close());
    try {
      await socket.next("BYE").catch((error: unknown) => {
        const fault = asFault(error);
        if (fault.code !== "SITE_WAITING" && fault.code !== "LINK_LOST") throw fault;
      });
      return null;
    } finally {
      cancel();
      socket.close();
    }
  }

  /** `onGuarded` is called when the link's own end at shutdown is arranged: BYE and time to drain, not a socket that is closed under its streams. */
  async #serve(socket: FrameSocket, shaken: AgentHandshakeResult, inDoubt: readonly string[], onGuarded: () => void): Promise<LinkEnd> {
    const { access, pool, dialKube } = this.#cluster;
    const { link, courier } = await serveLink(
      {
        store: this.#folder.store,
        desk: this.#desk,
        clock: this.#clock,
        log: this.#log,
        onStream: (stream, head, hasEnded) => {
          try {
            if (head.flags.upgrade) serveKubeUpgrade({ access, dial: dialKube }, stream, head);
            else serveKubeRequest({ access, pool }, stream, head, hasEnded);
          } catch (error) {
            refuseStream(stream, error);
          }
        },
      },
      socket,
      shaken,
      inDoubt,
    );
    this.#link = link;
    this.#linkedMs = this.#clock.monoMs();
    this.#courier = courier;
    this.#enter("linked", "");
    this.#log.info({ site: this.#standing.name, fence: shaken.fence }, "linked");
    this.#runner.poke();
    void this.#reporter.event("link-up", "linked to the relay");
    this.#reporter.poke();
    const withdraw = this.#scope.onEnd(() => link.shutdown("draining", new Fault("DRAINING", { what: "the agent is shutting down", why: "it was asked to stop" }), { retryAfterMs: 0, drainMs: this.#settings.drainMs }));
    onGuarded();
    const end = await link.ended;
    withdraw();
    this.#link = null;
    this.#courier = null;
    return end;
  }

  #enter(state: AgentStatus["state"], why: string): void {
    if (this.#state.state !== state) this.#state = { state, sinceMs: this.#clock.wallMs(), why };
    else this.#state = { ...this.#state, why };
  }

  async #status(): Promise<AgentStatus> {
    const { store, siteId, keys } = this.#folder;
    const [counts, commandsOpen] = await Promise.all([store.call("ownCounts", null), store.call("openCommandCount", null)]);
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
    };
  }

  stop(): Promise<void> {
    return this.#scope.end(new Fault("DRAINING", { what: "the agent is shutting down" }));
  }
}
