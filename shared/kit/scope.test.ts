// Lifetimes: what was opened last is closed first, children before what they stand on, everything once, and nothing begins in what has ended.
import { expect, test } from "vitest";
import { Scope } from "./scope.ts";

function recording(): { order: string[]; closes: (name: string) => () => void } {
  const order: string[] = [];
  return { order, closes: (name) => () => void order.push(name) };
}

test("closers run newest first, and children end before what was opened before them", async () => {
  const { order, closes } = recording();
  const scope = new Scope("process");
  scope.onEnd(closes("store"));
  const link = scope.child("link");
  link.onEnd(closes("link socket"));
  link.child("stream").onEnd(closes("stream"));
  scope.onEnd(closes("server"));
  await scope.end();
  expect(order).toEqual(["server", "stream", "link socket", "store"]);
});

test("a closer is waited for before the next one runs", async () => {
  const { order, closes } = recording();
  const scope = new Scope("process");
  scope.onEnd(closes("second"));
  scope.onEnd(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("first");
  });
  await scope.end();
  expect(order).toEqual(["first", "second"]);
});

test("the signal tells everybody why before the first closer runs, and children get the same reason", async () => {
  const scope = new Scope("process");
  const child = scope.child("link");
  const reason = new Error("told to stop");
  const seen: unknown[] = [];
  scope.onEnd(() => void seen.push(scope.signal.aborted, scope.signal.reason));
  child.onEnd(() => void seen.push(child.signal.reason));
  await scope.end(reason);
  expect(seen).toEqual([true, reason, reason]);
});

test("ending twice is ending once, and an ended scope takes nothing new", async () => {
  const { order, closes } = recording();
  const scope = new Scope("link");
  scope.onEnd(closes("once"));
  const first = scope.end();
  expect(scope.hasEnded).toBe(true);
  expect(scope.end()).toBe(first);
  await first;
  expect(order).toEqual(["once"]);
  expect(() => scope.onEnd(closes("late"))).toThrow(expect.objectContaining({ code: "DRAINING" }));
  expect(() => scope.child("late")).toThrow(expect.objectContaining({ code: "DRAINING", message: "link has ended, nothing new can begin in it" }));
});

test("what ended by itself is withdrawn: a closer, and a whole child", async () => {
  const { order, closes } = recording();
  const scope = new Scope("process");
  const withdraw = scope.onEnd(closes("withdrawn"));
  withdraw();
  const child = scope.child("stream");
  child.onEnd(closes("child"));
  await child.end();
  expect(scope.hasEnded).toBe(false);
  await scope.end();
  expect(order).toEqual(["child"]);
});

test("a closer that fails stops none of the others, and its error comes out at the end", async () => {
  const { order, closes } = recording();
  const scope = new Scope("process");
  scope.onEnd(closes("oldest"));
  scope.onEnd(() => {
    throw new Error("second to fail");
  });
  scope.onEnd(() => Promise.reject(new Error("first to fail")));
  await expect(scope.end()).rejects.toThrow("first to fail");
  expect(order).toEqual(["oldest"]);
});
