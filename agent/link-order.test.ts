// Order inside a key on one link: who waits for whose verdict, and who shares a refusal.
import { expect, test } from "vitest";
import type { SettleStatus } from "../shared/outbox/courier.ts";
import { LinkOrder } from "./link-order.ts";

/** A verdict that is given when the test says so. */
function pending(): { judge: () => Promise<SettleStatus>; give: (status: SettleStatus) => void; calls: () => number } {
  let give: (status: SettleStatus) => void = () => {};
  let calls = 0;
  const verdict = new Promise<SettleStatus>((resolve) => (give = resolve));
  return { judge: () => ((calls += 1), verdict), give, calls: () => calls };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const now = (status: SettleStatus) => async () => status;

test("a command that came with its predecessor is not stored before it: it waits for that verdict and shares a refusal for room", async () => {
  const order = new LinkOrder();
  const [a, b] = [pending(), pending()];
  const verdicts = Promise.all([order.judge({ id: "a" }, a.judge), order.judge({ id: "b", after: "a" }, b.judge)]);
  await turn();
  expect(b.calls()).toBe(0);
  a.give("storage");
  expect(await verdicts).toEqual(["storage", "storage"]);
  expect(b.calls()).toBe(0);
});

test("a predecessor that is accepted later holds nobody back any more", async () => {
  const order = new LinkOrder();
  expect(await order.judge({ id: "a" }, now("trust"))).toBe("trust");
  expect(await order.judge({ id: "b", after: "a" }, now("committed"))).toBe("trust");
  expect(await order.judge({ id: "a" }, now("committed"))).toBe("committed");
  expect(await order.judge({ id: "b", after: "a" }, now("committed"))).toBe("committed");
});

test.each(["unsupported", "policy", "malformed"] as const)("a predecessor that is refused for good (%s) takes nobody with it", async (status) => {
  const order = new LinkOrder();
  const [a, b] = [pending(), pending()];
  const verdicts = Promise.all([order.judge({ id: "a" }, a.judge), order.judge({ id: "b", after: "a" }, b.judge)]);
  a.give(status);
  b.give("committed");
  expect(await verdicts).toEqual([status, "committed"]);
});

test("a refusal goes down the whole chain, and a command that names itself waits for nobody", async () => {
  const order = new LinkOrder();
  const a = pending();
  const verdicts = Promise.all([order.judge({ id: "a" }, a.judge), order.judge({ id: "b", after: "a" }, now("committed")), order.judge({ id: "c", after: "b" }, now("committed"))]);
  a.give("storage");
  expect(await verdicts).toEqual(["storage", "storage", "storage"]);
  expect(await order.judge({ id: "x", after: "x" }, now("committed"))).toBe("committed");
});

test("what is held back is bounded: beyond it everything new is refused for the moment", async () => {
  const order = new LinkOrder();
  for (let index = 0; index < 5_000; index += 1) await order.judge({ id: `a-${index}` }, now("storage"));
  expect(await order.judge({ id: "new" }, now("committed"))).toBe("storage");
  expect(await order.judge({ id: "a-7" }, now("committed"))).toBe("committed");
  expect(await order.judge({ id: "new" }, now("committed"))).toBe("committed");
});
