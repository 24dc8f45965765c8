// Lanes: control first, shares by weight, and that nobody waits for ever behind a busy lane.
import { expect, test } from "vitest";
import { laneAgeingMs, laneOrder, LANES, type LaneName } from "./lanes.ts";

interface Item {
  readonly name: string;
  readonly madeMs: number;
}

const nowMs = 10 * laneAgeingMs;

function waiting(counts: Partial<Record<LaneName, number>>, ages: Partial<Record<LaneName, number>> = {}): Record<LaneName, Item[]> {
  return Object.fromEntries(LANES.map((lane) => [lane, Array.from({ length: counts[lane] ?? 0 }, (_value, index) => ({ name: `${lane}-${index}`, madeMs: nowMs - (ages[lane] ?? 0) + index }))])) as Record<LaneName, Item[]>;
}

const laneOf = ({ name }: Item): string => name.slice(0, name.indexOf("-"));

test("all of control leaves before anything else", () => {
  expect(laneOrder(waiting({ control: 3, interactive: 2, bulk: 1 }), nowMs).slice(0, 3).map(laneOf)).toEqual(["control", "control", "control"]);
});

test("the others share by their weights, 8 to 4 to 2", () => {
  const first = laneOrder(waiting({ interactive: 50, deploy: 50, bulk: 50 }), nowMs).slice(0, 14).map(laneOf);
  expect(LANES.map((lane) => first.filter((name) => name === lane).length)).toEqual([0, 8, 4, 2]);
});

test("a lane that is alone has everything", () => {
  expect(laneOrder(waiting({ bulk: 5 }), nowMs).map(({ name }) => name)).toEqual(["bulk-0", "bulk-1", "bulk-2", "bulk-3", "bulk-4"]);
});

test("order inside a lane is never changed, whatever its age, and nothing is left out or named twice", () => {
  for (const age of [0, laneAgeingMs - 1, laneAgeingMs, 4 * laneAgeingMs]) {
    const items = waiting({ control: 2, interactive: 17, deploy: 23, bulk: 31 }, { deploy: age, bulk: 2 * age });
    const order = laneOrder(items, nowMs);
    for (const lane of LANES) expect(order.filter((item) => laneOf(item) === lane)).toEqual(items[lane]);
    expect(order).toHaveLength(73);
  }
});

test("what waited five minutes counts as one of the lane above, and not a moment earlier", () => {
  const share = (ageMs: number): number => laneOrder(waiting({ deploy: 50, bulk: 50 }, { bulk: ageMs }), nowMs).slice(0, 6).filter((item) => laneOf(item) === "bulk").length;
  expect(share(laneAgeingMs - 1)).toBe(2);
  expect(share(laneAgeingMs + 100)).toBe(6);
});

test("nothing ages into control", () => {
  const order = laneOrder(waiting({ control: 3, interactive: 3 }, { interactive: 9 * laneAgeingMs }), nowMs);
  expect(order.slice(0, 3).map(laneOf)).toEqual(["control", "control", "control"]);
});
