// The cluster behind the e2e ring: the one that BOWLINE_E2E_KUBECONFIG names, else an API server in memory. What the stand-in stands for is tested on a real
// node in the kube ring.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startKubesim, type Kubesim, type KubesimOptions } from "../kit/kubesim/kubesim.ts";
import { kubeconfigText } from "../kit/kubesim/kubeconfig.ts";

export interface TestCluster {
  readonly kubeconfig: string;
  stop(): Promise<void>;
}

export interface SimCluster extends TestCluster {
  readonly sim: Kubesim;
}

export async function startTestCluster(): Promise<TestCluster> {
  const given = process.env["BOWLINE_E2E_KUBECONFIG"];
  if (given !== undefined && given !== "") return { kubeconfig: given, stop: async () => {} };
  return startSimCluster({ port: 0 });
}

/** An API server in memory, whose faults the test commands. `address` is where its agent finds it, when that is not loopback. */
export async function startSimCluster(options: KubesimOptions = {}, address?: string): Promise<SimCluster> {
  const sim = await startKubesim(options);
  const dir = mkdtempSync(join(tmpdir(), "bowline-cluster-"));
  const kubeconfig = join(dir, "kubeconfig");
  writeFileSync(kubeconfig, address === undefined ? sim.kubeconfig() : kubeconfigText(`https://${address}:${sim.port}`, sim.caPem, "any"));
  return {
    sim,
    kubeconfig,
    stop: async () => {
      await sim.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
