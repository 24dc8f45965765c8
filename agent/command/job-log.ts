// What the pod of a Job that has ended wrote, and the exit code that it ended with: a part of the outcome, so that nobody has to reach the site for it. Its end is
// known without them: a log that cannot be read is said to be so, and never changes or delays the outcome.
import type { CommandLog, CommandOutcome } from "../../shared/api.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { boundedLog, logOctetsMax } from "../../shared/rules/outcome.ts";
import type { TextEnd } from "../kube/objects.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Cluster } from "./cluster.ts";

interface Place {
  readonly namespace: string;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
}

export interface JobPods extends Place {
  /** `name=value` that its pods carry. */
  readonly label: string;
  readonly container: string;
}

interface Pod {
  readonly metadata: { readonly name: string; readonly creationTimestamp?: string };
  readonly status?: { readonly reason?: string; readonly message?: string; readonly containerStatuses?: readonly { readonly name: string; readonly state?: { readonly terminated?: { readonly exitCode?: number; readonly reason?: string } } }[] };
}

export async function withLog(cluster: Cluster, outcome: CommandOutcome, of: JobPods): Promise<CommandOutcome> {
  try {
    const pod = await newestPod(cluster, of);
    if (pod === null) return { ...outcome, log: { text: "", missingOctets: 0, why: "its pod is gone" } };
    const log = await readLog(cluster, { ...of, pod: pod.metadata.name, octetsMax: logOctetsMax });
    return { ...withExitCode(outcome, pod, of.container), log };
  } catch (error) {
    of.signal.throwIfAborted();
    return { ...outcome, log: { text: "", missingOctets: 0, why: asFault(error).why } };
  }
}

/** Kubernetes may in rare cases start a pod twice: the last one decided. */
async function newestPod({ objects, statusFault }: Cluster, { namespace, label, as, signal }: JobPods): Promise<Pod | null> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${new URLSearchParams({ labelSelector: label }).toString()}`;
  const answer = await objects.call({ method: "GET", path, as, signal });
  if (answer.status !== 200) throw statusFault(answer, "the Job's pods could not be listed");
  const { items = [] } = answer.body as { items?: readonly Pod[] };
  return items.toSorted((left, right) => ((left.metadata.creationTimestamp ?? "") < (right.metadata.creationTimestamp ?? "") ? -1 : 1)).at(-1) ?? null;
}

/** What the node says of the end: out of time, evicted; an exit code. */
function withExitCode(outcome: CommandOutcome, { status }: Pod, container: string): CommandOutcome {
  if (outcome.state !== "failed") return outcome;
  const end = status?.containerStatuses?.find(({ name }) => name === container)?.state?.terminated;
  const words = [status?.message ?? status?.reason, end?.exitCode === undefined ? undefined : `exit code ${end.exitCode}${end.reason === undefined || end.reason === "Error" ? "" : ` (${end.reason})`}`].filter((word) => word !== undefined);
  if (words.length === 0) return outcome;
  const why = words.join("; ");
  return { ...outcome, what: `${outcome.what}; ${why}`, objects: outcome.objects.map((object) => ({ ...object, why: `${object.why}; ${why}` })) };
}

export interface LogOf extends Place {
  readonly pod: string;
  readonly container: string;
  /** Octets as JSON of its end. */
  readonly octetsMax: number;
  readonly isPrevious?: boolean;
  readonly tailLines?: number;
}

/** The end of one container's log; why there is none is in it. Faults of a cluster that is away. */
export async function readLog({ objects, statusFault }: Cluster, { namespace, pod, container, octetsMax, isPrevious, tailLines, as, signal }: LogOf): Promise<CommandLog> {
  const query = new URLSearchParams({ container, ...(isPrevious === true ? { previous: "true" } : {}), ...(tailLines === undefined ? {} : { tailLines: String(tailLines) }) });
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log?${query.toString()}`;
  const answer = await objects.call({ method: "GET", path, as, signal, endOctets: octetsMax });
  if (answer.status !== 200) return { text: "", missingOctets: 0, why: statusFault(answer, "the log could not be read").why };
  const { text, missingOctets } = answer.body as TextEnd;
  return boundedLog({ text, missingOctets, why: "" }, octetsMax);
}
