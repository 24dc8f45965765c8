// What the agent needs of the machine it runs on: time, chance, a way to its relay, its cluster, its disk, two listeners. `machinePorts` are the real ones; the
// simulator brings its own, and everything behind them stays as it is.
import { randomBytes } from "node:crypto";
import { statfsSync } from "node:fs";
import { systemClock, type Clock } from "../shared/kit/clock.ts";
import { asFault } from "../shared/kit/errors.ts";
import type { Logger } from "../shared/kit/log.ts";
import { systemRandom, type Random } from "../shared/kit/random.ts";
import type { LinkSocket } from "../shared/link/link-socket.ts";
import { isInPod, proxyOf, type AgentSettings } from "./config.ts";
import { openRelaySocket } from "./dial.ts";
import type { RelayRecord } from "./folder.ts";
import { openSiteCluster, type SiteCluster } from "./kube/site-cluster.ts";
import { secretWitness } from "./kube/witness-secret.ts";
import { serveHealth, serveStatus, type AgentStatus } from "./local.ts";
import { thisMachine, type Machine } from "./site-clock.ts";
import { fileWitness, type WitnessPlace } from "./witness.ts";

/** What a running agent tells those who ask it here. */
export interface Told {
  readonly status: () => Promise<AgentStatus>;
  readonly isLinked: () => boolean;
}

export interface AgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly machine: Machine;
  /** Random for each run: tells a restart from a clone. */
  readonly boot: string;
  /** A socket to the first of the relay's addresses that answers. Faults: RELAY_UNREACHABLE, RELAY_TLS, PROXY_FAILED. */
  openRelay(relay: RelayRecord, signal: AbortSignal): Promise<LinkSocket>;
  openCluster(): Promise<SiteCluster>;
  /** Opens the agent's listeners, each handed over as it is open. */
  listen(told: Told, onOpen: (server: { close(): unknown }) => void): Promise<void>;
  /** Where the database's witness is kept. */
  openWitnesses(cluster: SiteCluster): readonly WitnessPlace[];
  /** Octets that are free where the database is. */
  freeOctets(): number;
}

/** Random for each run of the process. */
export const boot = randomBytes(12).toString("hex");

/** Of a machine whose wall clock is off, and that was booted anew as this process began: for tests, since nothing may set the machine's own. */
function shifted({ clockShift: { wallMs, isReboot } }: AgentSettings): { readonly clock: Clock; readonly machine: Machine } {
  const machine = isReboot ? { kernelBoot: boot, uptimeMs: () => process.uptime() * 1_000 } : thisMachine;
  return { machine, clock: wallMs === 0 ? systemClock : { ...systemClock, wallMs: () => systemClock.wallMs() + wallMs } };
}

export function machinePorts(settings: AgentSettings, log: Logger): AgentPorts {
  const { data, healthPort, httpCodec } = settings;
  return {
    ...shifted(settings),
    random: systemRandom,
    boot,
    openRelay: (relay, signal) => openRelaySocket({ relay, proxy: proxyOf(settings), signal }),
    openCluster: () => openSiteCluster({ place: settings, clock: systemClock, httpCodec }),
    async listen({ status, isLinked }, onOpen) {
      const local = await serveStatus(data, status).catch((error: unknown) => void log.warn({ why: asFault(error).message }, "no status for bowline agent status"));
      if (local !== undefined) onOpen(local);
      if (healthPort > 0) onOpen(await serveHealth(healthPort, isLinked));
    },
    openWitnesses: ({ objects }) => [fileWitness(data), ...(isInPod(settings) ? [secretWitness(objects)] : [])],
    freeOctets: () => {
      const { bavail, bsize } = statfsSync(data);
      return bavail * bsize;
    },
  };
}
