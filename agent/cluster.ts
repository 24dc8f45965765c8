// The agent's one API server: access, the pools of sockets to it and a dialler for upgrades, opened together and closed together. All go to that one address
// and nowhere else, and never through the proxy of the way out. Called by agent.ts and the doctor.
import type { Pool } from "undici";
import { systemClock } from "../shared/kit/clock.ts";
import { dial, noProxySettings, parseProxySettings, undiciConnector, type ProxySettings } from "../shared/kit/dial.ts";
import type { AgentSettings } from "./config.ts";
import { openKubeAccess, type KubeAccess } from "./kube/access.ts";
import { openKubePool } from "./kube/library-exchange.ts";
import { UpstreamPool } from "./kube/upstream.ts";

const kubeDialMs = 10_000;

export function proxyOf(settings: AgentSettings): ProxySettings {
  return parseProxySettings({ httpProxy: settings.httpProxy, httpsProxy: settings.httpsProxy, noProxy: settings.noProxy });
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

export async function openCluster(settings: AgentSettings): Promise<Cluster> {
  const access = await openKubeAccess({ kubeconfig: settings.kubeconfig === "" ? null : settings.kubeconfig, serviceHost: settings.serviceHost, servicePort: settings.servicePort, clock: systemClock });
  const tls = (): Parameters<typeof dial>[0]["tls"] => {
    const found = access.tls();
    return found === null ? null : { serverName: found.serverName ?? access.host, ca: found.ca ?? "webpki", clientCert: found.clientCert, clientKey: found.clientKey, alpn: ["http/1.1"] };
  };
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

