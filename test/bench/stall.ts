// stall: what a reader that never reads costs. Many clients open an answer of 16 MiB and read nothing; how much the memory of both ends grows for each, whether
// another stream still moves, and whether the memory comes back when they leave. Resident memory is what an operator sees; what a full collection leaves behind
// (held) is what the readers really keep.
import { heldAfterCollection, rssOctets, untilQuiet } from "./cost.ts";
import { failuresText, Ground, paths, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, spread, spreadText, takeTurns } from "./turns.ts";

const answerOctets = 16 * 1024 * 1024;
const endlessOctets = 1e12;
const kib = 1024;
const quietMs = 60_000;

interface End {
  /** KiB per reader: resident memory as it stands, and after a full collection. */
  readonly rss: number;
  readonly held: number;
}

interface Round {
  readonly central: End;
  readonly far: End;
  /** MB/s of one other download, with nobody else there and beside the stalled ones. */
  readonly alone: number;
  readonly beside: number;
  /** Resident MiB of both ends when the readers have left, against before. */
  readonly left: number;
  readonly said: string;
}

async function another(ground: Ground, subject: Subject, seconds: number): Promise<number> {
  const result = await ground.load(subject, paths.bulk(endlessOctets), ["-mode", "pour", "-c", "1", "-warm", "0.5", "-d", String(0.5 + seconds)]).done;
  return result.octets / 1e6 / result.seconds;
}

async function round(ground: Ground, subject: Subject, readers: number, seconds: number): Promise<Round> {
  const alone = await another(ground, subject, seconds);
  await untilQuiet(subject.pids, quietMs);
  const before = await Promise.all(subject.ends.map((end) => heldAfterCollection(end)));
  const stalling = ground.load(subject, paths.bulk(answerOctets), ["-mode", "stall", "-c", String(readers), "-d", "900"]);
  await stalling.started.said(/stalled/, 120_000);
  const isQuiet = await untilQuiet(subject.pids, quietMs);
  const rss = subject.pids.map((pid) => rssOctets(pid));
  const held = await Promise.all(subject.ends.map((end) => heldAfterCollection(end)));
  const beside = await another(ground, subject, seconds);
  await stalling.started.stop();
  const failures = await stalling.done.then(failuresText, () => "");
  await untilQuiet(subject.pids, quietMs);
  const after = await Promise.all(subject.ends.map((end) => heldAfterCollection(end)));
  const end = (index: number): End => ({ rss: (rss[index]! - before[index]!.rss) / kib / readers, held: (heapOf(held[index]!) - heapOf(before[index]!)) / kib / readers });
  const left = after.reduce((sum, now, index) => sum + now.rss - before[index]!.rss, 0) / kib / kib;
  return { central: end(0), far: end(1), alone, beside, left, said: `${isQuiet ? "" : "never at rest "}${failures}` };
}

const heapOf = (held: { readonly heapUsed: number; readonly external: number }): number => held.heapUsed + held.external;

export async function stall(options: BenchOptions): Promise<void> {
  const report = new Report("stall");
  const ground = new Ground();
  const seconds = options.isQuick ? 1.5 : 4;
  try {
    await ground.start({ profile: options.profile });
    const subjects = [await ground.control(), ground.product()];
    const rows: (string | number)[][] = [];
    const worst = { rss: 0, held: 0 };
    for (const readers of [50, 200]) {
      const results = await takeTurns(subjects, options.isQuick ? 2 : 3, (subject) => round(ground, subject, readers, seconds));
      for (const { name } of subjects) {
        const of = (key: (one: Round) => number): string => spreadText(column(results, name, key));
        rows.push([`${name} ${readers}`, of((one) => one.central.rss), of((one) => one.central.held), of((one) => one.far.rss), of((one) => one.far.held), of((one) => one.beside / one.alone), of((one) => one.left), results.get(name)!.find((one) => one.said !== "")?.said ?? ""]);
      }
      const median = (key: (one: Round) => number): number => spread(column(results, "product", key)).median;
      // Of the greater number only: an allocator's steps are shared by more readers.
      worst.rss = Math.max(median((one) => one.central.rss), median((one) => one.far.rss));
      worst.held = Math.max(worst.held, median((one) => one.central.held), median((one) => one.far.held));
    }
    report.table(["", "central RSS KiB", "held KiB", "far RSS KiB", "held KiB", "another x alone", "left MiB", ""], rows);
    report.say("KiB are per reader; a stream's start window is 64 KiB, and each end may hold one");
    report.goal({ name: "stall.heldKiB", sign: "<=", bound: 256, value: worst.held });
    report.goal({ name: "stall.rssKiB", sign: "<=", bound: 256, value: worst.rss });
    report.write();
  } finally {
    await ground.stop();
  }
}
