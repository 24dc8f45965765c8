// What is not well about the agent itself, as its report says it: each with an id that stays and a sentence for people. Pure.

export interface OwnHealth {
  readonly binding: "exporter" | "none";
  /** Places of the witness that cannot be written. */
  readonly witnesses: readonly HealthItem[];
  /** What was wrong with the witness beside the database at the start, or "". */
  readonly witnessTrouble: string;
  readonly knowsTime: boolean;
}

export interface HealthItem {
  readonly id: string;
  readonly what: string;
}

export function ownHealth({ binding, witnesses, witnessTrouble, knowsTime }: OwnHealth): HealthItem[] {
  const items = [...witnesses];
  if (binding === "none") items.push({ id: "binding-none", what: "the link is not bound to TLS" });
  if (witnessTrouble !== "") items.push({ id: "witness-lost", what: witnessTrouble });
  if (!knowsTime) items.push({ id: "clock-unknown", what: "the time is not known since the restart; commands wait for a link" });
  return items;
}
