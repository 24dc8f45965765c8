// Makes a failing run short: fewer orders and fewer faults under the same seed, as long as it still fails. What is left is for a person to read.
import type { RunReport } from "./run.ts";

type Less = { readonly seed: number; readonly orders: number; readonly faults: number };

export async function shrink(simulate: (less: Less) => Promise<RunReport>, failed: Pick<RunReport, "seed" | "orders" | "faults">): Promise<RunReport> {
  const { seed } = failed;
  let best = await simulate({ seed, orders: failed.orders, faults: failed.faults });
  for (const part of ["faults", "orders"] as const) {
    for (let step = Math.ceil(best[part] / 2); step >= 1 && best.violations.length > 0; step = step === 1 ? 0 : Math.ceil(step / 2)) {
      while (best[part] >= step) {
        const less = { seed, orders: best.orders, faults: best.faults, [part]: best[part] - step };
        const report = await simulate(less);
        if (report.violations.length === 0) break;
        best = report;
      }
    }
  }
  return best;
}
