// Whatever a peer sends can be named in a refusal, in few characters and without running anything of it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { printable, shown } from "./shown.ts";

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

test("text of others is one line without anything that a terminal acts on", () => {
  expect(printable("failed\nplant-07   succeeded\r\n\tok")).toBe("failed plant-07   succeeded ok");
  expect(printable("a\u001b[2Jb\u009b31mc\u0007d\u0000e\u007ff")).toBe("a[2Jb31mcdef");
  expect(printable("user\u202egnp.exe\u2069 \u2028 x")).toBe("usergnp.exe   x");
  expect(printable("plänt-07 日本 🚢 é")).toBe("plänt-07 日本 🚢 é");
});
