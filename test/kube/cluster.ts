// The real cluster of a run: the one that BOWLINE_TEST_KUBECONFIG names, else the rig (running already, or started here and stopped at the end), else a
// reason why there is none. Namespaces of runs that died are removed.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand, type Ended } from "./suite/command.ts";

const rig = join(dirname(fileURLToPath(import.meta.url)), "rig", "rig");
/** Which process made a namespace: a run that was killed leaves its own behind. */
export const RUN_LABEL = "bowline.test/pid";

export interface Cluster {
  readonly kubeconfig: string;
  /** The images localhost/busybox:1 and localhost/agnhost:1 are there, and images can be imported. */
  readonly isRig: boolean;
  /** Runs a client as the cluster's administrator, past every route. */
  hand(args: readonly string[], stdin?: string): Promise<Ended>;
  stop(): void;
}

export interface NoCluster {
  readonly why: string;
}

export function findCluster(kubectl: string): Cluster | NoCluster {
  const given = process.env["BOWLINE_TEST_KUBECONFIG"];
  const running = spawnSync(rig, ["status"], { encoding: "utf8" });
  const rigKubeconfig = running.status === 0 ? running.stdout.trim() : null;
  if (given !== undefined && given !== "") {
    if (!existsSync(given)) return { why: `BOWLINE_TEST_KUBECONFIG names ${given}, which does not exist` };
    return cluster(kubectl, given, given === rigKubeconfig, () => {});
  }
  if (rigKubeconfig !== null) return cluster(kubectl, rigKubeconfig, true, () => {});
  const lacks = rigLacks();
  if (lacks !== null) return { why: `BOWLINE_TEST_KUBECONFIG is not set and the rig cannot start here: ${lacks}` };
  process.stderr.write("kube: starting the rig (the first time builds Kubernetes, some 8 minutes) ...\n");
  const started = spawnSync(rig, ["up"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (started.status !== 0) throw new Error(`the rig did not start (exit code ${started.status}); its words are above`);
  return cluster(kubectl, started.stdout.trim(), true, () => void execFileSync(rig, ["down"], { stdio: "inherit" }));
}

/** Null when the rig can be started, else what is missing. */
function rigLacks(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return `it needs Linux on x64, this is ${process.platform} on ${process.arch}`;
  if (process.getuid?.() !== 0) return "it needs root";
  if (spawnSync("go", ["version"]).status !== 0) return "there is no Go toolchain";
  return null;
}

function cluster(kubectl: string, kubeconfig: string, isRig: boolean, stop: () => void): Cluster {
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/root", KUBECONFIG: kubeconfig };
  return {
    kubeconfig,
    isRig,
    hand: (args, stdin) => runCommand(kubectl, args, { cwd: "/", env, timeoutMs: 90_000, ...(stdin === undefined ? {} : { stdin }) }),
    stop,
  };
}

/** Imports a folder as an image's root filesystem into the rig's node. */
export function importImage(name: string, rootDir: string, shape: { readonly entrypoint: string; readonly cmd?: string; readonly env?: string; readonly user?: string }): void {
  execFileSync(rig, ["image", name, rootDir], { env: { ...process.env, ENTRYPOINT: shape.entrypoint, CMD: shape.cmd ?? "", ENV: shape.env ?? "", IMAGE_USER: shape.user ?? "" }, stdio: ["ignore", "ignore", "inherit"] });
}

/** Makes a namespace whose ServiceAccount is there, so that pods can start. */
export async function makeNamespace(on: Cluster, name: string): Promise<void> {
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { [RUN_LABEL]: String(process.pid) } } };
  const made = await on.hand(["create", "-f", "-"], JSON.stringify(object));
  if (made.code !== 0) throw new Error(`the namespace ${name} could not be made: ${made.stderr}`);
  const ready = await on.hand(["wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s"]);
  if (ready.code !== 0) throw new Error(`the namespace ${name} got no ServiceAccount: ${ready.stderr}`);
}

export async function removeNamespaces(on: Cluster, selector: string, isWaited: boolean): Promise<void> {
  await on.hand(["delete", "namespaces", "-l", selector, "--ignore-not-found", `--wait=${isWaited}`, "--timeout=80s"]);
}

/** Removes what runs left behind whose process is gone. */
export async function removeLeftOvers(on: Cluster): Promise<void> {
  const listed = await on.hand(["get", "namespaces", "-l", RUN_LABEL, "-o", `jsonpath={range .items[*]}{.metadata.labels.${RUN_LABEL.replaceAll(".", "\\.")}}{"\\n"}{end}`]);
  if (listed.code !== 0) throw new Error(`the cluster does not answer: ${listed.stderr.trim()}`);
  const gone = [...new Set(listed.stdout.split("\n"))].filter((pid) => pid !== "" && !existsSync(`/proc/${pid}`));
  for (const pid of gone) await removeNamespaces(on, `${RUN_LABEL}=${pid}`, false);
}
