// The relay put together: folder, store, server, roster, couriers, API. The only place where its rooms meet. Start ends with a listening port; stop
// refuses new work, tells the agents, lets requests finish, and closes the store last.
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { systemClock, type Clock } from "../shared/kit/clock.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { writeWhole } from "../shared/kit/files.ts";
import type { Logger } from "../shared/kit/log.ts";
import { systemRandom, uuidV7 } from "../shared/kit/random.ts";
import { ownNames, type RelaySettings } from "./config.ts";
import { RelayCore } from "./core.ts";
import { Api } from "./http/api.ts";
import { Authenticator, makeOperatorToken, tokenHash } from "./http/auth.ts";
import { commandView } from "./http/command-view.ts";
import { joinTokenRoutes } from "./http/operate-joins.ts";
import { openApiRoute } from "./http/openapi.ts";
import { peopleRoutes } from "./http/operate.ts";
import { commandRoutes } from "./http/operate-commands.ts";
import { restoredRoutes } from "./http/operate-restored.ts";
import { siteRoutes } from "./http/operate-sites.ts";
import { routes } from "./http/routes.ts";
import { problemOctets } from "./http/answers.ts";
import { RelayServer } from "./http/server.ts";
import { CommandWatch } from "./http/watch.ts";
import { handleH1Request, handleKubeRequest, type GatewayPorts } from "./kube/gateway.ts";
import { siteOpener } from "./kube/reach.ts";
import { statusAnswer } from "./kube/status-body.ts";
import { handleKubeUpgrade } from "./kube/upgrade.ts";
import { currentTrust, openRelayFolder, relayTls, type RelayFolder, type RelayTls, type TrustState } from "./setup.ts";
import type { SiteRow } from "./store/sites.ts";
import type { RelayStore } from "./store/store.ts";

const firstLoginMs = 3_600_000;
/** Certificates and trust are looked at this often (ms). */
const upkeepMs = 6 * 3_600_000;
/** Agents that are sent away at shutdown come back spread over this time (ms). */
const shutdownSpreadMs = 2_000;

export interface RunningRelay {
  readonly port: number;
  readonly address: string;
  /** Token of a first login, when no operator has one that is good. */
  readonly firstLogin: string | null;
  stop(): Promise<void>;
}

/** Makes and stores a first-login token when no operator has a token that is good, or when it is asked for: whoever has this folder has the relay anyway. */
export async function firstLogin(store: RelayStore, dir: string, isAskedFor = false): Promise<string | null> {
  const nowMs = Date.now();
  if (!isAskedFor && !(await store.call("needsFirstLogin", { nowMs }))) return null;
  const token = makeOperatorToken();
  await store.call("putFirstLogin", { hash: tokenHash(token), nowMs, expiresMs: nowMs + firstLoginMs });
  writeWhole(join(dir, "first-login"), `${token}\n`, 0o600);
  return token;
}

export async function startRelay(settings: RelaySettings, log: Logger): Promise<RunningRelay> {
  const folder = await openRelayFolder(settings.data);
  try {
    const relay = new Relay(settings, log, folder);
    return await relay.start();
  } catch (error) {
    await folder.store.close();
    throw error;
  }
}

class Relay {
  readonly #settings: RelaySettings;
  readonly #log: Logger;
  readonly #folder: RelayFolder;
  readonly #clock: Clock = systemClock;
  #server!: RelayServer;
  #core!: RelayCore;
  #tls!: RelayTls;
  #trust!: TrustState;
  #watch!: CommandWatch;
  #isDraining = false;

  constructor(settings: RelaySettings, log: Logger, folder: RelayFolder) {
    this.#settings = settings;
    this.#log = log;
    this.#folder = folder;
  }

  get #store(): RelayStore {
    return this.#folder.store;
  }

  async start(): Promise<RunningRelay> {
    const { listen, data } = this.#settings;
    this.#store.onFull = (isFull) => (isFull ? this.#log.error({}, "the disk is full; orders are refused until there is room") : this.#log.info({}, "the disk has room again"));
    this.#tls = await relayTls(data, this.#settings, ownNames(this.#settings.names), this.#clock.wallMs());
    this.#trust = await currentTrust(this.#store, this.#folder.keys, this.#clock.wallMs());
    this.#core = new RelayCore({ store: this.#store, keys: this.#folder.keys, clock: this.#clock, random: systemRandom, log: this.#log, binding: this.#settings.binding, refusal: problemOctets, queueMax: { commands: this.#settings.queueCommandsMax, octets: this.#settings.queueBytesMax } });
    try {
      this.#server = new RelayServer({ ...this.#tls, codec: this.#settings.httpCodec }, this.#makeRoutes());
    } catch (error) {
      throw new Fault("FILE_INVALID", { what: "the TLS certificate and key cannot be used", why: (error as Error).message, hint: "they must be PEM and belong together", cause: error });
    }
    const port = await this.#server.listen(listen.host, listen.port);
    try {
      return await this.#begin(port);
    } catch (error) {
      this.#server.close(); // a port that still listens would hold the process, and answer for a relay that is none
      throw error;
    }
  }

  /** What needs the port; the last steps before others may count on this relay. */
  async #begin(port: number): Promise<RunningRelay> {
    const { listen, data } = this.#settings;
    const address = `https://${listen.host === "0.0.0.0" || listen.host === "::" ? "localhost" : listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${port}`;
    writeWhole(join(data, "address"), `${address}\n`, 0o644);
    const token = await firstLogin(this.#store, data);
    const stopSweep = this.#core.startSweep();
    const stopUpkeep = this.#startUpkeep();
    const stop = (): Promise<void> => {
      stopSweep();
      stopUpkeep();
      return this.#stop();
    };
    return { port, address, firstLogin: token, stop };
  }

  #makeRoutes(): ReturnType<typeof routes> {
    const auth = new Authenticator(this.#store, this.#clock);
    const people = { store: this.#store, clock: this.#clock, auth };
    const joins = {
      store: this.#store,
      clock: this.#clock,
      tokenBase: () => ({ identity: [this.#folder.keys.identity.publicKey], trustRoot: this.#trust.rootHash, tls: this.#tls.ca === null ? ({ kind: "webpki" } as const) : ({ kind: "ca", ca: this.#tls.ca } as const), binding: this.#settings.binding }),
    };
    const { operations } = this.#core;
    this.#watch = new CommandWatch({ store: this.#store, clock: this.#clock, view: (row) => commandView(operations, row) });
    const api = new Api([...peopleRoutes(people), ...joinTokenRoutes(joins), ...siteRoutes(operations), ...commandRoutes(operations, this.#watch), ...restoredRoutes(operations), openApiRoute()], auth);
    const gateway = this.#gateway(auth);
    return routes({
      api,
      kubeRequest: (request, response) => handleKubeRequest(gateway, request, response),
      kubeH1Request: (request) => handleH1Request(gateway, request),
      refusal: (fault) => statusAnswer(fault, true),
      kubeUpgrade: (request, socket, ahead) => void handleKubeUpgrade(gateway, request, socket, ahead),
      linkUpgrade: (request, socket: TLSSocket, ahead) => this.#core.acceptor.upgrade(request, socket, ahead),
      unready: () => (this.#isDraining ? "shutting down" : null),
    });
  }

  #gateway(auth: Authenticator): GatewayPorts {
    const reach = {
      clock: this.#clock,
      linkFor: (name: string) => this.#core.roster.linkFor(name)?.link ?? null,
      findSite: (name: string) => this.#store.call("findSite", { name }),
      isReconnecting: (site: SiteRow) => this.#core.roster.isReconnecting(site, this.#clock.wallMs()),
      onJoin: (id: string, wake: () => void, most: number) => this.#core.roster.onJoin(id, wake, most),
    };
    return {
      authenticate: (authorization) => auth.authenticate(authorization),
      siteOpener: (site) => {
        // On a socket that was open before: everybody else finds the door closed.
        if (this.#isDraining) throw shuttingDown();
        return siteOpener(reach, site);
      },
      requestId: () => uuidV7(this.#clock.wallMs()),
    };
  }

  /** Certificates and trust documents end; both are renewed long before, and sites hear of new trust on a fresh link. */
  #startUpkeep(): () => void {
    let cancel = this.#clock.after(upkeepMs, again.bind(this));
    function again(this: Relay): void {
      this.#upkeep()
        .catch((error: unknown) => this.#log.error({ why: asFault(error).why }, "certificates or trust could not be renewed"))
        .finally(() => {
          if (!this.#isDraining) cancel = this.#clock.after(upkeepMs, again.bind(this));
        });
    }
    return () => cancel();
  }

  async #upkeep(): Promise<void> {
    const nowMs = this.#clock.wallMs();
    this.#tls = await relayTls(this.#settings.data, this.#settings, ownNames(this.#settings.names), nowMs);
    this.#server.renew(this.#tls.cert, this.#tls.key);
    const trust = await currentTrust(this.#store, this.#folder.keys, nowMs);
    this.#trust = trust;
    if (!trust.isRenewed) return;
    this.#log.info({ version: trust.document.version }, "trust document renewed");
    void this.#core.sendAway(new Fault("DRAINING", { what: "the relay renewed its trust document", why: "a fresh link brings it" }), this.#farewell);
  }

  get #farewell(): { readonly spreadMs: number; readonly drainMs: number } {
    return { spreadMs: shutdownSpreadMs, drainMs: this.#settings.drainMs };
  }

  async #stop(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const fault = shuttingDown();
    this.#core.acceptor.drain(fault);
    this.#server.refuseNew();
    await Promise.all([this.#watch.drain(fault), this.#core.sendAway(fault, this.#farewell)]);
    this.#server.close();
    // The ends of the links are on their way to the store: one turn more before it drains.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#store.close();
  }
}

function shuttingDown(): Fault {
  return new Fault("DRAINING", { what: "the relay is shutting down", why: "it was asked to stop", hint: "try again when it is back" });
}
