// `npm run test:kube`: every case with every client, directly and through the relay, on a real cluster. A case that fails directly too is excused and
// named; one that fails or answers otherwise only through the relay is a bug (exit code 1). Where there is no cluster it says so loudly and passes.
//
//   --kubectl 1.31     only these clients (may be repeated)      --only PATTERN    only cases whose name matches
//   --route NAME       only this route beside the direct one, "direct" for none of them
//   --slow             also the cases that move 100 MiB          --list            name the cases and end
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheDir, ensureClients, type Client } from "./clients/setup.ts";
import { findCluster, removeLeftOvers, removeNamespaces, RUN_LABEL, type Cluster } from "./cluster.ts";
import { helmCases } from "./suite/cases/helm.ts";
import { podCases } from "./suite/cases/pods.ts";
import { readCases } from "./suite/cases/read.ts";
import { writeCases } from "./suite/cases/write.ts";
import { runAll, type Outcome } from "./suite/plan.ts";
import { relayRoute } from "./suite/relay-route.ts";
import { directRoute, type Route } from "./suite/route.ts";
import { measuresText, tableText } from "./suite/table.ts";

const allCases = [...readCases, ...writeCases, ...podCases, ...helmCases];
const options = {
  only: { type: "string" },
  kubectl: { type: "string", multiple: true },
  route: { type: "string" },
  slow: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
} as const;

/** The closing line that every ring prints. */
function close(passed: number, failed: number, skipped: number): void {
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function chosenClients(names: readonly string[] | undefined): Client[] {
  const clients = ensureClients();
  if (names === undefined) return clients;
  const unknown = names.find((name) => !clients.some((client) => client.name === name));
  if (unknown !== undefined) throw new Error(`there is no kubectl ${unknown} here; there are ${clients.map(({ name }) => name).join(", ")}`);
  return clients.filter(({ name }) => names.includes(name));
}

async function onCluster(cluster: Cluster, clients: readonly Client[], cases: typeof allCases, routeName: string | undefined): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "bowline-kube-"));
  const others: Route[] = [relayRoute(cluster)].filter(({ name }) => routeName === undefined || name === routeName);
  const routes = [directRoute(cluster.kubeconfig), ...others];
  const started: Route[] = [];
  try {
    await removeLeftOvers(cluster);
    for (const route of routes) {
      started.push(route);
      await route.start();
    }
    const outcomes = await runAll({ cluster, clients, cases, routes, dir, onOutcome: sayOutcome });
    process.stdout.write(`\n${tableText(outcomes, clients, routes.map(({ name }) => name))}\n${measuresText(outcomes)}`);
    mkdirSync(cacheDir, { recursive: true });
    writeFileSync(join(cacheDir, "result.json"), `${JSON.stringify({ at: new Date().toISOString(), clients: clients.map(({ name, kubectlVersion, helmVersion }) => ({ name, kubectlVersion, helmVersion })), outcomes }, null, 2)}\n`);
    const count = (verdict: Outcome["verdict"]): number => outcomes.filter((outcome) => outcome.verdict === verdict).length;
    close(count("passed"), count("failed"), count("excused") + count("skipped"));
  } finally {
    for (const route of started.reverse()) await route.stop().catch((error: unknown) => process.stderr.write(`kube: the route ${route.name} did not stop cleanly: ${(error as Error).message}\n`));
    await removeNamespaces(cluster, `${RUN_LABEL}=${process.pid}`, true);
    rmSync(dir, { recursive: true, force: true });
  }
}

function sayOutcome(outcome: Outcome): void {
  const word = { passed: "ok     ", failed: "FAILED ", excused: "excused", skipped: "skipped" }[outcome.verdict];
  process.stdout.write(`${word} ${outcome.client.padEnd(5)} ${outcome.case}${outcome.route === null ? "" : ` [${outcome.route}]`} (${(outcome.ms / 1000).toFixed(1)} s)${outcome.why === "" ? "" : `\n        ${outcome.why}`}\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  const pattern = new RegExp(values.only ?? "", "i");
  const cases = allCases.filter(({ name, isSlow }) => pattern.test(name) && (values.slow || isSlow !== true));
  if (values.list) return void process.stdout.write(`${cases.map(({ name }) => name).join("\n")}\n`);
  if (cases.length === 0) throw new Error(`no case is named like ${values.only}`);
  if (process.platform !== "linux" || process.arch !== "x64") return skip(cases.length, `the clients are Linux x64 programs, this is ${process.platform} ${process.arch}`);
  const clients = chosenClients(values.kubectl);
  const newest = ensureClients().at(-1)!;
  const cluster = findCluster(newest.kubectl);
  if ("why" in cluster) return skip(cases.length * clients.length, cluster.why);
  try {
    await onCluster(cluster, clients, cases, values.route);
  } finally {
    cluster.stop();
  }
}

function skip(count: number, why: string): void {
  process.stdout.write(`\n*** NO CASE RAN: the tests on a real cluster are SKIPPED ***\n*** ${why} ***\n\n`);
  close(0, 0, count);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
