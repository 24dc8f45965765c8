// A kubeconfig for one kubesim: JSON, which every reader of kubeconfigs takes as YAML.

export function kubeconfigText(url: string, caPem: string, token: string): string {
  const cluster = caPem === "" ? { server: url } : { server: url, "certificate-authority-data": Buffer.from(caPem).toString("base64") };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "kubesim", cluster }],
    users: [{ name: "kubesim", user: { token } }],
    contexts: [{ name: "kubesim", context: { cluster: "kubesim", user: "kubesim" } }],
    "current-context": "kubesim",
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
