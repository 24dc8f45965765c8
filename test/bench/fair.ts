// fair: how long a small request takes beside bulk downloads and beside readers that never read, against the same subject idle. The control stands beside it: two
// plain Node hops have a socket per request, so nobody waits behind anybody else's octets there.
import { untilQuiet } from "./cost.ts";
import { failuresText, Ground, paths, pause, type LoadResult, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

/** Far more than any download gets through while it is looked at. */
const endlessOctets = 1e12;
const stalledOctets = 16 * 1024 * 1024;
const stalledReaders = 50;
/** Bulk is under way for this long (s) before the small requests are counted. */
const leadS = 1;

interface Case {
  readonly p50: number;
  readonly p99: number;
  /** MB/s of all bulks together meanwhile. */
  readonly bulk: number;
  readonly failures: string;
}

interface Round {
  readonly idle: Case;
  readonly beside1: Case;
  readonly beside4: Case;
  readonly stalled: Case;
}

const CASES = ["idle", "beside1", "beside4", "stalled"] as const;

const small = (ground: Ground, subject: Subject, seconds: number): Promise<LoadResult> => ground.load(subject, paths.small, ["-c", "1", "-d", String(seconds)]).done;

async function besideBulks(ground: Ground, subject: Subject, bulks: number, seconds: number): Promise<Case> {
  if (bulks === 0) return caseOf(await small(ground, subject, seconds), null);
  const pouring = ground.load(subject, paths.bulk(endlessOctets), ["-mode", "pour", "-c", String(bulks), "-warm", String(leadS), "-d", String(leadS + seconds)]).done;
  await pause(leadS * 1_000);
  const result = await small(ground, subject, seconds);
  return caseOf(result, await pouring);
}

async function besideStalled(ground: Ground, subject: Subject, seconds: number): Promise<Case> {
  const stalling = ground.load(subject, paths.bulk(stalledOctets), ["-mode", "stall", "-c", String(stalledReaders), "-d", "600"]);
  await stalling.started.said(/stalled/, 60_000);
  // The kernel takes some MB of each on the way; only then is nothing moved any more.
  const isQuiet = await untilQuiet(subject.pids, 30_000);
  const result = caseOf(await small(ground, subject, seconds), null);
  await stalling.started.stop();
  await stalling.done.catch(() => {});
  return isQuiet ? result : { ...result, failures: `${result.failures} still busy after 30 s` };
}

function caseOf(result: LoadResult, bulk: LoadResult | null): Case {
  return { p50: result.p50, p99: result.p99, bulk: bulk === null ? Number.NaN : bulk.octets / 1e6 / bulk.seconds, failures: [failuresText(result), bulk === null ? "" : failuresText(bulk)].filter((text) => text !== "").join("; ") };
}

async function round(ground: Ground, subject: Subject, seconds: number): Promise<Round> {
  const idle = await besideBulks(ground, subject, 0, seconds);
  const beside1 = await besideBulks(ground, subject, 1, seconds);
  const beside4 = await besideBulks(ground, subject, 4, seconds);
  return { idle, beside1, beside4, stalled: await besideStalled(ground, subject, seconds) };
}

export async function fair(options: BenchOptions): Promise<void> {
  const report = new Report("fair");
  const ground = new Ground();
  const seconds = options.isQuick ? 2 : 5;
  try {
    await ground.start({ profile: options.profile });
    const subjects = [await ground.control(), ground.product()];
    for (const subject of subjects) await small(ground, subject, 2); // warm
    const results = await takeTurns(subjects, options.isQuick ? 3 : 5, (subject) => round(ground, subject, seconds));
    const of = (name: string, which: keyof Round, key: "p50" | "p99" | "bulk"): number[] => column(results, name, (one) => one[which][key]);
    const p99 = (name: string, which: keyof Round): number[] => ratios(of(name, which, "p99"), of(name, "idle", "p99"));
    const rows = subjects.flatMap(({ name }) =>
      CASES.map((which) => {
        const failed = results.get(name)!.find((one) => one[which].failures !== "");
        return [`${name} ${which}`, spreadText(of(name, which, "p50")), spreadText(of(name, which, "p99")), spreadText(ratios(of(name, which, "p50"), of(name, "idle", "p50"))), spreadText(p99(name, which)), which.startsWith("beside") ? spreadText(of(name, which, "bulk")) : "", failed?.[which].failures ?? ""];
      }),
    );
    report.table(["", "p50 ms", "p99 ms", "p50 x idle", "p99 x idle", "bulk MB/s", "failures"], rows);
    const x1 = spread(p99("product", "beside1")).median;
    const x4 = spread(p99("product", "beside4")).median;
    report.goal({ name: "fair.p99x1", sign: "<=", bound: 3.3, value: x1, step: true });
    report.goal({ name: "fair.p99x1", sign: "<=", bound: 2, value: x1 });
    report.goal({ name: "fair.p99x4", sign: "<=", bound: 4, value: x4, step: true });
    report.goal({ name: "fair.p99x4", sign: "<=", bound: 3, value: x4 });
    report.goal({ name: "fair.bulk1", sign: ">=", bound: 0.6, value: spread(ratios(of("product", "beside1", "bulk"), of("control", "beside1", "bulk"))).median });
    report.goal({ name: "fair.bulk4", sign: ">=", bound: 0.6, value: spread(ratios(of("product", "beside4", "bulk"), of("control", "beside4", "bulk"))).median });
    report.goal({ name: "stall.p99", sign: "<=", bound: 1.3, value: spread(p99("product", "stalled")).median });
    report.write();
  } finally {
    await ground.stop();
  }
}
