// The cluster behind the e2e ring: the one that BOWLINE_E2E_KUBECONFIG names, else an API server in memory. What the stand-in stands for is tested on a real
// node in the kube ring.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestCluster {
  readonly kubeconfig: string;
  stop(): Promise<void>;
}

export async function startTestCluster(): Promise<TestCluster> {
  const given = process.env["BOWLINE_E2E_KUBECONFIG"];
  if (given !== undefined && given !== "") return { kubeconfig: given, stop: async () => {} };
  const { startKubesim } = await import("../kit/kubesim/kubesim.ts");
  const sim = await startKubesim({ port: 0 });
  const dir = mkdtempSync(join(tmpdir(), "bowline-cluster-"));
  const kubeconfig = join(dir, "kubeconfig");
  writeFileSync(kubeconfig, sim.kubeconfig());
  return {
    kubeconfig,
    stop: async () => {
      await sim.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
