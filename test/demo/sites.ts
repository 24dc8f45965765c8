// The demo's sites: three simulated clusters with their content (sites/*.yaml), and the name under which a cluster of the user's own appears among them.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { openKubeAccess } from "../../agent/kube/access.ts";
import { parseManifest } from "../../relay/cli/manifest.ts";
import { systemClock } from "../../shared/kit/clock.ts";
import { startKubesim, type Kubesim } from "../kit/kubesim/kubesim.ts";
import type { Tree } from "../kit/kubesim/tree.ts";

export interface SimulatedSite {
  readonly name: string;
  readonly about: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
}

export const simulatedSites: readonly SimulatedSite[] = [
  { name: "plant-07", about: "a production line; all is well", labels: { kind: "plant", country: "no" }, nodes: ["line-a", "line-b"] },
  { name: "shop-112", about: "a shop with two tills; all is well", labels: { kind: "shop", country: "dk" }, nodes: ["back-office"] },
  { name: "ship-3", about: "at sea; something aboard keeps crashing", labels: { kind: "ship", flag: "no" }, nodes: ["bridge-1"] },
];

/** An API server in memory with what lives at the site. */
export async function startCluster(site: SimulatedSite): Promise<Kubesim> {
  const file = new URL(`sites/${site.name}.yaml`, import.meta.url);
  const cluster = await startKubesim({ nodes: site.nodes });
  for (const object of parseManifest(readFileSync(file, "utf8"), file.pathname)) cluster.put(object as unknown as Tree);
  return cluster;
}

/** Judges the user's kubeconfig as an agent would, before anything is started, and answers a site name for its current context. Faults: FILE_MISSING, FILE_INVALID. */
export async function ownClusterName(kubeconfig: string): Promise<string> {
  const access = await openKubeAccess({ kubeconfig, serviceHost: null, servicePort: null, clock: systemClock });
  access.close();
  const config = parse(readFileSync(kubeconfig, "utf8")) as { "current-context"?: unknown };
  return siteNameFor(String(config["current-context"] ?? ""), simulatedSites.map(({ name }) => name));
}

/** A context's name as a DNS label that no other site has; of an address such as `arn:...:cluster/prod` only the last part counts. */
function siteNameFor(context: string, taken: readonly string[]): string {
  const last = context.split("/").findLast((part) => part !== "") ?? "";
  const label = last.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").slice(0, 50).replaceAll(/^-+|-+$/g, "");
  const name = label === "" ? "my-cluster" : label;
  return taken.includes(name) ? `my-${name}` : name;
}
