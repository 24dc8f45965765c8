// bulk: one great body down and one up, through the product and through two plain Node hops, taking turns. Octets per second, and CPU seconds per GB of both ends.
import type { BenchOptions } from "./main.ts";
import { cpuSeconds } from "./cost.ts";
import { failuresText, Ground, paths, type Subject } from "./ground.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

interface Round {
  readonly mbPerS: number;
  /** CPU seconds per GB: the central end, the far end. */
  readonly cpu: readonly [number, number];
  readonly failures: string;
}

async function transfer(ground: Ground, subject: Subject, way: "down" | "up", octets: number): Promise<Round> {
  const before = subject.pids.map((pid) => cpuSeconds([pid]));
  const { done } = way === "down" ? ground.load(subject, paths.bulk(octets), ["-mode", "down"]) : ground.load(subject, paths.sink, ["-mode", "up", "-n", String(octets)]);
  const result = await done;
  const cpu = subject.pids.map((pid, index) => (cpuSeconds([pid]) - before[index]!) / (octets / 1e9));
  const isWhole = result.requests === 1 && (way === "up" || result.octets === octets);
  return { mbPerS: isWhole ? octets / 1e6 / result.seconds : Number.NaN, cpu: [cpu[0]!, cpu[1]!], failures: failuresText(result) };
}

export async function bulk(options: BenchOptions): Promise<void> {
  const report = new Report("bulk");
  const ground = new Ground();
  const octets = options.isQuick ? 128_000_000 : 512_000_000;
  try {
    await ground.start({ profile: options.profile });
    const subjects = [await ground.control(), ground.product()];
    for (const subject of subjects) for (const way of ["down", "up"] as const) await transfer(ground, subject, way, 64_000_000); // warm
    const rows: (string | number)[][] = [];
    const goals: { readonly way: string; readonly rate: number; readonly cpu: number }[] = [];
    for (const way of ["down", "up"] as const) {
      const results = await takeTurns(subjects, options.isQuick ? 3 : 5, (subject) => transfer(ground, subject, way, octets));
      const both = (round: Round): number => round.cpu[0] + round.cpu[1];
      for (const { name } of subjects) {
        const failed = results.get(name)!.find((round) => round.failures !== "");
        rows.push([`${way} ${name}`, spreadText(column(results, name, (round) => round.mbPerS)), spreadText(column(results, name, both)), spreadText(column(results, name, (round) => round.cpu[0])), spreadText(column(results, name, (round) => round.cpu[1])), failed?.failures ?? ""]);
      }
      const rate = ratios(column(results, "product", (round) => round.mbPerS), column(results, "control", (round) => round.mbPerS));
      const cpu = ratios(column(results, "product", both), column(results, "control", both));
      rows.push([`${way} x`, spreadText(rate), spreadText(cpu), "", "", ""]);
      goals.push({ way, rate: spread(rate).median, cpu: spread(cpu).median });
    }
    report.say(`${octets / 1e6} MB each`);
    report.table(["", "MB/s", "CPU s/GB both", "central end", "far end", "failures"], rows);
    const [down, up] = goals;
    report.goal({ name: "bulk.down", sign: ">=", bound: 1.25, value: down!.rate });
    report.goal({ name: "bulk.up", sign: ">=", bound: 1.2, value: up!.rate });
    report.goal({ name: "bulk.cpuDown", sign: "<=", bound: 0.85, value: down!.cpu });
    report.goal({ name: "bulk.cpuUp", sign: "<=", bound: 0.85, value: up!.cpu });
    report.write();
  } finally {
    await ground.stop();
  }
}
