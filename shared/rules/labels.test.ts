// Labels are what Kubernetes takes as labels, few enough to be carried in a join token, and refused with all four parts.
import { expect, test } from "vitest";
import { labelsCharsMax, labelsMax, parseLabels } from "./labels.ts";

const refused = expect.objectContaining({ code: "USAGE", why: expect.stringMatching(/./) as string, hint: expect.stringContaining("--label") as string }) as unknown;
const many = (count: number, chars: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_value, index) => [`label-${index}`, "v".repeat(chars)]));

test("labels as Kubernetes has them are taken", () => {
  const labels = { region: "north", "example.com/rack": "7", Kind: "", "a.b_c-d": "V1.2_3-x", ["n".repeat(63)]: "v".repeat(63) };
  expect(parseLabels(labels)).toEqual(labels);
  expect(parseLabels(many(labelsMax, 63))).toHaveProperty("label-0");
});

test.each([
  ["a list", ["a"]],
  ["a text", "region=north"],
  ["nothing", null],
  ["a value that is no text", { a: 1 }],
  ["a value with an end of line", { a: "x\nplant-07 online" }],
  ["a value that is too long", { a: "v".repeat(64) }],
  ["a name that is too long", { ["n".repeat(64)]: "v" }],
  ["a name with a space", { "a b": "v" }],
  ["an empty name", { "": "v" }],
  ["too many", many(labelsMax + 1, 1)],
  ["more characters than a token has room for", Object.fromEntries(Array.from({ length: labelsMax }, (_value, index) => [`${"p".repeat(200)}/label-${index}`, "v"]))],
])("%s is refused", (_what, labels) => {
  expect(() => parseLabels(labels)).toThrow(refused);
  expect(labelsCharsMax).toBeLessThan(16_384);
});
