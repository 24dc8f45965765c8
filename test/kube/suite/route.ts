// A way from kubectl to the cluster. Every case runs on the direct one and on each other, and the answers are compared.
import { execFileSync } from "node:child_process";

export interface Route {
  readonly name: string;
  /** Makes the way ready; called once before any case. */
  start(): Promise<void>;
  /** The kubeconfig file that a case in this namespace uses. */
  kubeconfigFor(namespace: string): string;
  stop(): Promise<void>;
}

export function directRoute(kubeconfig: string): Route {
  return { name: "direct", start: () => Promise.resolve(), kubeconfigFor: () => kubeconfig, stop: () => Promise.resolve() };
}

/** The server's address in a kubeconfig, as kubectl reads it. */
export function serverOf(kubectl: string, kubeconfig: string): string {
  return execFileSync(kubectl, ["--kubeconfig", kubeconfig, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"], { encoding: "utf8", env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" } }).trim();
}
