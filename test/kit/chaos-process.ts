// The process of one line: started by chaos.ts with target and settings as JSON, takes orders over IPC, ends with its parent.
import { ChaosLine, type FreezeKind, type LineCounts, type LineSettings } from "./chaos-line.ts";

export interface LineOrder {
  readonly id: number;
  readonly what: "set" | "halt" | "heal" | "cut" | "counts";
  readonly settings?: Partial<LineSettings>;
  readonly kind?: FreezeKind;
}

export interface LineAnswer {
  /** The order's; 0 says that the line listens. */
  readonly id: number;
  readonly port?: number;
  readonly counts?: LineCounts;
}

const { target, settings } = JSON.parse(process.argv[2]!) as { target: { host: string; port: number }; settings: Partial<LineSettings> };
const line = new ChaosLine(target, settings);

function obey(order: LineOrder): void {
  if (order.what === "set") line.set(order.settings ?? {});
  else if (order.what === "halt") line.halt(order.kind ?? "swallow");
  else if (order.what === "heal") line.heal();
  else if (order.what === "cut") line.cut();
}

process.on("message", (order: LineOrder) => {
  obey(order);
  process.send!({ id: order.id, counts: line.counts() } satisfies LineAnswer);
});
process.on("disconnect", () => process.exit(0));
process.send!({ id: 0, port: await line.listen() } satisfies LineAnswer);
