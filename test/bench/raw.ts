// raw: questions and answers on upgraded streams (what exec, port-forward and sealed access are): 256 octets there, 2 KiB back, in a closed loop on each of 1 and 16
// streams. Judged against the requests per second of two plain Node hops that understand HTTP, as blind byte tunnels are; their own upgraded streams stand beside it.
import { cpuSeconds } from "./cost.ts";
import { failuresText, Ground, paths, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

interface Kind {
  readonly name: string;
  readonly subject: Subject;
  readonly path: string;
  readonly mode: "get" | "ask";
}

interface Round {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
  readonly failures: string;
}

async function round(ground: Ground, { subject, path, mode }: Kind, streams: number, seconds: number): Promise<Round> {
  const before = cpuSeconds(subject.pids);
  const result = await ground.load(subject, path, ["-mode", mode, "-c", String(streams), "-d", String(seconds)]).done;
  return { rps: result.rps, p50: result.p50, p99: result.p99, cpuUs: ((cpuSeconds(subject.pids) - before) * 1e6) / Math.max(1, result.requests), failures: failuresText(result) };
}

export async function raw(options: BenchOptions): Promise<void> {
  const report = new Report("raw");
  const ground = new Ground();
  const seconds = options.isQuick ? 1.5 : 3;
  try {
    await ground.start({ profile: options.profile });
    const control = await ground.control();
    const kinds: readonly Kind[] = [
      { name: "control, HTTP", subject: control, path: paths.small, mode: "get" },
      { name: "control, streams", subject: control, path: paths.exec("serve"), mode: "ask" },
      { name: "product, streams", subject: ground.product(), path: paths.exec("serve"), mode: "ask" },
    ];
    for (const kind of kinds) await round(ground, kind, 16, 1.5); // warm
    const rows: (string | number)[][] = [];
    const median = new Map<number, number>();
    for (const streams of [1, 16]) {
      const results = await takeTurns(kinds, options.isQuick ? 3 : 5, (kind) => round(ground, kind, streams, seconds));
      for (const { name } of kinds) {
        const of = (key: "rps" | "p50" | "p99" | "cpuUs"): string => spreadText(column(results, name, (one) => one[key]));
        rows.push([`${name} ${streams}`, of("rps"), of("p50"), of("p99"), of("cpuUs"), results.get(name)!.find((one) => one.failures !== "")?.failures ?? ""]);
      }
      for (const against of ["control, HTTP", "control, streams"]) {
        const x = (key: "rps" | "p50" | "p99" | "cpuUs"): number[] => ratios(column(results, "product, streams", (one) => one[key]), column(results, against, (one) => one[key]));
        rows.push([`x ${against} ${streams}`, spreadText(x("rps")), spreadText(x("p50")), spreadText(x("p99")), spreadText(x("cpuUs")), ""]);
        if (against === "control, HTTP") median.set(streams, spread(x("rps")).median);
      }
    }
    report.table(["", "answers/s", "p50 ms", "p99 ms", "CPU us", "failures"], rows);
    report.goal({ name: "raw.rps16", sign: ">=", bound: 6, value: median.get(16)! });
    report.write();
  } finally {
    await ground.stop();
  }
}
