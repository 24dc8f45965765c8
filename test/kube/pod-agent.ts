// The agent as a pod of the rig, as its own manifest makes it: ServiceAccount, roles, token Secret, claim, Deployment. A `local` volume stands in for a storage
// provisioner. Removes what it made; roles that were there before stay, since another agent of the same cluster may use them.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "../e2e/place.ts";
import { agentImage } from "./agent-image.ts";
import { RUN_LABEL, type Cluster } from "./cluster.ts";

export const AGENT_NAMESPACE = "bowline-system";
const volumeName = "bowline-test-agent";
const storageClass = "bowline-test";
const readyMs = 60_000;

export interface PodAgent {
  /** The code that the pod tells for its approval. */
  readonly matchCode: string;
  /** How often the kubelet had to start it again. */
  restarts(): Promise<number>;
  remove(): Promise<void>;
}

async function must(cluster: Cluster, args: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await cluster.hand(args, stdin);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

export const manifestArgs = ["--image", agentImage, "--storage-class", storageClass];

/** `manifest` is what `bowline agent manifest` printed for `manifestArgs`. */
export async function installPodAgent(cluster: Cluster, manifest: string): Promise<PodAgent> {
  await requireFree(cluster);
  const before = new Set((await must(cluster, ["get", "clusterroles,clusterrolebindings", "-o", "name"])).split("\n"));
  const dir = join(process.env["BOWLINE_RIG_DIR"] ?? "/var/tmp/bowline-rig", "volumes", volumeName);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  await must(cluster, ["apply", "-f", "-"], JSON.stringify(localVolume(dir)));
  const made = (await must(cluster, ["apply", "-o", "name", "-f", "-"], manifest)).split("\n").filter((name) => name.startsWith("clusterrole"));
  await must(cluster, ["label", "namespace", AGENT_NAMESPACE, `${RUN_LABEL}=${process.pid}`]);
  const remove = async (): Promise<void> => {
    await cluster.hand(["delete", "namespace", AGENT_NAMESPACE, "--timeout=60s"]);
    await cluster.hand(["delete", "persistentvolume", volumeName, "--timeout=20s"]);
    for (const name of made.filter((role) => !before.has(role))) await cluster.hand(["delete", name]);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const logs = (): Promise<string> => cluster.hand(["-n", AGENT_NAMESPACE, "logs", "deployment/bowline-agent", "--tail=200"]).then(({ stdout }) => stdout);
    const matchCode = await until("the agent's pod tells its code", async () => /"code":"([^"]+)"/.exec(await logs())?.[1] ?? null, readyMs);
    const restarts = async (): Promise<number> => Number((await cluster.hand(["-n", AGENT_NAMESPACE, "get", "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].restartCount}"])).stdout || "0");
    return { matchCode, restarts, remove };
  } catch (error) {
    const { stdout } = await cluster.hand(["-n", AGENT_NAMESPACE, "describe", "pods"]);
    const { stdout: said } = await cluster.hand(["-n", AGENT_NAMESPACE, "logs", "deployment/bowline-agent", "--tail=20"]);
    await remove();
    throw new Error(`${(error as Error).message}\n${stdout.slice(-3_000)}\n${said}`);
  }
}

/** The namespace is fixed by the manifest: two agents in it would be one. */
async function requireFree(cluster: Cluster): Promise<void> {
  const { stdout } = await cluster.hand(["get", "namespace", AGENT_NAMESPACE, "--ignore-not-found", "-o", "jsonpath={.status.phase}"]);
  if (stdout === "Active") throw new Error(`an agent is installed in ${AGENT_NAMESPACE} already; another run may be using it, else: kubectl delete namespace ${AGENT_NAMESPACE}`);
  if (stdout !== "") await must(cluster, ["wait", "--for=delete", `namespace/${AGENT_NAMESPACE}`, "--timeout=60s"]);
  // A volume remembers the claim of an earlier run and would not be bound again.
  await cluster.hand(["delete", "persistentvolume", volumeName, "--ignore-not-found", "--timeout=20s"]);
}

function localVolume(path: string): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: volumeName },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: storageClass,
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "Exists" }] }] } },
    },
  };
}
