// Keys of what a command touches and stands on: who waits for whom follows from them alone.
import { expect, test } from "vitest";
import type { CommandSpec, KubeObject } from "../api.ts";
import { shownKey, targetKeys } from "./ordering.ts";

const object = (kind: string, name: string, namespace?: string, apiVersion = "v1"): KubeObject => ({ apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } });
const apply = (...objects: KubeObject[]): CommandSpec => ({ kind: "apply", objects, forceConflicts: false });
const job = (name: string, namespace: string): CommandSpec => ({ kind: "job", name, namespace, image: "i", command: [], env: {}, timeoutMs: 1_000 });
/** True when the later of the two waits for the earlier. */
function waits(left: CommandSpec, right: CommandSpec, keys: readonly [string?, string?] = []): boolean {
  const [one, two] = [targetKeys(left, keys[0]), targetKeys(right, keys[1])];
  return one.some((a) => two.some((b) => a.key === b.key && (a.isOwn || b.isOwn)));
}

test("two that change the same object wait, whatever else they change and whatever version they name", () => {
  const both = apply(object("ConfigMap", "a", "shop"), object("Deployment", "web", "shop", "apps/v1"));
  expect(waits(both, apply(object("Deployment", "web", "shop", "apps/v1beta1")))).toBe(true);
  expect(waits(both, apply(object("Deployment", "web", "other", "apps/v1")))).toBe(false);
  expect(waits(apply(object("ConfigMap", "a", "shop")), apply(object("Secret", "a", "shop")))).toBe(false);
});

test("an object without a namespace is the one in default", () => {
  expect(waits(apply(object("ConfigMap", "a")), apply(object("ConfigMap", "a", "default")))).toBe(true);
});

test("what lives in a Namespace waits for it, and it for them, but they not for each other", () => {
  const namespace = apply(object("Namespace", "shop"));
  expect(waits(namespace, apply(object("ConfigMap", "a", "shop")))).toBe(true);
  expect(waits(apply(object("ConfigMap", "a", "shop")), namespace)).toBe(true);
  expect(waits(namespace, job("backup", "shop"))).toBe(true);
  expect(waits(apply(object("ConfigMap", "a", "shop")), apply(object("ConfigMap", "b", "shop")))).toBe(false);
});

test("objects of a group wait for its definition, and not for each other", () => {
  const definition = apply(object("CustomResourceDefinition", "presses.plant.example.com", undefined, "apiextensions.k8s.io/v1"));
  const one = apply(object("Press", "a", "hall", "plant.example.com/v1"));
  expect(waits(definition, one)).toBe(true);
  expect(waits(one, apply(object("Press", "b", "hall", "plant.example.com/v1")))).toBe(false);
  expect(waits(definition, apply(object("Press", "a", "hall", "other.example.com/v1")))).toBe(false);
});

test("jobs of one name wait for each other, others do not, nor do they hold back an apply", () => {
  expect([waits(job("a", "x"), job("a", "x")), waits(job("a", "x"), job("b", "x")), waits(job("a", "x"), apply(object("ConfigMap", "a", "x")))]).toEqual([true, false, false]);
});

test("small changes wait for what touches the same object, and not for each other beside it", () => {
  const web = { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" };
  const changes: CommandSpec[] = [{ kind: "scale", object: web, replicas: 1 }, { kind: "restart", object: web }, { kind: "undo", object: web, toRevision: 0 }, { kind: "delete", objects: [web] }];
  const other: CommandSpec = { kind: "delete", objects: [{ ...web, name: "other" }] };
  for (const left of changes) {
    for (const right of changes) expect(waits(left, right)).toBe(true);
    expect(waits(left, apply(object("Deployment", "web", "shop", "apps/v1")))).toBe(true);
    expect(waits(left, apply(object("Namespace", "shop")))).toBe(true);
    expect(waits(left, other)).toBe(false);
  }
  expect(waits({ kind: "delete", objects: [{ apiVersion: "v1", kind: "Namespace", name: "shop" }] }, changes[0]!)).toBe(true);
});

test("what is done to a node waits for what is done to the node, a script for a Job of its name, and a bundle for nothing", () => {
  const node = (name: string): CommandSpec[] => [{ kind: "cordon", node: name, isOn: true }, { kind: "drain", node: name, force: false, deleteEmptyDir: false, gracePeriodMs: null, timeoutMs: 1_000 }, { kind: "delete", objects: [{ apiVersion: "v1", kind: "Node", name }] }];
  for (const left of node("a")) for (const right of node("a")) expect(waits(left, right)).toBe(true);
  for (const left of node("a")) for (const right of node("b")) expect(waits(left, right)).toBe(false);
  const script: CommandSpec = { kind: "script", name: "a", namespace: "x", image: "i", env: {}, timeoutMs: 1_000, script: "s", shell: "sh", args: [] };
  expect([waits(script, job("a", "x")), waits(script, job("b", "x")), waits(apply(object("Namespace", "x")), script)]).toEqual([true, false, true]);
  expect(targetKeys({ kind: "collect", namespaces: ["x"], sinceMs: 1 })).toEqual([]);
});

test("an operator's own key is kept beside what is touched", () => {
  expect(waits(job("a", "x"), job("b", "x"), ["release", "release"])).toBe(true);
  expect(waits(job("a", "x"), job("a", "x"), ["one", "two"])).toBe(true);
});

test("each key comes once, and its own sake wins", () => {
  const keys = targetKeys(apply(object("ConfigMap", "a", "shop"), object("ConfigMap", "b", "shop"), object("Namespace", "shop")));
  expect(keys.filter(({ key }) => key === "/Namespace/shop")).toEqual([{ key: "/Namespace/shop", isOwn: true }]);
  expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
  expect(shownKey(keys)).toBe("shop/ConfigMap/a");
});
