// Runs cases x clients: each on the direct route and then on every other one, in namespaces of their own, two at a time where that cannot disturb. Judges:
// equal records pass, a direct failure excuses, anything else is a bug of the other route.
import { join } from "node:path";
import type { Client } from "../clients/setup.ts";
import { makeNamespace, type Cluster } from "../cluster.ts";
import { serverOf, type Route } from "./route.ts";
import { CaseFailure, firstDifference, Trial, type Case } from "./trial.ts";

/** Cases under way at once: clients and cluster share the machine's cores. */
const atOnce = 2;
/** A whole case on one route. */
const caseMs = 240_000;

export interface Outcome {
  readonly case: string;
  readonly client: string;
  /** Null for a verdict that no single route gave. */
  readonly route: string | null;
  readonly verdict: "passed" | "failed" | "excused" | "skipped";
  readonly why: string;
  readonly ms: number;
  readonly measures: Readonly<Record<string, number>>;
}

export interface Plan {
  readonly cluster: Cluster;
  readonly clients: readonly Client[];
  readonly cases: readonly Case[];
  /** The direct one first. */
  readonly routes: readonly Route[];
  readonly dir: string;
  readonly onOutcome: (outcome: Outcome) => void;
}

interface Ran {
  readonly trial: Trial;
  readonly failure: string | null;
  readonly ms: number;
}

export async function runAll(plan: Plan): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const work = plan.cases.flatMap((one) => plan.clients.map((client) => ({ one, client })));
  const together = work.filter(({ one }) => one.isAlone !== true);
  const alone = work.filter(({ one }) => one.isAlone === true);
  const namespaces = new Namespaces(plan);
  const drain = async (queue: typeof work): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const outcome of await runOne(plan, namespaces, next.one, next.client)) {
        outcomes.push(outcome);
        plan.onOutcome(outcome);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, () => drain(together)));
  await drain(alone);
  return outcomes;
}

/** Names of one length, so that tables have the same columns on both routes. */
class Namespaces {
  readonly #plan: Plan;
  #count = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  async make(): Promise<string> {
    this.#count += 1;
    const name = `bl-${process.pid.toString(36).padStart(5, "0")}-${String(this.#count).padStart(4, "0")}`;
    await makeNamespace(this.#plan.cluster, name);
    return name;
  }
}

async function runOne(plan: Plan, namespaces: Namespaces, one: Case, client: Client): Promise<Outcome[]> {
  const base = { case: one.name, client: client.name };
  if (one.since !== undefined && minorOf(client) < one.since) {
    return [{ ...base, route: null, verdict: "skipped", why: `kubectl has this since 1.${one.since}`, ms: 0, measures: {} }];
  }
  const [direct, ...others] = plan.routes;
  const straight = await runOn(plan, namespaces, one, client, direct!);
  const ended = { ...base, ms: straight.ms, measures: straight.trial.measures, route: direct!.name };
  if (straight.failure !== null) {
    // Without another route there is nobody to excuse: the case or the cluster is at fault, and that must show.
    if (others.length === 0) return [{ ...ended, verdict: "failed", why: straight.failure }];
    return [{ ...ended, verdict: "excused", why: `fails directly too: ${straight.failure}` }];
  }
  if (others.length === 0) return [{ ...ended, verdict: "passed", why: "" }];
  const outcomes: Outcome[] = [];
  for (const route of others) {
    if (one.prefixSince !== undefined && minorOf(client) < one.prefixSince && new URL(serverOf(client.kubectl, route.kubeconfigFor(""))).pathname !== "/") {
      outcomes.push({ ...base, route: route.name, verdict: "excused", why: `kubectl before 1.${one.prefixSince} drops the path of its server's address here`, ms: 0, measures: {} });
      continue;
    }
    const ran = await runOn(plan, namespaces, one, client, route);
    const difference = ran.failure ?? firstDifference(straight.trial.entries, ran.trial.entries);
    const measures = { ...Object.fromEntries(Object.entries(straight.trial.measures).map(([name, value]) => [`${name}, direct`, value])), ...ran.trial.measures };
    outcomes.push({ ...base, route: route.name, verdict: difference === null ? "passed" : "failed", why: difference ?? "", ms: ran.ms, measures });
  }
  return outcomes;
}

function minorOf(client: Client): number {
  return Number(client.name.split(".")[1]);
}

async function runOn(plan: Plan, namespaces: Namespaces, one: Case, client: Client, route: Route): Promise<Ran> {
  const startedMs = performance.now();
  const namespace = await namespaces.make();
  const kubeconfig = route.kubeconfigFor(namespace);
  // One home per route and client: kubectl keeps what it discovered there, as it does for a person.
  const places = { server: serverOf(client.kubectl, kubeconfig), namespace, dir: join(plan.dir, namespace), home: join(plan.dir, `home-${route.name.replaceAll(/\W+/g, "-")}-${client.name}`) };
  const trial = new Trial({ client, kubeconfig, places, hand: (args, stdin) => plan.cluster.hand(args, stdin) });
  let failure: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([one.run(trial), new Promise((_resolve, reject) => (timer = setTimeout(() => reject(new CaseFailure(`it did not end within ${caseMs / 1000} s`)), caseMs)))]);
  } catch (error) {
    failure = error instanceof CaseFailure ? error.message : ((error as Error).stack ?? String(error)).split("\n").slice(0, 3).join(" ");
  } finally {
    clearTimeout(timer);
    await trial.end();
    await plan.cluster.hand(["delete", "namespace", namespace, "--wait=false"]);
  }
  return { trial, failure, ms: Math.round(performance.now() - startedMs) };
}
