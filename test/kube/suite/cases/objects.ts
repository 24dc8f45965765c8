// Objects that the cases make. Images are the rig's; another cluster must be able to run these names or BOWLINE_TEST_BUSYBOX and BOWLINE_TEST_AGNHOST.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Trial } from "../trial.ts";

export const busybox = process.env["BOWLINE_TEST_BUSYBOX"] ?? "localhost/busybox:1";
export const agnhost = process.env["BOWLINE_TEST_AGNHOST"] ?? "localhost/agnhost:1";
/** Pods that do nothing end at once, so that namespaces go quickly. */
const graceSeconds = 1;

type Doc = Readonly<Record<string, unknown>>;

export function configMap(name: string, values: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>> = {}): Doc {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels }, data: values };
}

export function pod(name: string, command: readonly string[], container: Doc = {}, spec: Doc = {}): Doc {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: graceSeconds, restartPolicy: "Never", containers: [{ name: "main", image: busybox, command, ...container }], ...spec },
  };
}

export function deployment(name: string, replicas: number, env: Readonly<Record<string, string>> = {}): Doc {
  const container = { name: "main", image: busybox, command: ["sleep", "3600"], env: Object.entries(env).map(([key, value]) => ({ name: key, value })) };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels: { app: name } },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: graceSeconds, containers: [container] } } },
  };
}

/** Writes objects as a file of the case's folder; the name is what commands use. The first line makes it YAML: older clients read one JSON document only. */
export function file(trial: Trial, name: string, ...documents: readonly Doc[]): string {
  writeFileSync(join(trial.dir, name), documents.map((document) => `---\n${JSON.stringify(document)}\n`).join(""));
  return name;
}

/** A pod that sleeps and is ready: made by hand, so that only what follows takes the route. */
export async function sleeper(trial: Trial, name = "box"): Promise<string> {
  return ready(trial, pod(name, ["sleep", "3600"]), name);
}

export async function ready(trial: Trial, document: Doc, name: string): Promise<string> {
  const made = await trial.hand(["-n", trial.namespace, "apply", "-f", "-"], JSON.stringify(document));
  trial.check(made.code === 0, `the pod ${name} can be made: ${made.stderr}`);
  const waited = await trial.hand(["-n", trial.namespace, "wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s"]);
  trial.check(waited.code === 0, `the pod ${name} becomes ready: ${waited.stderr}`);
  return name;
}
