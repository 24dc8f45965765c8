// Simulates many seeds in as many processes as there are cores, until all are done or one has failed. Processes are ended by their handle.
import { fork, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Bug } from "./bugs.ts";
import type { Job } from "./hand.ts";
import type { RunReport } from "./run.ts";

export interface CrewOptions {
  readonly seeds: readonly number[];
  readonly bug: Bug | null;
  readonly scenario: string;
  readonly onReport: (report: RunReport) => void;
}

/** The first report with a violation, or null when every seed was done without one. */
export async function simulateAll({ seeds, bug, scenario, onReport }: CrewOptions): Promise<RunReport | null> {
  let failed: RunReport | null = null;
  const hands: ChildProcess[] = [];
  const hear = (report: RunReport): void => {
    onReport(report);
    if (report.violations.length === 0 || failed !== null) return;
    failed = report;
    for (const hand of hands) hand.kill("SIGKILL");
  };
  const count = Math.min(availableParallelism(), seeds.length);
  await Promise.all(Array.from({ length: count }, (_value, index) => start({ seeds: seeds.filter((_seed, at) => at % count === index), bug, scenario }, hear, hands, () => failed !== null)));
  return failed;
}

function start(job: Job, hear: (report: RunReport) => void, hands: ChildProcess[], isOver: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const hand = fork(fileURLToPath(new URL("./hand.ts", import.meta.url)), { serialization: "advanced" });
    hands.push(hand);
    let told = 0;
    hand.on("message", (report: RunReport) => {
      told += 1;
      hear(report);
    });
    hand.once("error", reject);
    // A run in which nothing can happen any more lets its process end as if it were done.
    hand.once("exit", (code, signal) => (isOver() || (code === 0 && told === job.seeds.length) ? resolve() : reject(new Error(`a process of the simulator ended with ${code ?? signal} in the middle of seed ${job.seeds[told]}`))));
    hand.send(job);
  });
}
