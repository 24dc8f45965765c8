// Whatever a peer sends can be named in a refusal, in few characters and without running anything of it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { shown } from "./shown.ts";

test.each([
  ["text", "text"],
  [7, "7"],
  [null, "null"],
  [undefined, "undefined"],
  [[1, "a"], '[1,"a"]'],
  [{ toString: null }, '{"toString":null}'],
  [{ toString: 7, valueOf: {} }, '{"toString":7,"valueOf":{}}'],
  [Symbol("s"), "symbol"],
  [() => 1, "function"],
  [new Error("words"), "words"],
])("%j", (value, text) => {
  expect(shown(value)).toBe(text);
});

test("any JSON is shown in at most so many characters", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 4, max: 100 }), (value, charsMax) => {
      expect(shown(value, charsMax).length).toBeLessThanOrEqual(charsMax);
    }),
  );
});
