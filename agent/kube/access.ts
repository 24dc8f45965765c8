// How the agent reaches its one API server: the pod's ServiceAccount (token and CA read again every minute, they rotate) or a kubeconfig.
// Promises one upstream and nothing else: no address ever comes from the link. Refuses kubeconfigs that turn TLS verification off or
// impersonate by themselves. client-node is loaded only for kubeconfigs: it costs some 85 MB (measured).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, CancelTimer } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";

export const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Kubelets rotate projected tokens at 80 % of their life, an hour by default; client-go re-reads each minute too. */
const rereadMs = 60_000;

export interface KubeTls {
  readonly ca: string | null;
  readonly serverName: string | null;
  readonly clientCert: string | null;
  readonly clientKey: string | null;
}

export interface KubeAccess {
  /** `https://host:port` (or http for a local stand-in), without a path. */
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** `host:port` as the Host header names it. */
  readonly authority: string;
  /** Path in front of every request, "" almost always. */
  readonly basePath: string;
  /** Null for plain http. */
  tls(): KubeTls | null;
  /** The Authorization header of this moment, or null. */
  authorization(): string | null;
  /** Reads the credentials again now; true when they changed. Called once after a 401. */
  refresh(): Promise<boolean>;
  close(): void;
}

export interface AccessOptions {
  readonly kubeconfig: string | null;
  /** KUBERNETES_SERVICE_HOST and _PORT, as the config file read them. */
  readonly serviceHost: string | null;
  readonly servicePort: string | null;
  readonly serviceAccountDir?: string;
  readonly clock: Clock;
}

/** Faults: FILE_MISSING, FILE_INVALID with what to try. */
export async function openKubeAccess(options: AccessOptions): Promise<KubeAccess> {
  if (options.kubeconfig !== null) return kubeconfigAccess(options.kubeconfig, options.clock);
  if (options.serviceHost === null || options.servicePort === null) {
    throw new Fault("FILE_MISSING", {
      what: "the agent does not know which cluster it serves",
      why: "it runs outside a pod (KUBERNETES_SERVICE_HOST is not set) and no kubeconfig was given",
      hint: "bowline agent run --kubeconfig FILE",
    });
  }
  return serviceAccountAccess(options.serviceHost, options.servicePort, options.serviceAccountDir ?? SERVICE_ACCOUNT_DIR, options.clock);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `${path} cannot be read`, why: (error as Error).message, hint: "check that it is there and that the agent's user may read it; in a pod, that automountServiceAccountToken is not off", cause: error });
  }
}

function serviceAccountAccess(host: string, portText: string, dir: string, clock: Clock): KubeAccess {
  const read = (): { token: string; ca: string } => ({ token: readText(join(dir, "token")).trim(), ca: readText(join(dir, "ca.crt")) });
  let current = read();
  const reread = (): boolean => {
    const before = current.token;
    try {
      current = read();
    } catch {
      return false; // half-way through a rotation: the old pair stays good for minutes
    }
    return current.token !== before;
  };
  const stop = everyMinute(clock, () => void reread());
  const port = Number(portText);
  const literal = host.includes(":") ? `[${host}]` : host;
  return {
    origin: `https://${literal}:${port}`,
    host,
    port,
    authority: `${literal}:${port}`,
    basePath: "",
    tls: () => ({ ca: current.ca, serverName: null, clientCert: null, clientKey: null }),
    authorization: () => `Bearer ${current.token}`,
    refresh: () => Promise.resolve(reread()),
    close: stop,
  };
}

interface KubeconfigParts {
  readonly url: URL;
  readonly tls: KubeTls | null;
  readonly authorization: string | null;
}

async function kubeconfigAccess(file: string, clock: Clock): Promise<KubeAccess> {
  let current = await readKubeconfig(file);
  const refresh = async (): Promise<boolean> => {
    const before = current.authorization;
    const next = await readKubeconfig(file).catch(() => null);
    if (next !== null && next.url.href === current.url.href) current = next;
    return current.authorization !== before;
  };
  const stop = everyMinute(clock, () => void refresh());
  const { url } = current;
  const isTls = url.protocol === "https:";
  return {
    origin: url.origin,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || (isTls ? 443 : 80)),
    authority: url.host,
    basePath: url.pathname.replace(/\/+$/, ""),
    tls: () => current.tls,
    authorization: () => current.authorization,
    refresh,
    close: stop,
  };
}

async function readKubeconfig(file: string): Promise<KubeconfigParts> {
  readText(file); // a missing file gets our words, not a library's
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  const invalid = (why: string, hint = "check the file with: kubectl --kubeconfig FILE config view"): Fault =>
    new Fault("FILE_INVALID", { what: `the kubeconfig ${file} cannot be used`, why, hint });
  try {
    config.loadFromFile(file);
  } catch (error) {
    throw invalid((error as Error).message);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw invalid("it has no current context, or its context names no cluster");
  if (cluster.skipTLSVerify === true) throw invalid("it turns TLS verification off (insecure-skip-tls-verify)", "put the cluster's CA into certificate-authority-data instead");
  const user = config.getCurrentUser();
  if (user?.impersonateUser !== undefined && user.impersonateUser !== null) throw invalid("it impersonates a user (as), and the agent impersonates the operator itself");
  const url = new URL(cluster.server);
  if (url.protocol !== "https:") {
    if (!isLoopback(url.hostname)) throw invalid(`its server ${cluster.server} is not https`);
    return { url, tls: null, authorization: user?.token ? `Bearer ${user.token}` : null };
  }
  const filled: { headers?: Record<string, string>; ca?: Buffer; cert?: Buffer; key?: Buffer; servername?: string } = {};
  try {
    await config.applyToHTTPSOptions(filled);
  } catch (error) {
    throw invalid(`its credentials could not be obtained: ${(error as Error).message}`);
  }
  const basic = user?.username ? `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}` : null;
  const tls = { ca: filled.ca?.toString("utf8") ?? null, serverName: filled.servername ?? null, clientCert: filled.cert?.toString("utf8") ?? null, clientKey: filled.key?.toString("utf8") ?? null };
  return { url, tls, authorization: filled.headers?.["Authorization"] ?? basic };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}

function everyMinute(clock: Clock, run: () => void): () => void {
  let cancel: CancelTimer = () => {};
  const arm = (): void => {
    cancel = clock.after(rereadMs, () => {
      run();
      arm();
    });
  };
  arm();
  return () => cancel();
}
