// dead: how long until a peer that is gone without a word is noticed, and until those who wait hear of it. Two ways to be gone: the line swallows everything (a NAT that
// forgot), and the far process is stopped. Each with requests waiting and with none; all of them side by side. The control has no keepalive of its own: it is watched for as
// long as the product's longest verdict and a little more.
import { startLine, type RunningLine } from "../kit/chaos.ts";
import type { Started } from "../e2e/place.ts";
import { Ground, paths, pause, type LoadResult, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { spread, spreadText } from "./turns.ts";

const waitingRequests = 20;
/** The longest verdict is 45 s; what has not come by then does not come. */
const watchedMs = 60_000;
/** The requests are out and quiet for this long (ms) before the end. */
const leadMs = 2_000;

type Way = "swallowed" | "stopped";

interface Gone {
  readonly name: string;
  readonly way: Way;
  readonly isWaiting: boolean;
  readonly subject: Subject;
  readonly line: RunningLine;
  /** The process that is stopped. */
  readonly far: Started;
}

interface Outcome {
  readonly gone: Gone;
  /** Seconds after the end; NaN: not within `watchedMs`. */
  readonly relayS: number;
  readonly agentS: number;
  /** Of each waiting request. */
  readonly failedS: readonly number[];
  readonly waitingStill: number;
  readonly said: string;
}

interface LogLine {
  readonly time?: string;
  readonly msg?: string;
  readonly site?: string;
}

function logLines(started: Started): LogLine[] {
  return started.err.split("\n").flatMap((line) => {
    try {
      return line.startsWith("{") ? [JSON.parse(line) as LogLine] : [];
    } catch {
      return []; // a line that is still being written
    }
  });
}

function endedS(started: Started, sinceMs: number, site: string | null): number {
  const line = logLines(started).find(({ msg, time, site: of }) => msg === "link ended" && Date.parse(time ?? "") >= sinceMs && (site === null || of === site));
  return line === undefined ? Number.NaN : (Date.parse(line.time!) - sinceMs) / 1_000;
}

async function end(ground: Ground, gone: Gone): Promise<Outcome> {
  const waiting = gone.isWaiting ? ground.load(gone.subject, paths.wait, ["-mode", "wait", "-c", String(waitingRequests), "-d", String((leadMs + watchedMs) / 1_000)]) : null;
  await pause(leadMs);
  if (gone.way === "swallowed") await gone.line.halt("swallow");
  else gone.far.child.kill("SIGSTOP");
  const sinceMs = Date.now();
  await Promise.race([pause(watchedMs), gone.isWaiting && gone.subject.name === "product" ? waiting!.done : new Promise(() => {})]);
  if (gone.subject.name === "product" && gone.way === "swallowed") await untilNoticed(ground, gone, sinceMs);
  const result: LoadResult | null = waiting === null ? null : await waiting.done;
  const failed = result?.failures ?? [];
  return {
    gone,
    relayS: gone.subject.name === "product" ? endedS(ground.relay, sinceMs, gone.name) : Number.NaN,
    agentS: gone.subject.name === "product" && gone.way === "swallowed" ? endedS(gone.far, sinceMs, null) : Number.NaN,
    failedS: failed.map(({ atMs }) => (atMs - sinceMs) / 1_000),
    waitingStill: gone.isWaiting ? waitingRequests - failed.length : 0,
    said: whatFor(failed[0]?.what ?? ""),
  };
}

/** The agent hears nothing either, in its own time. */
async function untilNoticed(ground: Ground, gone: Gone, sinceMs: number): Promise<void> {
  while (Date.now() - sinceMs < watchedMs && (Number.isNaN(endedS(gone.far, sinceMs, null)) || Number.isNaN(endedS(ground.relay, sinceMs, gone.name)))) await pause(250);
}

/** `504 Gateway Timeout LINK_SILENT: ...` out of a Kubernetes Status. */
function whatFor(failure: string): string {
  const json = failure.indexOf("{");
  if (json === -1) return failure.slice(0, 80);
  try {
    const status = JSON.parse(failure.slice(json)) as { reason?: string; message?: string };
    return `${failure.slice(0, json)}${status.reason ?? ""}: ${status.message ?? ""}`.replaceAll("\n", " ").slice(0, 120);
  } catch {
    return failure.slice(0, 120);
  }
}

async function products(ground: Ground, ways: readonly (readonly [Way, boolean])[], each: number, lines: RunningLine[]): Promise<Gone[]> {
  const all: Gone[] = [];
  for (const [way, isWaiting] of ways) {
    for (let count = 0; count < each; count += 1) {
      const name = `${way}-${isWaiting ? "waiting" : "idle"}-${count}`;
      let line!: RunningLine;
      const agent = await ground.site(name, async (port) => {
        line = await startLine(port, {});
        lines.push(line);
        return line.port;
      });
      all.push({ name, way, isWaiting, subject: ground.product(name, agent), line, far: agent });
    }
  }
  return all;
}

async function controls(ground: Ground, lines: RunningLine[]): Promise<Gone[]> {
  const all: Gone[] = [];
  for (const way of ["swallowed", "stopped"] as const) {
    let line!: RunningLine;
    const subject = await ground.control(async (port) => {
      line = await startLine(port, {});
      lines.push(line);
      return line.port;
    });
    all.push({ name: `control-${way}`, way, isWaiting: true, subject, line, far: subject.ends[1]! });
  }
  return all;
}

export async function dead(options: BenchOptions): Promise<void> {
  const report = new Report("dead");
  const ground = new Ground();
  const lines: RunningLine[] = [];
  let outcomes: Outcome[] = [];
  try {
    ground.profile = options.profile;
    await ground.startOrigin();
    await ground.startRelay(["--log-level", "info"]);
    await ground.place.login();
    const ways = [["swallowed", true], ["stopped", true], ["swallowed", false], ["stopped", false]] as const;
    const gone = [...(await products(ground, ways, options.isQuick ? 1 : 3, lines)), ...(await controls(ground, lines))];
    // A load on every path first: what is open is open, and the links have a round trip to go by.
    await Promise.all(gone.map(({ subject }) => ground.load(subject, paths.small, ["-d", "1"]).done));
    outcomes = await Promise.all(gone.map((one) => end(ground, one)));
    tell(report, outcomes);
    for (const { far } of gone) if (!far.hasEnded) far.child.kill("SIGCONT");
  } finally {
    await ground.stop();
    await Promise.all(lines.map((line) => line.stop()));
  }
}

function tell(report: Report, outcomes: readonly Outcome[]): void {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const { subject, way, isWaiting } = outcome.gone;
    const group = `${subject.name} ${way}, ${isWaiting ? `${waitingRequests} waiting` : "idle"}`;
    groups.set(group, [...(groups.get(group) ?? []), outcome]);
  }
  const seconds = (values: readonly number[]): string => (values.every((value) => Number.isNaN(value)) ? "-" : spreadText(values));
  const rows = [...groups].map(([name, group]) => [name, group.length, seconds(group.flatMap((one) => one.failedS)), group.reduce((sum, one) => sum + one.waitingStill, 0), seconds(group.map((one) => one.relayS)), seconds(group.map((one) => one.agentS)), group[0]!.said]);
  report.table(["seconds after the end", "sites", "requests failed", "never told", "relay noticed", "agent noticed", "in words"], rows);
  report.say(`watched for ${watchedMs / 1_000} s; a stopped agent cannot notice`);
  const of = (isWaiting: boolean): Outcome[] => outcomes.filter(({ gone }) => gone.subject.name === "product" && gone.isWaiting === isWaiting);
  const worst = (values: readonly number[]): number => (values.some((value) => Number.isNaN(value)) ? Infinity : spread(values).max);
  const waiting = of(true);
  report.goal({ name: "dead.waitingS", sign: "<=", bound: 15, value: waiting.some((one) => one.waitingStill > 0) ? Infinity : worst(waiting.flatMap((one) => one.failedS)) });
  report.goal({ name: "dead.idleS", sign: "<=", bound: 45, value: worst(of(false).flatMap((one) => (one.gone.way === "swallowed" ? [one.relayS, one.agentS] : [one.relayS]))) });
  report.write();
}
