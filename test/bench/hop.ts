// hop: small requests per second and their latency at 1, 16 and 128 side by side, through the product and through two plain Node hops, taking turns in one run.
// Identity is on: every request carries a token and is impersonated.
import { cpuSeconds, Ground, median, type Subject } from "./ground.ts";
import { Report } from "./report.ts";

interface Round {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
  readonly errors: number;
}

async function round(ground: Ground, subject: Subject, workers: number, seconds: number): Promise<Round> {
  const before = cpuSeconds(subject.pids);
  const result = await ground.load(subject, "/small", ["-c", String(workers), "-d", String(seconds)]).done;
  return { rps: result.rps, p50: result.p50, p99: result.p99, errors: result.errors, cpuUs: ((cpuSeconds(subject.pids) - before) * 1e6) / Math.max(1, result.requests) };
}

export async function hop(options: { readonly isQuick: boolean; readonly profile: boolean }): Promise<void> {
  const report = new Report("hop");
  const ground = new Ground();
  const rounds = options.isQuick ? 2 : 3;
  const seconds = options.isQuick ? 1.5 : 3;
  try {
    await ground.start({ profile: options.profile });
    const product = ground.product();
    const control = await ground.control();
    for (const subject of [product, control]) await round(ground, subject, 16, 2); // warm
    const rows: (string | number)[][] = [];
    const ratios = new Map<number, { rps: number; p50: number; cpu: number }>();
    for (const workers of [1, 16, 128]) {
      const seen: Record<"product" | "control", Round[]> = { product: [], control: [] };
      for (let index = 0; index < rounds; index += 1) {
        seen.control.push(await round(ground, control, workers, seconds));
        seen.product.push(await round(ground, product, workers, seconds));
      }
      const of = (name: "product" | "control", key: keyof Round): number => median(seen[name].map((one) => one[key]));
      for (const name of ["control", "product"] as const) {
        const rates = seen[name].map((one) => one.rps);
        rows.push([`${name} ${workers}`, of(name, "rps"), Math.min(...rates), Math.max(...rates), of(name, "p50"), of(name, "p99"), of(name, "cpuUs"), seen[name].reduce((sum, one) => sum + one.errors, 0)]);
      }
      ratios.set(workers, { rps: of("product", "rps") / of("control", "rps"), p50: of("product", "p50") / of("control", "p50"), cpu: of("product", "cpuUs") / of("control", "cpuUs") });
    }
    report.table(["", "rps", "min", "max", "p50 ms", "p99 ms", "cpu us", "errors"], rows);
    report.table(["ratio at", "rps x", "p50 x", "cpu x"], [...ratios].map(([workers, ratio]) => [String(workers), ratio.rps, ratio.p50, ratio.cpu]));
    report.goal({ name: "hop.rps16", sign: ">=", bound: 3.3, value: ratios.get(16)!.rps, step: true });
    report.goal({ name: "hop.rps16", sign: ">=", bound: 5.3, value: ratios.get(16)!.rps });
    report.goal({ name: "hop.rps128", sign: ">=", bound: 4.6, value: ratios.get(128)!.rps });
    report.goal({ name: "hop.p50", sign: "<=", bound: 0.4, value: ratios.get(1)!.p50 });
    report.goal({ name: "hop.cpu16", sign: "<=", bound: 0.15, value: ratios.get(16)!.cpu });
    report.write();
  } finally {
    await ground.stop();
  }
}
