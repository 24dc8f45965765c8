// A process that simulates the seeds it is told, one after the other, and tells what came of each. Started by crew.ts. Also holds what a process needs that simulates:
// a killed process of a run leaves exceptions behind that are nobody's.
import { fileURLToPath } from "node:url";
import type { Bug } from "./bugs.ts";
import { Ground } from "./ground.ts";
import { simulate, type RunReport } from "./run.ts";
import { scenarioOf } from "./scenarios.ts";
import { Killed } from "./world.ts";

export interface Job {
  readonly seeds: readonly number[];
  readonly bug: Bug | null;
  readonly scenario: string;
}

function ignoreTheDead(error: unknown): void {
  if (error instanceof Killed) return;
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(70);
}

/** Simulates in this process. */
export async function withGround<Result>(scenario: string, work: (ground: Ground) => Promise<Result>): Promise<Result> {
  process.on("uncaughtException", ignoreTheDead);
  process.on("unhandledRejection", ignoreTheDead);
  const ground = await Ground.make(scenarioOf(scenario).sites);
  try {
    return await work(ground);
  } finally {
    ground.remove();
    process.off("uncaughtException", ignoreTheDead);
    process.off("unhandledRejection", ignoreTheDead);
  }
}

/** What crosses to whoever started this process: a trace is made anew where it is wanted. */
async function serve({ seeds, bug, scenario }: Job, tell: (report: RunReport) => void): Promise<void> {
  await withGround(scenario, async (ground) => {
    for (const seed of seeds) {
      const report = await simulate(ground, { seed, bug, scenario });
      tell({ ...report, trace: [] });
      if (report.violations.length > 0) return;
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("message", (job: Job) => {
    serve(job, (report) => process.send!(report)).then(() => process.disconnect(), ignoreTheDead);
  });
}
