// `npm run test:soak`: orders of every kind for three sites, while relay and agents are killed (-9) and lines are cut, for MINUTES (3 by default); then all is well, everything
// has to end, and a table says what became of it. BOWLINE_E2E_KUBECONFIG names a real cluster (else each site has one in memory); SEED=N draws the same schedule again.
// Ends with 1 when something was lost, was done twice, or a process ended by itself.
import { seededRandom } from "../../shared/kit/random.ts";
import { SoakGround } from "./soak-ground.ts";
import { SoakOrders } from "./soak-orders.ts";

const orderEveryMs = 400;
const minutes = Number(process.env["MINUTES"] ?? "3");
const seed = Number(process.env["SEED"] ?? Math.floor(Date.now() / 1_000));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function table(orders: SoakOrders): string {
  const kinds = [...new Set(orders.all.map(({ kind }) => kind))].sort();
  const states = [...new Set(orders.all.map(({ state }) => state))].sort();
  const rows = kinds.map((kind) => [kind, ...states.map((state) => String(orders.all.filter((order) => order.kind === kind && order.state === state).length))]);
  const cells = [["kind", ...states], ...rows];
  const widths = cells[0]!.map((_cell, index) => Math.max(...cells.map((row) => row[index]!.length)));
  return cells.map((row) => row.map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join("  ")).join("\n");
}

async function soak(): Promise<boolean> {
  const ground = new SoakGround(seededRandom(seed));
  const orders = new SoakOrders(ground, seededRandom(seed + 1));
  try {
    await ground.start();
    await orders.prepare();
    say(`soak: ${minutes} minutes with seed ${seed}`);
    ground.storm();
    await orders.give(orderEveryMs, performance.now() + minutes * 60_000);
    await ground.calm();
    await orders.settle();
    const { lost, twice, jobs } = await orders.judge();
    const troubles = [...ground.troubles].sort().map(([what, count]) => `${what} ${count}`).join(", ");
    say(`${table(orders)}\n${orders.all.length} orders, ${jobs} Jobs in the clusters; ${troubles === "" ? "no trouble" : troubles}`);
    say(`duplicates ${twice.length}, lost ${lost.length}, ended by themselves ${ground.ended.length}`);
    for (const line of [...twice, ...lost, ...ground.ended]) say(line);
    return twice.length + lost.length + ground.ended.length === 0;
  } finally {
    await ground.stop();
  }
}

process.exitCode = (await soak()) ? 0 : 1;
