// list: 10,000 objects of 10 KiB in one answer, as `kubectl get -A -o json` on a great cluster asks for them: directly, through two plain Node hops and through the product.
// Seconds to the last octet, and how far the memory of both ends rises meanwhile; then once more to a reader that takes 2 MB/s.
import { cpuSeconds, heldAfterCollection, rssOctets } from "./cost.ts";
import { failuresText, Ground, paths, pause, type LoadResult, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { column, ratios, spread, spreadText, takeTurns } from "./turns.ts";

const items = 10_000;
const itemOctets = 10_240;
const mib = 1024 * 1024;
/** Memory is looked at this often (ms). */
const lookMs = 20;
const slowOctetsPerS = 2_000_000;

interface Round {
  readonly seconds: number;
  readonly cpuS: number;
  /** MiB above what was resident before, at the worst moment: the central end, the far end. */
  readonly rise: readonly [number, number];
  readonly failures: string;
}

async function watched(pids: readonly number[], done: Promise<LoadResult>): Promise<{ readonly result: LoadResult; readonly peaks: readonly number[] }> {
  const peaks = pids.map((pid) => rssOctets(pid));
  let isOver = false;
  const result = done.finally(() => (isOver = true));
  while (!isOver) {
    for (const [index, pid] of pids.entries()) peaks[index] = Math.max(peaks[index]!, rssOctets(pid));
    await Promise.race([pause(lookMs), result.catch(() => {})]);
  }
  return { result: await result, peaks };
}

async function round(ground: Ground, subject: Subject, more: readonly string[]): Promise<Round> {
  const before = (await Promise.all(subject.ends.map((end) => heldAfterCollection(end)))).map(({ rss }) => rss);
  const cpu = cpuSeconds(subject.pids);
  const { result, peaks } = await watched(subject.pids, ground.load(subject, paths.list(items, itemOctets), ["-mode", "down", ...more]).done);
  const isWhole = result.requests === 1 && result.octets > items * itemOctets;
  const rise = (index: number): number => (subject.pids.length === 0 ? Number.NaN : (peaks[index]! - before[index]!) / mib);
  return { seconds: isWhole ? result.p50 / 1_000 : Number.NaN, cpuS: cpuSeconds(subject.pids) - cpu, rise: [rise(0), rise(1)], failures: failuresText(result) };
}

export async function list(options: BenchOptions): Promise<void> {
  const report = new Report("list");
  const ground = new Ground();
  try {
    await ground.start({ profile: options.profile });
    const subjects = [ground.direct(), await ground.control(), ground.product()];
    for (const subject of subjects) await round(ground, subject, []); // warm
    const rows: (string | number)[][] = [];
    let slower: number[] = [];
    for (const [what, more, rounds] of [["", [], options.isQuick ? 3 : 5], [", 2 MB/s", ["-pace", String(slowOctetsPerS)], 1]] as const) {
      if (what !== "" && options.isQuick) continue;
      const results = await takeTurns(what === "" ? subjects : subjects.slice(1), rounds, (subject) => round(ground, subject, more));
      for (const [name, all] of results) {
        const of = (key: (one: Round) => number): string => spreadText(column(results, name, key));
        rows.push([`${name}${what}`, of((one) => one.seconds), of((one) => one.cpuS), of((one) => one.rise[0]), of((one) => one.rise[1]), all.find((one) => one.failures !== "")?.failures ?? ""]);
      }
      if (what === "") slower = ratios(column(results, "product", (one) => one.seconds), column(results, "direct", (one) => one.seconds));
    }
    report.say(`${items} objects of ${itemOctets} octets`);
    report.table(["", "seconds", "CPU s", "central rise MiB", "far rise MiB", "failures"], rows);
    report.say(`product ${spreadText(slower)} times as long as direct (median ${spread(slower).median.toFixed(2)}); the design sets no goal for this`);
    report.write();
  } finally {
    await ground.stop();
  }
}
