// The way through the product: kubectl -> relay -> link -> agent -> API server. The relay, an agent with the cluster's kubeconfig and a logged-in operator
// are real processes in a folder of their own.
import { Place, type Started } from "../../e2e/place.ts";
import type { Cluster } from "../cluster.ts";
import type { Route } from "./route.ts";

const SITE = "rig";

export function relayRoute(cluster: Cluster, _dir: string): Route {
  let place: Place | null = null;
  let kubeconfig = "";
  const processes: Record<string, Started> = {};
  return {
    name: "relay",
    async start() {
      place = new Place();
      processes["relay"] = await place.relay();
      await place.login();
      processes["agent"] = await place.site(SITE, cluster.kubeconfig);
      kubeconfig = await place.kubeconfig();
    },
    kubeconfigFor: () => kubeconfig,
    async stop() {
      // A process of the product that ended by itself is a finding of its own, whatever the cases say.
      for (const [name, { hasEnded, child, err }] of Object.entries(processes)) {
        if (hasEnded) process.stderr.write(`kube: the ${name} ended during the run (${child.exitCode ?? child.signalCode}); its last words:\n${err.slice(-3_000)}\n`);
      }
      await place?.close();
    },
  };
}
