// wan: product and control over the same kind of line (test/kit/chaos.ts, its own process each): 60 ms at 12.5 MB/s, without and with stalls, 600 ms at 1.25 MB/s, and
// 600 ms at 64 kbit/s. One stream's octets per second; a small request idle and beside 1 and 4 bulks; on the slowest an exec's keystroke beside a cp. Before
// that, what the line gives plain TLS sockets (calibrate.ts).
import { startLine, type LineSettings, type RunningLine } from "../kit/chaos.ts";
import { Calibrator, type Calibration } from "./calibrate.ts";
import { failuresText, Ground, paths, pause, type LoadResult, type Subject, type Through } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

const endlessOctets = 1e12;
/** A quick run measures this part of the time. */
const quickPart = 0.6;
/** A frame on a line as slow as 64 kbit/s (octets): what may be under way ahead of a keystroke. */
const slowFrameOctets = 1_024;

interface LineCase {
  readonly name: string;
  readonly line: Partial<LineSettings> & { readonly delayMs: number; readonly octetsPerS: number };
  /** Seconds until an estimate is at rest, seconds that are measured. */
  readonly leadS: number;
  readonly seconds: number;
}

const wan60: LineCase = { name: "wan60", line: { delayMs: 30, octetsPerS: 12_500_000, queueOctets: 262_144 }, leadS: 2, seconds: 5 };
const wan60Stalls: LineCase = { ...wan60, name: "wan60stalls", line: { ...wan60.line, stallShare: 0.01, stallMs: 200, seed: 7 } };
const wan600: LineCase = { name: "wan600", line: { delayMs: 300, octetsPerS: 1_250_000, queueOctets: 262_144 }, leadS: 8, seconds: 12 };
const wan64k: LineCase = { name: "wan64k", line: { delayMs: 300, octetsPerS: 8_000, queueOctets: 16_384 }, leadS: 15, seconds: 25 };

interface Behind extends Subject {
  readonly line: RunningLine;
}

interface Round {
  readonly alone: number;
  readonly idle: LoadResult;
  readonly beside1: LoadResult;
  readonly beside4: LoadResult;
  readonly bulk1: number;
  readonly bulk4: number;
  readonly said: string;
}

class Stage {
  readonly ground = new Ground();
  readonly subjects: Behind[] = [];
  readonly #lines: RunningLine[] = [];

  async start(wan: LineCase, profile: boolean): Promise<void> {
    const through: Through = async (port) => {
      const line = await startLine(port, wan.line);
      this.#lines.push(line);
      return line.port;
    };
    await this.ground.start({ through, profile });
    this.subjects.push({ ...(await this.ground.control(through)), line: this.#lines[1]! }, { ...this.ground.product(), line: this.#lines[0]! });
  }

  /** Nothing of an earlier load is under way any more. What plain sockets have left in a kernel would take minutes on a slow line: they are cut. */
  async atRest(subject: Behind): Promise<void> {
    if (subject.name === "control") await subject.line.cut();
    for (let before = -1, quiet = 0, looks = 0; quiet < 3 && looks < 200; looks += 1) {
      const { forth, back } = await subject.line.counts();
      // A ping or an acknowledgement is not a load.
      quiet = forth + back - before < 2_048 ? quiet + 1 : 0;
      before = forth + back;
      await pause(500);
    }
  }

  async stop(): Promise<void> {
    await this.ground.stop();
    for (const line of this.#lines) await line.stop();
  }
}

const mbPerS = (result: LoadResult): number => result.octets / 1e6 / result.seconds;
const small = (stage: Stage, subject: Subject, seconds: number): Promise<LoadResult> => stage.ground.load(subject, paths.small, ["-c", "1", "-d", String(seconds)]).done;
const pour = (stage: Stage, subject: Subject, bulks: number, wan: LineCase): Promise<LoadResult> =>
  stage.ground.load(subject, paths.bulk(endlessOctets), ["-mode", "pour", "-c", String(bulks), "-warm", String(wan.leadS), "-d", String(wan.leadS + wan.seconds)]).done;

async function beside(stage: Stage, subject: Behind, bulks: number, wan: LineCase): Promise<{ small: LoadResult; bulk: LoadResult }> {
  const pouring = pour(stage, subject, bulks, wan);
  await pause(wan.leadS * 1_000);
  const result = await small(stage, subject, wan.seconds);
  const bulk = await pouring;
  await stage.atRest(subject);
  return { small: result, bulk };
}

async function round(stage: Stage, subject: Behind, wan: LineCase): Promise<Round> {
  await stage.atRest(subject);
  const idle = await small(stage, subject, wan.seconds);
  const alone = await pour(stage, subject, 1, wan);
  await stage.atRest(subject);
  const one = await beside(stage, subject, 1, wan);
  const four = await beside(stage, subject, 4, wan);
  const said = [idle, alone, one.small, one.bulk, four.small, four.bulk].map(failuresText).filter((text) => text !== "").join("; ");
  return { alone: mbPerS(alone), idle, beside1: one.small, beside4: four.small, bulk1: mbPerS(one.bulk), bulk4: mbPerS(four.bulk), said };
}

/** A fast line costs CPU, so its subjects take turns; slow ones are measured side by side. */
async function rounds<Result>(stage: Stage, count: number, isFast: boolean, run: (subject: Behind) => Promise<Result>): Promise<Map<string, Result[]>> {
  if (isFast) return takeTurns(stage.subjects, count, run);
  const results = new Map<string, Result[]>(stage.subjects.map(({ name }) => [name, []]));
  for (let index = 0; index < count; index += 1) await Promise.all(stage.subjects.map(async (subject) => results.get(subject.name)!.push(await run(subject))));
  return results;
}

interface Outcome {
  readonly wan: LineCase;
  readonly calibration: Calibration;
  readonly results: ReadonlyMap<string, readonly Round[]>;
}

const inTime = (wan: LineCase, options: BenchOptions): LineCase => (options.isQuick ? { ...wan, leadS: wan.leadS * quickPart, seconds: wan.seconds * quickPart } : wan);

async function measure(whole: LineCase, options: BenchOptions, count: number): Promise<Outcome> {
  const wan = inTime(whole, options);
  const stage = new Stage();
  try {
    await stage.start(wan, options.profile);
    const calibrator = await Calibrator.start(await stage.ground.certificates(), wan.line);
    const calibration = await calibrator.run(wan.leadS, wan.seconds).finally(() => void calibrator.stop());
    return { wan, calibration, results: await rounds(stage, count, wan.line.octetsPerS > 5e6, (subject) => round(stage, subject, wan)) };
  } finally {
    await stage.stop();
  }
}

function tell(report: Report, { wan, calibration, results }: Outcome): void {
  const { line } = wan;
  report.say(`\n${wan.name}: ${2 * line.delayMs} ms round trip, ${line.octetsPerS / 1e6} MB/s each way, a queue of ${(line.queueOctets ?? 0) / 1024} KiB${line.stallShare ? `, each flow stalled ${line.stallShare * 100} % of the time, ${line.stallMs} ms each` : ""}`);
  report.say(`plain TLS sockets on it: ${calibration.mbPerS.toFixed(2)} MB/s; ping ${calibration.pingMs.toFixed(0)} ms idle, ${calibration.pingBeside1Ms.toFixed(0)} beside 1 and ${calibration.pingBeside4Ms.toFixed(0)} beside 4 bulks on sockets of their own; ${calibration.behindMs.toFixed(0)} ms one way behind a bulk on the same socket`);
  const of = (name: string, key: (one: Round) => number): number[] => column(results, name, key);
  const x = (name: string, key: (one: Round) => number): number[] => ratios(of(name, key), of(name, (one) => one.idle.p50));
  const rows = [...results].map(([name, all]) => [
    `${wan.name} ${name}`,
    spreadText(of(name, (one) => one.alone)),
    spreadText(of(name, (one) => one.idle.p50)),
    spreadText(of(name, (one) => one.beside1.p50)),
    spreadText(of(name, (one) => one.beside4.p50)),
    spreadText(x(name, (one) => one.beside1.p50)),
    spreadText(x(name, (one) => one.beside4.p50)),
    spreadText(of(name, (one) => one.beside4.p99)),
    spreadText(of(name, (one) => one.bulk1)),
    spreadText(of(name, (one) => one.bulk4)),
    all.find((one) => one.said !== "")?.said ?? "",
  ]);
  report.table(["", "1 stream MB/s", "p50 ms", "beside 1", "beside 4", "x idle 1", "x idle 4", "p99 beside 4", "bulk 1 MB/s", "bulk 4 MB/s", ""], rows);
}

function judge(report: Report, { wan, results }: Outcome): void {
  const median = (key: (one: Round) => number): number => spread(column(results, "product", key)).median;
  report.goal({ name: `${wan.name}.one`, sign: ">=", bound: 0.95, value: median((one) => one.alone) / (wan.line.octetsPerS / 1e6) });
  for (const [which, value] of [["x1", median((one) => one.beside1.p50 / one.idle.p50)], ["x4", median((one) => one.beside4.p50 / one.idle.p50)]] as const) {
    report.goal({ name: `${wan.name}.${which}`, sign: "<=", bound: 1.8, value, step: true });
    report.goal({ name: `${wan.name}.${which}`, sign: "<=", bound: 1.3, value });
  }
}

interface Keys {
  readonly idle: LoadResult;
  readonly down: LoadResult;
  readonly up: LoadResult;
  /** Octets per second of the cp beside the keystrokes, as they came out of the line. */
  readonly copyDown: number;
  readonly copyUp: number;
  readonly said: string;
}

/** A keystroke and its echo, alone and beside a cp in either direction; both are upgraded streams, as kubectl makes them. */
async function keys(stage: Stage, subject: Behind, wan: LineCase): Promise<Keys> {
  const strokes = (): Promise<LoadResult> => stage.ground.load(subject, paths.exec("echo"), ["-mode", "echo", "-n", "1", "-pause", "100", "-d", String(wan.seconds)]).done;
  const besideCopy = async (mode: "drink" | "feed"): Promise<{ strokes: LoadResult; copy: LoadResult; octetsPerS: number }> => {
    const copying = stage.ground.load(subject, paths.exec(mode === "drink" ? "pour" : "sink"), ["-mode", mode, "-d", String(wan.leadS + wan.seconds)]).done;
    await pause(wan.leadS * 1_000);
    const before = await subject.line.counts();
    const result = await strokes();
    const after = await subject.line.counts();
    const copy = await copying;
    await stage.atRest(subject);
    // The copy is nearly all of the greater direction.
    return { strokes: result, copy, octetsPerS: Math.max(after.forth - before.forth, after.back - before.back) / result.seconds };
  };
  await stage.atRest(subject);
  const idle = await strokes();
  const down = await besideCopy("drink");
  const up = await besideCopy("feed");
  const said = [idle, down.strokes, down.copy, up.strokes, up.copy].map(failuresText).filter((text) => text !== "").join("; ");
  return { idle, down: down.strokes, up: up.strokes, copyDown: down.octetsPerS, copyUp: up.octetsPerS, said };
}

async function keystrokes(options: BenchOptions, count: number): Promise<ReadonlyMap<string, readonly Keys[]>> {
  const stage = new Stage();
  try {
    await stage.start(wan64k, options.profile);
    return await rounds(stage, count, false, (subject) => keys(stage, subject, inTime(wan64k, options)));
  } finally {
    await stage.stop();
  }
}

function tellKeys(report: Report, results: ReadonlyMap<string, readonly Keys[]>): void {
  report.say(`\nwan64k: ${2 * wan64k.line.delayMs} ms round trip, 64 kbit/s each way; an exec's keystroke beside a cp`);
  const rows = [...results].map(([name, all]) => {
    const of = (key: (one: Keys) => number): string => spreadText(column(results, name, key));
    return [`wan64k ${name}`, of((one) => one.idle.p50), of((one) => one.down.p50), of((one) => one.up.p50), of((one) => one.down.max), of((one) => one.up.max), of((one) => one.copyDown), of((one) => one.copyUp), all.find((one) => one.said !== "")?.said ?? ""];
  });
  report.table(["", "key p50 ms", "beside cp down", "beside cp up", "worst down", "worst up", "cp down octets/s", "cp up octets/s", ""], rows);
}

function judgeKeys(report: Report, results: ReadonlyMap<string, readonly Keys[]>): void {
  const median = (key: (one: Keys) => number): number => spread(column(results, "product", key)).median;
  const boundMs = Math.round(2 * median((one) => one.idle.p50) + (slowFrameOctets / wan64k.line.octetsPerS) * 1_000);
  report.goal({ name: "wan64k.keyDownMs", sign: "<=", bound: boundMs, value: median((one) => one.down.p50) });
  report.goal({ name: "wan64k.keyUpMs", sign: "<=", bound: boundMs, value: median((one) => one.up.p50) });
}

export type WanPart = "wan60" | "wan600" | "wan64k";

export async function wan(options: BenchOptions, parts: readonly WanPart[] = ["wan60", "wan600", "wan64k"]): Promise<void> {
  const report = new Report(parts.length === 1 ? parts[0]! : "wan");
  const [fast, slow] = options.isQuick ? [1, 1] : [3, 2];
  const outcomes: Outcome[] = [];
  if (parts.includes("wan60")) {
    outcomes.push(await measure(wan60, options, fast));
    if (!options.isQuick) outcomes.push(await measure(wan60Stalls, options, 1));
  }
  // These two cost next to no CPU.
  const [slower, strokes] = await Promise.all([parts.includes("wan600") ? measure(wan600, options, slow) : null, parts.includes("wan64k") ? keystrokes(options, slow) : null]);
  if (slower !== null) outcomes.push(slower);
  for (const outcome of outcomes) tell(report, outcome);
  if (strokes !== null) tellKeys(report, strokes);
  for (const outcome of outcomes) if (outcome.wan.name !== wan60Stalls.name) judge(report, outcome);
  if (strokes !== null) judgeKeys(report, strokes);
  report.write();
}
