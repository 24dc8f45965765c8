// The way through the product: kubectl -> relay -> link -> agent -> API server. Relay and operator are real processes in a folder of their own; the agent is a
// pod with its own ServiceAccount on the rig, and a process with the cluster's kubeconfig on a cluster that takes no image from here.
import { Place, type Started } from "../../e2e/place.ts";
import { makeAgentImage } from "../agent-image.ts";
import type { Cluster } from "../cluster.ts";
import { installPodAgent, manifestArgs, type PodAgent } from "../pod-agent.ts";
import type { Route } from "./route.ts";

const SITE = "rig";
/** Where pods of the rig reach the host. */
const hostFromPods = "10.99.0.1";

export function relayRoute(cluster: Cluster): Route {
  const place = new Place();
  const processes: Record<string, Started> = {};
  let kubeconfig = "";
  let pod: PodAgent | null = null;
  return {
    name: "relay",
    async start() {
      if (cluster.isRig) {
        await makeAgentImage();
        place.relayUrl = `https://${hostFromPods}:0`;
      }
      processes["relay"] = await place.relay();
      await place.login();
      if (cluster.isRig) {
        pod = await podSite(place, cluster);
      } else {
        await cluster.hand(["apply", "-f", "-"], await place.ok(["agent", "manifest", "--rbac-only"]));
        processes["agent"] = await place.site(SITE, cluster.kubeconfig);
      }
      kubeconfig = await place.kubeconfig();
    },
    kubeconfigFor: () => kubeconfig,
    async stop() {
      // A process of the product that ended by itself is a finding of its own, whatever the cases say.
      for (const [name, { hasEnded, child, err }] of Object.entries(processes)) {
        if (hasEnded) process.stderr.write(`kube: the ${name} ended during the run (${child.exitCode ?? child.signalCode}); its last words:\n${err.slice(-3_000)}\n`);
      }
      const restarts = pod === null ? 0 : await pod.restarts();
      if (restarts > 0) process.stderr.write(`kube: the agent's pod restarted ${restarts} times during the run\n`);
      await pod?.remove();
      await place.close();
    },
  };
}

/** A pod as the manifest makes it, approved by the code that it tells, linked. */
async function podSite(place: Place, cluster: Cluster): Promise<PodAgent> {
  const token = (await place.ok(["token", "create", "--name", SITE])).trim();
  const pod = await installPodAgent(cluster, await place.ok(["agent", "manifest", "--token", token, ...manifestArgs]));
  try {
    await place.ok(["approve", SITE, "--code", pod.matchCode]);
    await place.ok(["site", "wait", SITE, "--timeout", "30s"]);
  } catch (error) {
    await pod.remove();
    throw error;
  }
  return pod;
}
