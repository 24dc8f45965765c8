// The agent's one API server: access, the pools of sockets to it and a dialler for upgrades, opened together and closed together. All go to that one address
// and nowhere else, and never through the proxy of the way out. Called by agent.ts and the doctor.
import type { Pool } from "undici";
import { systemClock } from "../../shared/kit/clock.ts";
import { dial, noProxySettings, undiciConnector } from "../../shared/kit/dial.ts";
import { TicketStore } from "../../shared/kit/tickets.ts";
import { openKubeAccess, type KubeAccess } from "./access.ts";
import { openKubePool } from "./library-exchange.ts";
import { UpstreamPool } from "./upstream.ts";

const kubeDialMs = 10_000;

/** Where the cluster is: a kubeconfig's path, or what every pod is told. */
export interface ClusterPlace {
  /** "" in a pod. */
  readonly kubeconfig: string;
  readonly serviceHost: string | null;
  readonly servicePort: string | null;
}

export interface Cluster {
  readonly access: KubeAccess;
  /** For the agent's own calls. */
  readonly pool: Pool;
  /** For the operators' requests. */
  readonly upstreams: UpstreamPool;
  readonly dialKube: (signal: AbortSignal) => ReturnType<typeof dial>;
  close(): Promise<void>;
}

export async function openCluster(place: ClusterPlace): Promise<Cluster> {
  const access = await openKubeAccess({ kubeconfig: place.kubeconfig === "" ? null : place.kubeconfig, serviceHost: place.serviceHost, servicePort: place.servicePort, clock: systemClock });
  const tls = (): Parameters<typeof dial>[0]["tls"] => {
    const found = access.tls();
    return found === null ? null : { serverName: found.serverName ?? access.host, ca: found.ca ?? "webpki", clientCert: found.clientCert, clientKey: found.clientKey, alpn: ["http/1.1"], tickets };
  };
  const tickets = new TicketStore(); // a burst of requests must not pay a full handshake each
  const faults = { down: "API_SERVER_DOWN", tls: "API_SERVER_TLS" } as const;
  const common = { host: access.host, port: access.port, proxy: noProxySettings, timeoutMs: kubeDialMs, faults };
  const dialKube = (signal: AbortSignal): ReturnType<typeof dial> => dial({ ...common, tls: tls(), signal });
  const pool = openKubePool(access, undiciConnector({ ...common, tls }));
  const upstreams = new UpstreamPool(dialKube);
  const close = async (): Promise<void> => {
    await pool.destroy();
    upstreams.close();
    access.close();
  };
  return { access, pool, upstreams, dialKube, close };
}

