// The kubeconfig of `kube login`: a context per site and one static token, in a file of its owner's. A file that holds anything else is never written over: people keep
// the ways into all of their clusters in one, and there is no second copy.
import { lstatSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { parse, stringify } from "yaml";
import type { KubeLoginAnswer } from "../../shared/api-people.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { fileFault, writeWhole } from "../../shared/kit/files.ts";

/** The one user of our files: by it a file is known to be ours. */
const USER = "bowline";
const ownerOnly = 0o600;
const ownerOnlyFolder = 0o700;
/** Octets of a file that may be ours: 20,000 sites with a CA each have some 60 MiB, and what is read is parsed whole. */
const fileBytesMax = 64 * 1_048_576;

export function kubeconfigText(server: string, ca: string | null, answer: KubeLoginAnswer): string {
  const authority = ca === null ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: answer.sites.map((site) => ({ name: site, cluster: { server: `${server}/k8s/${site}`, ...authority } })),
    users: [{ name: USER, user: { token: answer.token } }],
    contexts: answer.sites.map((site) => ({ name: site, context: { cluster: site, user: USER } })),
    "current-context": answer.sites[0],
  });
}

/** Where to write: the file itself, or what a link leads to. Fault CONFLICT unless nothing is there, or only what an earlier `kube login` wrote. Asked before a token is made. */
export function requireOwnFile(file: string): string {
  const taken = (why: string, cause?: unknown): Fault => new Fault("CONFLICT", { what: `${file} is not written over`, why, hint: "bowline kube login --file OTHER, then: export KUBECONFIG=OTHER:$HOME/.kube/config\nbowline kube login --file - prints it", cause });
  try {
    lstatSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return file;
    throw fileFault(error, file);
  }
  let path: string;
  let text: string;
  try {
    path = realpathSync(file);
    const { size } = lstatSync(path);
    if (!lstatSync(path).isFile() || size > fileBytesMax) throw new Error("it is no file of a kubeconfig's kind and size");
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw taken(`what is there cannot be read: ${(error as Error).message}`, error);
  }
  if (!isOurs(text)) throw taken("it holds more than an earlier bowline kube login wrote there, and that would be lost");
  return path;
}

/** Every user is ours, and so is every context; an empty file holds nothing that could be lost. */
function isOurs(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    const { users, contexts } = parse(text) as { users?: { name?: unknown }[]; contexts?: { context?: { user?: unknown } }[] };
    return users!.length > 0 && users!.every(({ name }) => name === USER) && contexts!.every(({ context }) => context?.user === USER);
  } catch {
    return false; // no kubeconfig at all
  }
}

export function writeKubeconfig(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: ownerOnlyFolder });
  } catch (error) {
    throw fileFault(error, dirname(file));
  }
  writeWhole(file, text, ownerOnly);
}
