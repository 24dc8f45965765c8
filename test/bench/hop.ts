// hop: small requests per second and their latency at 1, 16 and 128 side by side, through the product and through two plain Node hops, taking turns in one run.
// Identity is on: every request carries a token and is impersonated. Beside them the origin itself, without TLS: what load and origin alone leave of this machine's cores is
// the ceiling of every ratio here.
import { cpuSeconds } from "./cost.ts";
import { Ground, paths, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

interface Round {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
  readonly errors: number;
}

async function round(ground: Ground, subject: Subject, workers: number, seconds: number): Promise<Round> {
  const before = cpuSeconds(subject.pids);
  const result = await ground.load(subject, paths.small, ["-c", String(workers), "-d", String(seconds)]).done;
  return { rps: result.rps, p50: result.p50, p99: result.p99, errors: result.errors, cpuUs: ((cpuSeconds(subject.pids) - before) * 1e6) / Math.max(1, result.requests) };
}

export async function hop(options: BenchOptions): Promise<void> {
  const report = new Report("hop");
  const ground = new Ground();
  const rounds = options.isQuick ? 3 : 5;
  const seconds = options.isQuick ? 1.5 : 3;
  try {
    await ground.start({ profile: options.profile });
    const subjects = [await ground.control(), ground.product(), ground.direct()];
    for (const subject of subjects) await round(ground, subject, 16, 2); // warm
    const rows: (string | number)[][] = [];
    const median = new Map<number, { rps: number; p50: number; cpu: number }>();
    for (const workers of [1, 16, 128]) {
      const results = await takeTurns(subjects, rounds, (subject) => round(ground, subject, workers, seconds));
      for (const { name } of subjects) {
        const of = (key: keyof Round): string => spreadText(column(results, name, (one) => one[key]));
        rows.push([`${name} ${workers}`, of("rps"), of("p50"), of("p99"), of("cpuUs"), column(results, name, (one) => one.errors).reduce((sum, one) => sum + one, 0)]);
      }
      const against = (key: keyof Round, name = "product"): number[] => ratios(column(results, name, (one) => one[key]), column(results, "control", (one) => one[key]));
      rows.push([`x at ${workers}`, spreadText(against("rps")), spreadText(against("p50")), spreadText(against("p99")), spreadText(against("cpuUs")), ""]);
      rows.push([`ceiling at ${workers}`, spreadText(against("rps", "direct")), spreadText(against("p50", "direct")), spreadText(against("p99", "direct")), "", ""]);
      median.set(workers, { rps: spread(against("rps")).median, p50: spread(against("p50")).median, cpu: spread(against("cpuUs")).median });
    }
    report.table(["", "requests/s", "p50 ms", "p99 ms", "CPU us", "errors"], rows);
    report.goal({ name: "hop.rps16", sign: ">=", bound: 3.3, value: median.get(16)!.rps, step: true });
    report.goal({ name: "hop.rps16", sign: ">=", bound: 5.3, value: median.get(16)!.rps });
    report.goal({ name: "hop.rps128", sign: ">=", bound: 3.3, value: median.get(128)!.rps, step: true });
    report.goal({ name: "hop.rps128", sign: ">=", bound: 4.6, value: median.get(128)!.rps });
    report.goal({ name: "hop.p50", sign: "<=", bound: 0.4, value: median.get(1)!.p50 });
    report.goal({ name: "hop.cpu16", sign: "<=", bound: 0.15, value: median.get(16)!.cpu });
    report.write();
  } finally {
    await ground.stop();
  }
}
