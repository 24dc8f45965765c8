// The way through the product: kubectl -> relay -> link -> agent -> API server. The relay, an agent with the cluster's kubeconfig and a logged-in operator
// are real processes in a folder of their own.
import { Place } from "../../e2e/place.ts";
import type { Cluster } from "../cluster.ts";
import type { Route } from "./route.ts";

const SITE = "rig";

export function relayRoute(cluster: Cluster, _dir: string): Route {
  let place: Place | null = null;
  let kubeconfig = "";
  return {
    name: "relay",
    async start() {
      place = new Place();
      await place.relay();
      await place.login();
      await place.site(SITE, cluster.kubeconfig);
      kubeconfig = await place.kubeconfig();
    },
    kubeconfigFor: () => kubeconfig,
    async stop() {
      await place?.close();
    },
  };
}
