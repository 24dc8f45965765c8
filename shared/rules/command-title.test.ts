// A command in one line, for every kind: what is shown in lists must tell orders apart.
import { expect, test } from "vitest";
import { parseCommandSpec } from "./command-spec.ts";
import { commandTitle } from "./command-title.ts";

const web = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
const object = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

test.each([
  [{ kind: "apply", objects: [object("a"), object("b")] }, "apply ConfigMap/a and 1 more"],
  [{ kind: "delete", objects: [web] }, "delete Deployment/web"],
  [{ kind: "scale", object: web, replicas: 3 }, "scale Deployment/web to 3"],
  [{ kind: "restart", object: web }, "restart Deployment/web"],
  [{ kind: "undo", object: web }, "undo Deployment/web"],
  [{ kind: "undo", object: web, toRevision: 4 }, "undo Deployment/web to revision 4"],
  [{ kind: "cordon", node: "n", isOn: true }, "cordon n"],
  [{ kind: "cordon", node: "n", isOn: false }, "uncordon n"],
  [{ kind: "drain", node: "n" }, "drain n"],
  [{ kind: "job", name: "a", namespace: "x", image: "i" }, "job x/a"],
  [{ kind: "script", name: "a", namespace: "x", image: "i", script: "s" }, "script x/a"],
  [{ kind: "collect" }, "collect all namespaces"],
  [{ kind: "collect", namespaces: ["x", "y", "z"] }, "collect x and 2 more"],
])("%j", (spec, title) => {
  expect(commandTitle(parseCommandSpec(spec))).toBe(title);
});

test("a title has a bound", () => {
  expect(commandTitle(parseCommandSpec({ kind: "delete", objects: [{ ...web, name: "n".repeat(253) }] }))).toHaveLength(200);
});
