// Pre-flight: one line per check, and at the end whose problem it is: site network, proxy, relay, cluster, token, or nothing wrong here. Used by `agent join`
// and `agent doctor`. Looks only; the token's secret is not used.
import { statfsSync } from "node:fs";
import type { Pool } from "undici";
import { systemClock } from "../shared/kit/clock.ts";
import { describeRoute } from "../shared/kit/proxy.ts";
import type { ProxySettings } from "../shared/kit/dial.ts";
import { asFault, type Fault } from "../shared/kit/errors.ts";
import { openRelaySocket, shakeHands } from "./dial.ts";
import { boot } from "./ports.ts";
import type { AgentKeys, RelayRecord } from "./folder.ts";
import type { KubeAccess } from "./kube/access.ts";
import { KubeObjects } from "./kube/objects.ts";
import { impersonationOf, reporterIdentity } from "./kube/policy.ts";
import { askStatus } from "./local.ts";
import type { QuarantineRecord } from "./store/carry.ts";

export type Culprit = "site network" | "proxy" | "relay" | "site network or relay" | "cluster" | "token" | "this machine";

export interface Check {
  readonly name: string;
  readonly isOk: boolean;
  readonly said: string;
  readonly culprit: Culprit | null;
}

const checkMs = 20_000;
const lowDiskMiB = 256;

/** The relay: route, TLS, identity. A handshake is begun and broken off after the relay's proof, so nothing that names the site leaves. */
export async function checkRelay(relay: RelayRecord, keys: AgentKeys, proxy: ProxySettings, signal: AbortSignal): Promise<Check[]> {
  const url = new URL(relay.urls[0]!);
  const route = describeRoute(proxy, { host: url.hostname, port: Number(url.port || 443), isTls: true });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(checkMs)]);
  const begun = performance.now();
  const checks: Check[] = [];
  try {
    const socket = await openRelaySocket({ relay, proxy, signal: limit });
    checks.push({ name: "relay", isOk: true, said: `${url.host} reached ${route}`, culprit: null });
    checks.push({ name: "certificate", isOk: true, said: relay.tls.kind === "pin" ? "its key is pinned" : relay.tls.kind === "ca" ? "issued by the relay's own CA" : "issued by a public CA", culprit: null });
    const proof = await provenTime(socket, relay, keys, signal);
    checks.push({ name: "identity", isOk: true, said: `the relay proved ${relay.identity[0]!.slice(0, 20)}...`, culprit: null });
    const offMs = Math.abs(proof.relayTimeMs - Date.now());
    checks.push({ name: "clock", isOk: true, said: offMs < 5_000 ? "agrees with the relay" : `differs from the relay's by ${Math.round(offMs / 1000)} s (the relay's counts)`, culprit: null });
    checks.push({ name: "round trip", isOk: true, said: `${Math.round(proof.roundTripMs)} ms, ${Math.round(performance.now() - begun)} ms to a proven relay`, culprit: null });
  } catch (error) {
    const fault = asFault(error);
    checks.push({ name: checks.length === 0 ? "relay" : "identity", isOk: false, said: `${fault.message}: ${fault.why}`, culprit: relayCulprit(fault) });
  }
  return checks;
}

function relayCulprit(fault: Fault): Culprit {
  if (fault.code === "PROXY_FAILED") return "proxy";
  if (fault.code === "RELAY_UNREACHABLE") return "site network";
  return fault.code === "RELAY_KEY_WRONG" ? "token" : "relay";
}

/** Runs the handshake up to PROOF: a port that refuses to send CLAIM. */
async function provenTime(socket: Awaited<ReturnType<typeof openRelaySocket>>, relay: RelayRecord, keys: AgentKeys, signal: AbortSignal): Promise<{ relayTimeMs: number; roundTripMs: number }> {
  let begun = 0;
  let proof: { timeMs: number } | null = null;
  let roundTripMs = 0;
  const stop = new Error("proved");
  try {
    await shakeHands(
      socket,
      { purpose: "link", relayKeys: relay.identity, boot, dial: 0, keys: keys.sign },
      systemClock,
      signal,
      {
        exporter: socket.exporter,
        send: (type, payload) => {
          if (type === "CLAIM") throw stop;
          begun = performance.now();
          socket.send(type, payload);
        },
        next: async (type) => {
          const payload = Buffer.from(await socket.next(type));
          roundTripMs = performance.now() - begun;
          proof = JSON.parse(payload.toString("utf8", 4, 4 + payload.readUInt32BE(0))) as { timeMs: number };
          return payload;
        },
      },
    );
  } catch (error) {
    if (error !== stop) throw error;
  } finally {
    socket.close();
  }
  return { relayTimeMs: (proof as { timeMs: number } | null)?.timeMs ?? Date.now(), roundTripMs };
}

/** The cluster: reachable, and does it let the agent act as operators and read for its report. */
export async function checkCluster(access: KubeAccess, pool: Pool, signal: AbortSignal): Promise<Check[]> {
  const objects = new KubeObjects(access, pool, systemClock);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(checkMs)]);
  const checks: Check[] = [];
  try {
    const version = await objects.call({ method: "GET", path: "/version", as: reporterIdentity, signal: limit });
    const gitVersion = (version.body as { gitVersion?: string } | null)?.gitVersion;
    const isOk = version.status === 200;
    const said = isOk ? `${access.origin} is Kubernetes ${gitVersion ?? "of an unknown version"}` : `${access.origin} answered ${version.status}: ${(version.body as { message?: string } | null)?.message ?? ""}`;
    checks.push({ name: "cluster", isOk, said, culprit: isOk ? null : "cluster" });
    if (!isOk) return checks;
    const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes: { verb: "*", group: "*", resource: "*" } } };
    const answer = await objects.call({ method: "POST", path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", as: impersonationOf("doctor", "admin"), body: review, signal: limit });
    const isAllowed = (answer.body as { status?: { allowed?: boolean } } | null)?.status?.allowed === true;
    checks.push({
      name: "rights",
      isOk: isAllowed,
      said: isAllowed ? "operators of tier admin may work here" : `the group bowline:admin has no rights here yet: bowline agent manifest --rbac-only | kubectl apply -f -`,
      culprit: isAllowed ? null : "cluster",
    });
  } catch (error) {
    const fault = asFault(error);
    checks.push({ name: "cluster", isOk: false, said: `${fault.message}: ${fault.why}`, culprit: "cluster" });
  }
  return checks;
}

export function checkDisk(dir: string): Check {
  const { bavail, bsize } = statfsSync(dir);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  return { name: "disk", isOk: freeMiB >= lowDiskMiB, said: `${freeMiB} MiB free for ${dir}`, culprit: freeMiB >= lowDiskMiB ? null : "this machine" };
}

/** A database that was made anew is no fault of today's; what it could not take over is worth knowing. */
export function checkDatabase(quarantined: QuarantineRecord | null): Check {
  const said = quarantined === null ? "whole" : `made anew ${new Date(quarantined.atMs).toISOString()}: ${quarantined.why}; ${quarantined.told}`;
  return { name: "database", isOk: true, said, culprit: null };
}

/** The agent that runs on the folder, which nobody else may open meanwhile: its state, or null when there is none to ask. Also the kubeconfig that it works with. */
export async function checkRunning(dir: string): Promise<{ readonly check: Check; readonly database: Check | null; readonly kubeconfig: string } | null> {
  try {
    const { state, since, why, kubeconfig, quarantined } = await askStatus(dir);
    const isOk = state === "linked";
    return { check: { name: "agent", isOk, said: `runs, ${state} since ${since}${why === "" ? "" : `: ${why}`}`, culprit: isOk ? null : "site network or relay" }, database: checkDatabase(quarantined), kubeconfig };
  } catch (error) {
    const fault = asFault(error);
    if (fault.code === "NOT_INITIALISED" || fault.code === "FILE_INVALID") return null; // none runs, or one that has no socket here
    return { check: { name: "agent", isOk: false, said: `${fault.message}: ${fault.why}`, culprit: "this machine" }, database: null, kubeconfig: "" };
  }
}

/** The checks, and whose problem it is; null when nothing is wrong. */
export interface Diagnosis {
  readonly checks: readonly Check[];
  readonly problemAt: Culprit | null;
}

export function diagnosis(checks: readonly Check[]): Diagnosis {
  return { checks, problemAt: checks.find(({ isOk }) => !isOk)?.culprit ?? null };
}

export function checkLines(checks: readonly Check[]): string {
  return checks.map(({ name, isOk, said }) => `${isOk ? "ok   " : "FAIL "} ${name.padEnd(12)} ${said}\n`).join("");
}

/** The one line at the end. */
export function verdict({ problemAt }: Diagnosis): string {
  if (problemAt === null) return "nothing wrong here\n";
  const further = problemAt === "site network or relay" ? "; stop the agent and run doctor again for each step" : "";
  return `the problem is at: ${problemAt}${further}\n`;
}
