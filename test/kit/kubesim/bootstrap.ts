// What every cluster holds from the start: its namespaces, its Ready nodes, the Service of the API server and the basic roles.
import type { Tree } from "./tree.ts";
import type { World } from "./world.ts";
import { create } from "./write.ts";

function nodeStatus(world: World, name: string, index: number): Tree {
  const now = world.store.now();
  const condition = (type: string, status: string, reason: string): Tree => ({ type, status, lastHeartbeatTime: now, lastTransitionTime: now, reason, message: reason });
  const room = { cpu: "4", memory: "8Gi", pods: "110", "ephemeral-storage": "100Gi" };
  return {
    capacity: room,
    allocatable: room,
    conditions: [condition("MemoryPressure", "False", "KubeletHasSufficientMemory"), condition("DiskPressure", "False", "KubeletHasNoDiskPressure"), condition("PIDPressure", "False", "KubeletHasSufficientPID"), condition("Ready", "True", "KubeletReady")],
    addresses: [{ type: "InternalIP", address: `192.0.2.${10 + index}` }, { type: "Hostname", address: name }],
    nodeInfo: { machineID: name, systemUUID: name, bootID: name, kernelVersion: "6.8.0-kubesim", osImage: "kubesim", containerRuntimeVersion: "kubesim://1.0", kubeletVersion: world.settings.gitVersion, kubeProxyVersion: world.settings.gitVersion, operatingSystem: "linux", architecture: "amd64" },
  };
}

export function bootstrap(world: World): void {
  const { store, kinds } = world;
  const put = (plural: string, group: string, object: Tree & { metadata: { name: string; namespace?: string } }): void => {
    const kind = kinds.find(group, "v1", plural)!;
    create(world, { kind, namespace: object.metadata.namespace, subresource: "", query: new URLSearchParams(), defaultWriter: "kubesim" }, object);
  };
  for (const name of ["default", "kube-node-lease", "kube-public", "kube-system"]) put("namespaces", "", { metadata: { name } });
  for (const [index, name] of world.settings.nodes.entries()) {
    const labels: Record<string, string> = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" };
    if (index === 0) labels["node-role.kubernetes.io/control-plane"] = "";
    const kind = kinds.find("", "v1", "nodes")!;
    store.insert(kind, { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec: { podCIDR: `10.244.${index}.0/24` }, status: nodeStatus(world, name, index) });
  }
  put("services", "", { metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } }, spec: { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443, targetPort: 6443 }] } } as never);
  for (const name of ["cluster-admin", "admin", "edit", "view"]) {
    put("clusterroles", "rbac.authorization.k8s.io", { metadata: { name }, rules: [{ apiGroups: ["*"], resources: ["*"], verbs: name === "view" ? ["get", "list", "watch"] : ["*"] }] } as never);
  }
}
