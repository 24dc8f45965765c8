// The three patches of the API on one object: JSON, merge and strategic merge, each with what the others would do differently.
import { expect, test } from "vitest";
import { jsonPatched, mergePatched, strategicPatched } from "./patch.ts";
import { rootType } from "./schema.ts";

const deployment = rootType("Deployment");
const withContainers = (containers: unknown[]): unknown => ({ spec: { template: { spec: { containers } } } });

test("a merge patch removes what is null and merges the rest", () => {
  expect(mergePatched({ a: 1, b: { c: 1, d: 2 } }, { a: null, b: { c: 3 } })).toEqual({ b: { c: 3, d: 2 } });
});

test("a JSON patch adds, removes, replaces, moves, copies and tests", () => {
  const before = { list: [1, 2], a: { b: "x" } };
  expect(
    jsonPatched(before, [
      { op: "test", path: "/a/b", value: "x" },
      { op: "add", path: "/list/-", value: 3 },
      { op: "remove", path: "/list/0" },
      { op: "replace", path: "/a/b", value: "y" },
      { op: "copy", from: "/a/b", path: "/c~1d" },
      { op: "move", from: "/a", path: "/e" },
    ]),
  ).toEqual({ list: [2, 3], "c/d": "y", e: { b: "y" } });
  expect(before).toEqual({ list: [1, 2], a: { b: "x" } });
});

test("a JSON patch of a place that is not there is refused with 422", () => {
  expect(() => jsonPatched({}, [{ op: "remove", path: "/nope" }])).toThrow(expect.objectContaining({ code: 422 }));
});

test("a strategic patch merges containers by name and keeps the others", () => {
  const before = withContainers([{ name: "a", image: "1", args: ["x"] }, { name: "b", image: "1" }]);
  const patch = withContainers([{ name: "b", image: "2" }, { name: "c", image: "3" }]);
  expect(strategicPatched(before, patch, deployment)).toEqual(withContainers([{ name: "a", image: "1", args: ["x"] }, { name: "b", image: "2" }, { name: "c", image: "3" }]));
});

test("a strategic patch deletes, replaces and orders by its directives", () => {
  const before = withContainers([{ name: "a" }, { name: "b" }]);
  expect(strategicPatched(before, withContainers([{ name: "a", $patch: "delete" }]), deployment)).toEqual(withContainers([{ name: "b" }]));
  expect(strategicPatched(before, withContainers([{ $patch: "replace" }, { name: "z" }]), deployment)).toEqual(withContainers([{ name: "z" }]));
  const ordered = { spec: { template: { spec: { $setElementOrder: 0, "$setElementOrder/containers": [{ name: "b" }, { name: "a" }], containers: [{ name: "a", image: "2" }] } } } };
  expect(JSON.stringify(strategicPatched(before, ordered, deployment))).toContain('[{"name":"b"},{"name":"a","image":"2"}]');
});

test("args are one value: a strategic patch replaces them whole", () => {
  const before = withContainers([{ name: "a", args: ["x", "y"] }]);
  expect(strategicPatched(before, withContainers([{ name: "a", args: ["z"] }]), deployment)).toEqual(withContainers([{ name: "a", args: ["z"] }]));
});
