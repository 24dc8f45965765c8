// The agent's settings: one table, each with a flag, an environment name and a line of help. The only file here that reads the environment.
import { hostname } from "node:os";
import { parseCount, parseDurationWithin, parseOneOf, parseSizeWithin, parseSwitch, parseText, readSettings, settingsHelp, type Settings } from "../shared/kit/config.ts";
import { parseProxySettings, type ProxySettings } from "../shared/kit/dial.ts";
import { Fault } from "../shared/kit/errors.ts";
import { LOG_LEVELS } from "../shared/kit/log.ts";
import { heardDrainMsMax } from "../shared/link/drain.ts";

/** Each look lists nodes and workloads: not more often than an API server hardly feels; seldom enough for a site that pays for each octet (ms). */
const reportEveryMs = { min: 1_000, max: 7 * 86_400_000 } as const;

/** MiB. Below 32 a share holds hardly a dozen results; above 64 GiB somebody meant something else. */
const storeMiB = { min: 32, max: 65_536 } as const;

function parseClockShift(text: string): { readonly wallMs: number; readonly isReboot: boolean } {
  const [, wallMs, reboot] = /^(-?\d{1,13})(,reboot)?$/.exec(text) ?? [];
  if (wallMs === undefined) throw new Fault("USAGE", { what: `"${text}" is no shift of a clock`, why: "it takes MS or MS,reboot" });
  return { wallMs: Number(wallMs), isReboot: reboot !== undefined };
}

const TABLE = {
  data: { flag: "--data", env: "BOWLINE_DATA", fallback: "./.bowline/agent", parse: parseText, help: "folder for the database and keys" },
  kubeconfig: { flag: "--kubeconfig", env: "BOWLINE_KUBECONFIG", fallback: "", parse: parseText, help: "the cluster to serve; in a pod its ServiceAccount is used instead" },
  token: { flag: "--token", env: "BOWLINE_TOKEN", fallback: "", parse: parseText, help: "join token, for a first start" },
  tokenFile: { flag: "--token-file", env: "BOWLINE_TOKEN_FILE", fallback: "", parse: parseText, help: "file that holds the join token" },
  name: { flag: "--name", env: "BOWLINE_NAME", fallback: "", parse: parseText, help: "name of this site, when the token leaves it open", shown: "this host's" },
  wait: { flag: "--wait", env: "BOWLINE_WAIT", fallback: false, parse: parseSwitch, isSwitch: true, help: "join: wait for the approval" },
  acceptNewDatabase: { flag: "--accept-new-database", env: "BOWLINE_ACCEPT_NEW_DATABASE", fallback: false, parse: parseSwitch, isSwitch: true, help: "run: make a database anew when the folder's own is gone, and give up what it held" },
  healthPort: { flag: "--health-port", env: "BOWLINE_HEALTH_PORT", fallback: 0, parse: parseCount(0, 65_535), help: "port of /healthz and /readyz for the kubelet; 0 is none", shown: "none" },
  httpProxy: { flag: "--http-proxy", env: "HTTP_PROXY", fallback: "", parse: parseText, help: "proxy for plain http" },
  httpsProxy: { flag: "--https-proxy", env: "HTTPS_PROXY", fallback: "", parse: parseText, help: "proxy for https, http://USER:PASSWORD@HOST:PORT" },
  noProxy: { flag: "--no-proxy", env: "NO_PROXY", fallback: "", parse: parseText, help: "hosts and ranges that are reached directly, with commas" },
  reportEveryMs: { flag: "--report-every", env: "BOWLINE_REPORT_EVERY", fallback: 15_000, parse: parseDurationWithin(reportEveryMs.min, reportEveryMs.max), help: "how often the cluster is looked at; a report leaves when something changed", shown: "15s" },
  storeBytes: { flag: "--store-bytes", env: "BOWLINE_STORE_BYTES", fallback: 256 * 1_048_576, parse: parseSizeWithin(storeMiB.min, storeMiB.max), help: "most that orders, results and history take on this disk", shown: "256MiB" },
  httpCodec: { flag: "--http-codec", env: "BOWLINE_HTTP_CODEC", fallback: "own" as const, parse: parseOneOf(["own", "library"] as const), help: "who speaks HTTP/1.1 to the API server: our strict codec (own), or undici (library)" },
  drainMs: { flag: "--drain", env: "BOWLINE_DRAIN", fallback: 5_000, parse: parseDurationWithin(0, heardDrainMsMax), help: "how long requests may finish at shutdown", shown: "5s" },
  logLevel: { flag: "--log-level", env: "BOWLINE_LOG_LEVEL", fallback: "info" as const, parse: parseOneOf(LOG_LEVELS), help: LOG_LEVELS.join(", ") },
  logFormat: { flag: "--log-format", env: "BOWLINE_LOG_FORMAT", fallback: "auto" as const, parse: parseOneOf(["auto", "json", "text"] as const), help: "auto is text on a terminal and JSON elsewhere" },
  crash: { flag: "--crash-at", env: "BOWLINE_CRASH_AT", fallback: "", parse: parseText, help: "for tests: kill the process at this named point, NAME or NAME:N" },
  clockShift: { flag: "--clock-shift", env: "BOWLINE_CLOCK_SHIFT", fallback: { wallMs: 0, isReboot: false }, parse: parseClockShift, help: "for tests: the wall clock is off by so many ms; MS,reboot: and the machine was booted anew", shown: "none" },
  output: { flag: "--output", short: "-o", env: "BOWLINE_OUTPUT", fallback: "text" as const, parse: parseOneOf(["text", "json"] as const), help: "status, doctor, join: text or json" },
  image: { flag: "--image", env: "BOWLINE_IMAGE", fallback: "bowline/agent:0.1.0", parse: parseText, help: "manifest: the agent's image" },
  storageClass: { flag: "--storage-class", env: "BOWLINE_STORAGE_CLASS", fallback: "", parse: parseText, help: "manifest: storage class of its volume", shown: "the cluster's default" },
  isConstrained: { flag: "--constrained", env: "BOWLINE_CONSTRAINED", fallback: false, parse: parseSwitch, isSwitch: true, help: "manifest: constrained impersonation, which refuses nodes and service accounts; for API servers from 1.36" },
  rbacOnly: { flag: "--rbac-only", env: "BOWLINE_RBAC_ONLY", fallback: false, parse: parseSwitch, isSwitch: true, help: "manifest: only the roles, for an agent that runs outside the cluster" },
} as const;

export type AgentSettings = Settings<typeof TABLE> & {
  /** KUBERNETES_SERVICE_HOST and _PORT, set in every pod. */
  readonly serviceHost: string | null;
  readonly servicePort: string | null;
};

export function readAgentSettings(argv: readonly string[]): { settings: AgentSettings; words: readonly string[]; wantsHelp: boolean } {
  const env: Record<string, string | undefined> = { ...process.env };
  // Proxies are often set in lower case; the upper case one wins, as in Go.
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) env[name] ??= env[name.toLowerCase()];
  const { settings, words, wantsHelp } = readSettings(TABLE, argv, env);
  return { settings: { ...settings, serviceHost: env["KUBERNETES_SERVICE_HOST"] ?? null, servicePort: env["KUBERNETES_SERVICE_PORT"] ?? null }, words, wantsHelp };
}

export function agentSettingsHelp(): string {
  return settingsHelp(TABLE);
}

export function proxyOf(settings: AgentSettings): ProxySettings {
  return parseProxySettings({ httpProxy: settings.httpProxy, httpsProxy: settings.httpsProxy, noProxy: settings.noProxy });
}

/** The agent works with its ServiceAccount, in the cluster that it serves. */
export function isInPod({ kubeconfig, serviceHost }: AgentSettings): boolean {
  return kubeconfig === "" && serviceHost !== null;
}

/** This host's name as a DNS label. */
export function ownSiteName(): string {
  const label = hostname().toLowerCase().split(".")[0]!.replaceAll(/[^a-z0-9-]+/g, "-").replaceAll(/-{2,}/g, "-").replaceAll(/^-+|-+$/g, "");
  return label === "" ? "site" : label.slice(0, 63);
}
