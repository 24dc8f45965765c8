// What a container finds when it starts: its environment (values, ConfigMap and Secret keys, fields of the pod) and the files that its
// ConfigMap, Secret and token volumes bring.
import { list, place, text, type KubeObject, type Tree } from "./tree.ts";
import type { World } from "./world.ts";

/** The entries of a ConfigMap or Secret as bytes; empty when it is not there. */
function entriesOf(world: World, plural: "configmaps" | "secrets", namespace: string, name: string): Map<string, Buffer> {
  const object = world.store.find(world.kinds.find("", "v1", plural)!, namespace, name);
  const entries = Object.entries((object?.["data"] ?? {}) as Record<string, string>);
  return new Map(entries.map(([key, value]) => [key, Buffer.from(value, plural === "secrets" ? "base64" : "utf8")]));
}

function variableValue(world: World, pod: KubeObject, variable: unknown): string {
  const namespace = pod.metadata.namespace ?? "";
  const map = place(variable, "valueFrom", "configMapKeyRef");
  const secret = place(variable, "valueFrom", "secretKeyRef");
  const field = text(variable, "valueFrom", "fieldRef", "fieldPath");
  if (map !== undefined) return entriesOf(world, "configmaps", namespace, text(map, "name")).get(text(map, "key"))?.toString("utf8") ?? "";
  if (secret !== undefined) return entriesOf(world, "secrets", namespace, text(secret, "name")).get(text(secret, "key"))?.toString("utf8") ?? "";
  if (field !== "") return String(place(pod, ...field.split(".")) ?? "");
  return text(variable, "value");
}

export function containerEnv(world: World, pod: KubeObject, spec: Tree): Map<string, string> {
  const env = new Map([
    ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ["HOSTNAME", pod.metadata.name],
    ["HOME", "/root"],
    ["KUBERNETES_SERVICE_HOST", "10.96.0.1"],
    ["KUBERNETES_SERVICE_PORT", "443"],
  ]);
  if (text(spec, "workingDir") !== "") env.set("PWD", text(spec, "workingDir"));
  for (const source of list(spec, "envFrom")) {
    for (const [field, plural] of [["configMapRef", "configmaps"], ["secretRef", "secrets"]] as const) {
      const entries = entriesOf(world, plural, pod.metadata.namespace ?? "", text(source, field, "name"));
      for (const [key, value] of entries) env.set(text(source, "prefix") + key, value.toString("utf8"));
    }
  }
  for (const variable of list(spec, "env")) {
    const value = variableValue(world, pod, variable).replace(/\$\((\w+)\)/g, (whole, name: string) => env.get(name) ?? whole);
    env.set(text(variable, "name"), value);
  }
  return env;
}

export function containerFiles(world: World, pod: KubeObject, spec: Tree): Map<string, Buffer> {
  const namespace = pod.metadata.namespace ?? "";
  const files = new Map<string, Buffer>([
    ["/etc/hostname", Buffer.from(`${pod.metadata.name}\n`)],
    ["/etc/os-release", Buffer.from("NAME=kubesim\n")],
    ["/var/run/secrets/kubernetes.io/serviceaccount/namespace", Buffer.from(namespace)],
  ]);
  for (const mount of list(spec, "volumeMounts")) {
    const volume = list(pod, "spec", "volumes").find((each) => text(each, "name") === text(mount, "name"));
    const map = entriesOf(world, "configmaps", namespace, text(volume, "configMap", "name"));
    const secret = entriesOf(world, "secrets", namespace, text(volume, "secret", "secretName"));
    for (const [key, value] of [...map, ...secret]) files.set(`${text(mount, "mountPath")}/${key}`, value);
  }
  return files;
}
