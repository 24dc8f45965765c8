// Lanes of letters: who goes first when a site returns. Control overtakes everything; the others share by weight, and a letter that has waited
// long counts as one of the lane above, so that a busy lane starves nobody. Order inside a lane is never changed. Pure. delivery.md section 4.

export const LANES = ["control", "interactive", "deploy", "bulk"] as const;
export type LaneName = (typeof LANES)[number];

/** Shares after control, which always goes first. */
export const laneWeights: Readonly<Record<LaneName, number>> = { control: 8, interactive: 8, deploy: 4, bulk: 2 };
/** A letter that waited this long (ms) counts as one of the lane above; never as control, which is for what keeps the link itself right. */
export const laneAgeingMs = 5 * 60_000;

export function isLaneName(value: unknown): value is LaneName {
  return typeof value === "string" && (LANES as readonly string[]).includes(value);
}

export interface Waiting {
  readonly madeMs: number;
}

/** The order in which waiting letters leave: all of control, then rounds in which each lane has its weight. Each list comes oldest first and stays so. */
export function laneOrder<Item extends Waiting>(waiting: Readonly<Record<LaneName, readonly Item[]>>, nowMs: number): Item[] {
  const order = [...waiting.control];
  const shared: readonly LaneName[] = LANES.slice(1);
  const queues = shared.map((name) => ({ name, items: waiting[name], at: 0 }));
  const head = (index: number): Item | undefined => queues[index]?.items[queues[index].at];
  const total = order.length + queues.reduce((sum, queue) => sum + queue.items.length, 0);
  while (order.length < total) {
    for (const [index, { name }] of queues.entries()) {
      for (let share = laneWeights[name] / 2; share > 0; share -= 1) {
        const own = head(index);
        const below = head(index + 1);
        const isAged = below !== undefined && nowMs - below.madeMs >= laneAgeingMs;
        const from = isAged && (own === undefined || below.madeMs < own.madeMs) ? index + 1 : index;
        const item = head(from);
        if (item === undefined) break;
        queues[from]!.at += 1;
        order.push(item);
      }
    }
  }
  return order;
}
