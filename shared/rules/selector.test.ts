// Selectors mean what Kubernetes means by them: its documented examples, every operator against a judge of its own over generated labels, and refusals that say where.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesSelector, parseSelector, selectorCharsMax, type Requirement } from "./selector.ts";

const matches = (selector: string, labels: Record<string, string>): boolean => matchesSelector(parseSelector(selector), labels);

describe("a selector", () => {
  test.each([
    ["environment=production", { environment: "production" }, true],
    ["environment == production", { environment: "qa" }, false],
    ["environment=production", {}, false],
    ["tier != frontend", { tier: "backend" }, true],
    ["tier!=frontend", {}, true],
    ["environment in (production, qa)", { environment: "qa" }, true],
    ["environment in (production,qa)", {}, false],
    ["tier notin (frontend,backend)", { tier: "frontend" }, false],
    ["tier notin(frontend)", {}, true],
    ["partition", { partition: "" }, true],
    ["!partition", { partition: "" }, false],
    ["! partition", {}, true],
    ["partition,environment notin (qa),!old", { partition: "1", environment: "production" }, true],
    ["partition,environment notin (qa),!old", { partition: "1", environment: "production", old: "yes" }, false],
    ["x=", { x: "" }, true],
    ["x in ()", { x: "" }, true],
    ["example.com/rack=7", { "example.com/rack": "7" }, true],
    ["in in (in)", { in: "in" }, true],
    ["a=b,a=c", { a: "b" }, false],
    ["constructor", {}, false],
  ] as const)("%s on %j is %s", (selector, labels, expected) => {
    expect(matches(selector, labels)).toBe(expected);
  });

  test.each([
    ["", /nothing is not everything/],
    [" ", /nothing is not everything/],
    ["a=b,", /missing/],
    [",a", /missing/],
    ["a b", /"a b" is neither/],
    ["a in b", /neither/],
    ["a in (b", /neither/],
    ["a in (b))", /neither/],
    ["a in ((b))", /neither/],
    ["a=b=c", /cannot be "b=c"/],
    ["a=(b)", /cannot be "\(b\)"/],
    ["!a=b", /neither/],
    ["!", /neither/],
    ["a in (b;c)", /cannot be "b;c"/],
    ["a>1", /neither/],
    ["a".repeat(selectorCharsMax + 1), /characters/],
    [Array.from({ length: 65 }, () => "a").join(","), /65 conditions/],
  ])("%j is refused, and says where", (selector, why) => {
    expect(() => parseSelector(selector)).toThrow(expect.objectContaining({ code: "USAGE", why: expect.stringMatching(why) as string, hint: expect.stringContaining("rack in (1,2)") as string }) as Error);
  });
});

const names = fc.constantFrom("a", "b", "example.com/c", "in", "notin");
const values = fc.constantFrom("", "x", "y", "in", "Z.1_2-3");
const condition = fc.record({ name: names, test: fc.constantFrom<Requirement["test"]>("in", "notin", "exists", "absent"), values: fc.array(values, { minLength: 1, maxLength: 3 }), sign: fc.constantFrom("=", "=="), gap: fc.constantFrom("", " ") });

/** One of the ways in which people write it. */
function written({ name, test, values: some, sign, gap }: { name: string; test: Requirement["test"]; values: string[]; sign: string; gap: string }): string {
  if (test === "exists") return `${gap}${name}${gap}`;
  if (test === "absent") return `!${gap}${name}`;
  if (some.length === 1 && sign === "==") return `${name}${gap}${test === "in" ? sign : "!="}${gap}${some[0]}`;
  return `${name} ${test}${gap}(${some.join(`,${gap}`)})`;
}

test("however it is written, every condition of it must hold, and nothing else", () => {
  fc.assert(
    fc.property(fc.array(condition, { minLength: 1, maxLength: 5 }), fc.dictionary(names, values, { maxKeys: 5 }), (conditions, labels) => {
      const holds = conditions.every(({ name, test, values: some }) => {
        const has = Object.keys(labels).includes(name);
        if (test === "exists" || test === "absent") return has === (test === "exists");
        return (has && some.some((value) => value === labels[name])) === (test === "in");
      });
      expect(matches(conditions.map(written).join(","), labels)).toBe(holds);
    }),
  );
});

test("any text is taken or refused with USAGE, and what is taken judges any labels", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-c=!,() innot]{0,30}$/)), (text) => {
      try {
        matchesSelector(parseSelector(text), { a: "b" });
      } catch (error) {
        expect(error).toMatchObject({ code: "USAGE" });
      }
    }),
  );
});
