// The site's cluster as the agent uses it: calls of its own, facts for the report, and an answer for every stream of an operator. Opened once, closed last. Behind
// this nobody knows sockets, credentials or codecs. Called through ports.ts.
import type { Clock } from "../../shared/kit/clock.ts";
import type { StreamHandler } from "../../shared/link/stream-set.ts";
import { openCluster, type ClusterPlace } from "./cluster.ts";
import { serveKubeRequest } from "./exchange.ts";
import { clusterFacts, type ClusterFacts } from "./facts.ts";
import { serveThroughLibrary } from "./library-exchange.ts";
import { KubeObjects } from "./objects.ts";
import { refuseStream } from "./proxy.ts";
import { serveKubeUpgrade } from "./upgrade.ts";

export interface SiteCluster {
  readonly objects: Pick<KubeObjects, "call" | "pathOf">;
  readonly facts: (signal: AbortSignal) => Promise<ClusterFacts>;
  /** One stream that the relay opened, to its end. */
  readonly serve: StreamHandler;
  close(): Promise<void>;
}

export interface SiteClusterOptions {
  readonly place: ClusterPlace;
  readonly clock: Clock;
  readonly httpCodec: "own" | "library";
}

/** Faults: what kube/access says of a kubeconfig or ServiceAccount that cannot be used. */
export async function openSiteCluster({ place, clock, httpCodec }: SiteClusterOptions): Promise<SiteCluster> {
  const cluster = await openCluster(place);
  const { access, pool, upstreams, dialKube } = cluster;
  const objects = new KubeObjects(access, pool, clock);
  return {
    objects,
    facts: (signal) => clusterFacts(objects, signal),
    serve: (stream, head) => {
      try {
        if (head.flags.upgrade) serveKubeUpgrade({ access, dial: dialKube }, stream, head);
        else if (httpCodec === "library") serveThroughLibrary({ access, pool }, stream, head);
        else serveKubeRequest({ access, upstreams }, stream, head);
      } catch (error) {
        refuseStream(stream, error);
      }
    },
    close: () => cluster.close(),
  };
}
