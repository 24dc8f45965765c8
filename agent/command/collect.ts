// The command `collect`: what a site shows of itself when something is wrong, in one bounded bundle. It reads and changes nothing, as the operator who asked. Never
// Secrets, data of ConfigMaps, or values of environments (bundle.ts). A part that cannot be read is said so, and the others are read all the same.
import type { CommandOutcome, SupportBundle } from "../../shared/api.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { whyPod, WORKLOADS, type Watched } from "../../shared/rules/unwell.ts";
import { fittedBundle, plainObject, type Finding } from "./bundle.ts";
import type { ChangeRun, Of } from "./changes.ts";
import { isAway, type Cluster } from "./cluster.ts";
import { readLog } from "./job-log.ts";
import { listAll } from "./listing.ts";

/** Objects of one list that are looked at; of them, those that are not well go into the bundle. */
const lookedAtMax = 5_000;
/** Containers whose logs are read, and octets of each: the last words are what tells. */
const logsMax = 40;
const logOctetsMax = 8_192;
const logLines = 200;

type CollectRun = ChangeRun<Of<"collect">> & { readonly self: () => Promise<unknown> };

interface Item extends Watched {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

interface Pod extends Item {
  readonly spec?: Watched["spec"] & { readonly nodeName?: string; readonly containers?: readonly { readonly name: string }[]; readonly initContainers?: readonly { readonly name: string }[] };
}

interface Event {
  readonly metadata: { readonly creationTimestamp?: string };
  readonly type?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly series?: { readonly lastObservedTime?: string } | null;
}

class Collector {
  readonly #cluster: Cluster;
  readonly #run: CollectRun;
  readonly findings: Finding[] = [];
  readonly problems: string[] = [];

  constructor(cluster: Cluster, run: CollectRun) {
    this.#cluster = cluster;
    this.#run = run;
  }

  /** Objects of a kind in the namespaces that were asked for. */
  async list<Found>(group: string, plural: string, isOfCluster = false): Promise<Found[]> {
    const { as, signal, spec } = this.#run;
    const places = isOfCluster || spec.namespaces.length === 0 ? [""] : spec.namespaces.map((name) => `/namespaces/${encodeURIComponent(name)}`);
    const items: Found[] = [];
    for (const place of places) {
      await this.#part(plural, async () => {
        const listed = await listAll<Found>(this.#cluster, { path: `${group}${place}/${plural}`, itemsMax: lookedAtMax, as, signal });
        items.push(...listed.items);
        if (listed.isCut) this.problems.push(`there are more than ${lookedAtMax} ${plural}, and only so many were looked at`);
      });
    }
    return items;
  }

  put(section: Finding["section"], items: readonly unknown[]): void {
    for (const item of items) this.findings.push({ section, item });
  }

  /** The logs of pods that are not well; of a container that was restarted, what it said before. */
  async logsOf(pods: readonly Pod[]): Promise<void> {
    const { as, signal } = this.#run;
    const wanted = pods.filter(({ spec }) => spec?.nodeName !== undefined).flatMap((pod) => containersOf(pod).map((container) => ({ pod, ...container })));
    if (wanted.length > logsMax) this.problems.push(`the logs of ${wanted.length - logsMax} more containers that are not well were not read`);
    for (const { pod, container, isPrevious } of wanted.slice(0, logsMax)) {
      const { name, namespace = "default" } = pod.metadata;
      await this.#part(`the log of ${namespace}/${name}`, async () => {
        const log = await readLog(this.#cluster, { namespace, pod: name, container, isPrevious, octetsMax: logOctetsMax, tailLines: logLines, as, signal });
        this.put("logs", [{ pod: `${namespace}/${name}`, container, isPrevious, ...log }]);
      });
    }
  }

  async version(): Promise<unknown> {
    const { as, signal } = this.#run;
    let version: unknown = null;
    await this.#part("version", async () => {
      version = (await this.#cluster.objects.call({ method: "GET", path: "/version", as, signal })).body;
    });
    return version;
  }

  /** What may not be read is a problem to tell of; a cluster that is away is asked again with the whole command. */
  async #part(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#run.signal.throwIfAborted();
      const fault = asFault(error);
      if (isAway(fault)) throw fault;
      this.problems.push(`${what}: ${fault.why}`.slice(0, 500));
    }
  }
}

export async function runCollect(cluster: Cluster, run: CollectRun): Promise<CommandOutcome> {
  const { spec, startedMs } = run;
  const sinceMs = startedMs - spec.sinceMs;
  const collector = new Collector(cluster, run);
  const version = await collector.version();
  // In the order of their worth: what does not fit is missing from the end.
  collector.put("nodes", (await collector.list<object>("/api/v1", "nodes", true)).map(plainObject));
  for (const { kind, group, plural, why } of WORKLOADS) collector.put("workloads", (await collector.list<Item>(`/apis/${group}`, plural)).filter((item) => why(item) !== null).map((item) => plainObject({ apiVersion: group, kind, ...item })));
  const pods = (await collector.list<Pod>("/api/v1", "pods")).filter((pod) => whyPod(pod, sinceMs) !== null);
  collector.put("pods", pods.map(plainObject));
  const events = (await collector.list<Event>("/api/v1", "events")).filter((event) => timeOf(event) >= sinceMs).toSorted((left, right) => timeOf(right) - timeOf(left));
  collector.put("events", events.filter(({ type }) => type !== "Normal").map(plainObject));
  await collector.logsOf(pods);
  collector.put("events", events.filter(({ type }) => type === "Normal").map(plainObject));
  const head = { apiVersion: "bowline/v1", kind: "SupportBundle", madeAt: new Date(startedMs).toISOString(), namespaces: spec.namespaces, sinceMs: spec.sinceMs, problems: collector.problems, agent: await run.self(), version } as const;
  const { bundle, content } = await fittedBundle(head, collector.findings);
  return { state: "succeeded", what: saidOf(content), code: null, objects: [], bundle };
}

function containersOf({ spec, status }: Pod): { readonly container: string; readonly isPrevious: boolean }[] {
  const restarts = new Map(((status?.["containerStatuses"] ?? []) as { name: string; restartCount?: number }[]).map(({ name, restartCount }) => [name, restartCount ?? 0]));
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap(({ name }) => [{ container: name, isPrevious: false }, ...((restarts.get(name) ?? 0) > 0 ? [{ container: name, isPrevious: true }] : [])]);
}

function timeOf({ metadata, lastTimestamp, eventTime, series }: Event): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "") || 0;
}

function saidOf({ nodes, workloads, pods, events, logs, problems, leftOut }: SupportBundle): string {
  const left = Object.values(leftOut).reduce((sum, count) => sum + count, 0);
  const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
  const parts = [counted(nodes.length, "node"), counted(workloads.length, "unwell workload"), counted(pods.length, "unwell pod"), counted(events.length, "event"), counted(logs.length, "log")];
  return `${parts.join(", ")}${left === 0 ? "" : `; ${left} more did not fit`}${problems.length === 0 ? "" : `; ${counted(problems.length, "problem")}`}`;
}
