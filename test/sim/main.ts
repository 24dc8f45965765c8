// `npm run test:sim`: fixed seeds, fresh ones, and the planted bugs that it must find. What fails is shrunk, told line by line, and named so that it happens again.
//   SEEDS=10000 FIRST=1 npm run test:sim              so many seeds in a row, and nothing else
//   SEED=7 [ORDERS=3 FAULTS=2] npm run test:sim       one seed with its trace
//   SCENARIO=day-offline npm run test:sim            one of the large ones of scenarios.ts (SEED=N: another seed of it)
//   BUG=missing-fence SEEDS=500 npm run test:sim      with a bug planted
import { BUGS, type Bug } from "./bugs.ts";
import { simulateAll } from "./crew.ts";
import { withGround } from "./hand.ts";
import { simulate, type RunOptions, type RunReport } from "./run.ts";
import { RING } from "./scenarios.ts";
import { shrink } from "./shrink.ts";
import { Tally } from "./tally.ts";

/** Seeds of every run, and how many are new each time. */
const fixedSeeds = 200;
const freshSeeds = 50;
/** A planted bug is found within so many seeds. */
const bugSeedsMax = 500;
const traceLinesShown = 400;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_value, index) => first + index);
}

function number(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name}=${text} is not a whole number`);
  return value;
}

function bugAsked(): Bug | null {
  const asked = process.env["BUG"];
  if (asked === undefined) return null;
  const found = BUGS.find((known) => known === asked);
  if (found === undefined) throw new Error(`there is no bug "${asked}"; there are ${BUGS.join(", ")}`);
  return found;
}

const scenario = process.env["SCENARIO"] ?? "usual";

/** True when all of them were without a violation. */
async function runSeeds(seeds: readonly number[], bug: Bug | null, scenario: string): Promise<boolean> {
  const tally = new Tally();
  const failed = await simulateAll({ seeds, bug, scenario, onReport: (report) => tally.add(report) });
  say(scenario === "usual" ? tally.text() : `${scenario}: ${tally.text()}`);
  if (failed === null) {
    say(`seeds ${seeds[0]} to ${seeds.at(-1)}: 0 violations`);
    return true;
  }
  await explain(failed, bug, scenario);
  return false;
}

/** A failing run again, with as few orders and faults as still fail. */
async function explain(failed: RunReport, bug: Bug | null, scenario: string): Promise<void> {
  const small = await withGround(scenario, (ground) => shrink((less) => simulate(ground, { ...less, bug, scenario }), failed));
  say(`\nseed ${small.seed} with ${small.orders} orders and ${small.faults} faults${bug === null ? "" : ` and the bug ${bug}`}:`);
  tell(small);
  say(`again: ${scenario === "usual" ? "" : `SCENARIO=${scenario} `}SEED=${small.seed} ORDERS=${small.orders} FAULTS=${small.faults}${bug === null ? "" : ` BUG=${bug}`} npm run test:sim`);
}

function tell(report: RunReport): void {
  const { trace, violations } = report;
  if (trace.length > traceLinesShown) say(`(${trace.length - traceLinesShown} lines before)`);
  say(trace.slice(-traceLinesShown).join("\n"));
  say(violations.length === 0 ? "0 violations" : violations.join("\n"));
}

async function runOne(seed: number): Promise<boolean> {
  const orders = number("ORDERS");
  const faults = number("FAULTS");
  const options: RunOptions = { seed, bug: bugAsked(), scenario, ...(orders === undefined ? {} : { orders }), ...(faults === undefined ? {} : { faults }) };
  const report = await withGround(scenario, (ground) => simulate(ground, options));
  const tally = new Tally();
  tally.add(report);
  tell(report);
  say(tally.text());
  return report.violations.length === 0;
}

/** Each planted bug must be found: a simulator that finds nothing proves nothing. */
async function findBugs(): Promise<boolean> {
  let areFound = true;
  for (const bug of BUGS) {
    const tally = new Tally();
    const failed = await simulateAll({ seeds: range(1, bugSeedsMax), bug, scenario: "usual", onReport: (report) => tally.add(report) });
    if (failed === null) areFound = false;
    say(failed === null ? `planted bug ${bug}: NOT FOUND in ${bugSeedsMax} seeds` : `planted bug ${bug}: found by seed ${failed.seed}, the ${tally.runs}. run: ${failed.violations[0]}`);
  }
  return areFound;
}

async function everything(): Promise<boolean> {
  let isGood = await runSeeds(range(1, fixedSeeds), null, "usual");
  const fresh = Math.floor(Date.now() / 1_000);
  isGood = (await runSeeds(range(fresh, freshSeeds), null, "usual")) && isGood;
  for (const name of RING) isGood = (await runSeeds([fresh], null, name)) && isGood;
  return (await findBugs()) && isGood;
}

const seed = number("SEED");
const seeds = number("SEEDS");
const isGood = seed !== undefined ? await runOne(seed) : seeds !== undefined || scenario !== "usual" ? await runSeeds(range(number("FIRST") ?? 1, seeds ?? 1), bugAsked(), scenario) : await everything();
process.exitCode = isGood ? 0 : 1;
