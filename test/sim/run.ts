// One simulated run from a seed: a relay, a few sites, orders, faults; then no more faults, and everything has to end. The same seed is the same history.
import { Checker } from "./checker.ts";
import { Faults } from "./faults.ts";
import type { Bug } from "./bugs.ts";
import { bugOf } from "./bugs.ts";
import { Ground } from "./ground.ts";
import { SimRelay } from "./sim-relay.ts";
import { SimSite } from "./sim-site.ts";
import { scenarioOf } from "./scenarios.ts";
import { Workload } from "./workload.ts";
import { World, type SimProcess } from "./world.ts";

const lookMs = 5_000;

export interface RunOptions {
  readonly seed: number;
  readonly bug?: Bug | null;
  /** Of scenarios.ts; the usual one by default. */
  readonly scenario?: string;
  /** Both are drawn from the seed when they are not given; a failing run is shrunk by giving less. */
  readonly orders?: number;
  readonly faults?: number;
}

export interface RunReport {
  readonly seed: number;
  readonly orders: number;
  readonly faults: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly simulatedMs: number;
  readonly happened: number;
  readonly commands: number;
  readonly states: Readonly<Record<string, number>>;
  readonly kills: Readonly<Record<string, number>>;
  readonly letters: number;
}

export async function simulate(ground: Ground, options: RunOptions): Promise<RunReport> {
  const scenario = scenarioOf(options.scenario ?? "usual");
  const { stormMs, convergeMs } = scenario;
  const world = new World(options.seed, scenario.happeningsMax);
  const drawn = { orders: Math.floor(world.between(3, 30)), faults: Math.floor(world.between(0, 14)) };
  const orders = options.orders ?? scenario.orders ?? drawn.orders;
  const faultCount = options.faults ?? scenario.faults ?? drawn.faults;
  const bug = bugOf(options.bug ?? null);
  const copy = ground.copy();
  const { dir } = copy;
  const sites: SimSite[] = [];
  const relay: SimRelay = new SimRelay(world, { ground, dir, observe: (...told) => checker.relayCommitted(...told), tamper: (store) => bug.relay(store, () => relay.live!.store) });
  const events = {
    observe: (site: SimSite, ...told: Parameters<Checker["relayCommitted"]>) => checker.agentCommitted(site, ...told),
    effect: (site: SimSite, effect: Parameters<Checker["effect"]>[1]) => checker.effect(site, effect),
    attempt: (site: SimSite, process: SimProcess, mark: string) => checker.attempt(site, process.name, mark),
    message: (site: SimSite, ...told: [from: "agent" | "relay", message: Uint8Array, cable: number]) => {
      checker.message(site, ...told);
      faults.sent(site, ...told);
    },
    started: (site: SimSite) => checker.agentStarted(site),
    tamper: (store: Parameters<typeof bug.agent>[0]) => bug.agent(store),
  };
  for (const site of ground.sites) sites.push(new SimSite(world, { ground, site, dir, relay, events }));
  const checker = new Checker(world, sites, { live: () => relay.live, file: relay.file });
  const faults = new Faults({ world, relay, sites, count: faultCount, untilMs: stormMs, onBackup: () => checker.relayCopied() });
  try {
    relay.start();
    for (const site of sites) world.after(world.between(0, 5_000), () => site.start());
    const workload = new Workload({ world, relay, checker, sites: ground.sites.map(({ name }) => name), orders, objects: scenario.objects, untilMs: scenario.ordersMs });
    scenario.trouble({ world, relay, sites, faults });
    const hasFailed = (): boolean => checker.violations.length > 0;
    await world.run(stormMs, hasFailed);
    for (let untilMs = stormMs + lookMs; untilMs <= stormMs + convergeMs && !hasFailed(); untilMs += lookMs) {
      await world.run(untilMs, hasFailed);
      if (workload.asking === 0 && relay.live !== null && checker.open().length === 0) break;
    }
    if (workload.asking > 0) checker.violations.push(`invariant 12: ${workload.asking} orders were never accepted`);
    if (!hasFailed()) checker.end();
  } finally {
    faults.stop();
    relay.mayStart = false;
    relay.live?.process.kill();
    for (const site of sites) site.live?.process.kill();
    copy.remove();
  }
  const states: Record<string, number> = {};
  for (const { state } of checker.states.values()) states[state] = (states[state] ?? 0) + 1;
  return { seed: options.seed, orders, faults: faultCount, violations: checker.violations, trace: world.trace, simulatedMs: world.nowMs, happened: world.happened, commands: checker.accepted.size, states, kills: Object.fromEntries(faults.kills), letters: checker.wire.letters };
}
