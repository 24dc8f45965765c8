// What the cluster looks like, for the report: version, nodes, workloads that are not well. Read with least rights, in a few bounded calls. A cluster that does
// not answer is a fact too. Secrets are never read.
import type { SiteReport } from "../../shared/api.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { WORKLOADS, type Watched, type WhyUnwell } from "../../shared/rules/unwell.ts";
import type { KubeObjects } from "./objects.ts";
import { reporterIdentity } from "./policy.ts";

export type ClusterFacts = Pick<SiteReport, "kubernetes" | "nodes" | "nodesTotal" | "unwell" | "unwellTotal" | "workloadsTotal">;

/** Shown per report; the totals say how many more there are. */
const nodesShownMax = 100;
const unwellShownMax = 50;
/** One page of a list: reports are about what is not well, not an inventory. */
const pageLimit = 500;

interface Item extends Watched {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly status?: Watched["status"] & { readonly nodeInfo?: { readonly kubeletVersion?: string } };
}

interface Page {
  readonly items: readonly Item[];
  readonly total: number;
}

export async function clusterFacts(objects: KubeObjects, signal: AbortSignal): Promise<ClusterFacts> {
  const list = async (path: string): Promise<Page> => {
    const answer = await objects.call({ method: "GET", path: `${path}?limit=${pageLimit}`, as: reporterIdentity, signal });
    if (answer.status !== 200) {
      const status = answer.body as { message?: string } | null;
      throw new Error(status?.message ?? `the API server answered ${answer.status}`);
    }
    const body = answer.body as { items?: Item[]; metadata?: { remainingItemCount?: number } };
    const items = body.items ?? [];
    return { items, total: items.length + (body.metadata?.remainingItemCount ?? 0) };
  };
  try {
    const version = await objects.call({ method: "GET", path: "/version", as: reporterIdentity, signal });
    const nodes = await list("/api/v1/nodes");
    const workloads: { readonly kind: string; readonly page: Page; readonly why: WhyUnwell }[] = [];
    for (const { kind, group, plural, why } of WORKLOADS) workloads.push({ kind, page: await list(`/apis/${group}/${plural}`), why });
    const unwell = workloads.flatMap(({ kind, page, why }) => page.items.flatMap((item) => unwellEntry(kind, item, why(item))));
    return {
      kubernetes: { version: (version.body as { gitVersion?: string } | null)?.gitVersion ?? null, reachable: true, why: null },
      nodes: nodes.items.slice(0, nodesShownMax).map(nodeEntry),
      nodesTotal: nodes.total,
      unwell: unwell.slice(0, unwellShownMax),
      unwellTotal: unwell.length,
      workloadsTotal: workloads.reduce((sum, { page }) => sum + page.total, 0),
    };
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error && error.name === "Error" ? error.message : asFault(error).why;
    return { kubernetes: { version: null, reachable: false, why: why.slice(0, 500) }, nodes: [], nodesTotal: 0, unwell: [], unwellTotal: 0, workloadsTotal: 0 };
  }
}

function nodeEntry(node: Item): SiteReport["nodes"][number] {
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  return { name: node.metadata.name, ready: ready?.status === "True", why: ready?.status === "True" ? "" : (ready?.reason ?? "no Ready condition"), version: node.status?.nodeInfo?.kubeletVersion ?? "" };
}

function unwellEntry(kind: string, item: Item, why: string | null): SiteReport["unwell"][number][] {
  return why === null ? [] : [{ kind, namespace: item.metadata.namespace ?? "", name: item.metadata.name, why: why.slice(0, 200) }];
}
