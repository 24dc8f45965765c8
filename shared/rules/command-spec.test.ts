// What a command may ask for, as both ends judge it: every field that is wrong is named, and a class that does not fit its kind is no command.
import { describe, expect, test } from "vitest";
import { asFault, type FaultCode } from "../kit/errors.ts";
import { parseCommandBody, parseCommandSpec, requireKey, runMsOf } from "./command-spec.ts";

const job = { kind: "job", name: "backup", namespace: "shop", image: "busybox", command: ["sh"], env: { A: "1" }, timeoutMs: 60_000 };
const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } };
const apply = { kind: "apply", objects: [configMap], forceConflicts: false };
const web = { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" };
const scale = { kind: "scale", object: web, replicas: 0 };
const undo = { kind: "undo", object: web, toRevision: 3 };
const drain = { kind: "drain", node: "node-3.plant", force: true, deleteEmptyDir: false, gracePeriodMs: 30_000, timeoutMs: 60_000 };
const script = { kind: "script", name: "rotate", namespace: "shop", image: "busybox", env: {}, timeoutMs: 60_000, script: "echo ü\n", shell: "/bin/bash", args: ["a"] };
const collect = { kind: "collect", namespaces: ["shop"], sinceMs: 60_000 };
const body = { operator: "ann", tier: "admin", spec: job };

function faultOf(run: () => unknown): [FaultCode, string] | null {
  try {
    run();
    return null;
  } catch (error) {
    const fault = asFault(error);
    return [fault.code, fault.message];
  }
}

test("a spec comes back with the members that are known, and their defaults", () => {
  expect(parseCommandSpec({ ...job, extra: 1 })).toEqual(job);
  expect(parseCommandSpec({ kind: "job", name: "a", image: "b" })).toEqual({ kind: "job", name: "a", namespace: "default", image: "b", command: [], env: {}, timeoutMs: 3_600_000 });
  expect(parseCommandSpec({ kind: "apply", objects: [configMap] })).toEqual(apply);
  expect(parseCommandSpec({ kind: "delete", objects: [{ ...web, uid: "x" }] })).toEqual({ kind: "delete", objects: [web] });
  expect(parseCommandSpec({ ...scale, extra: 1 })).toEqual(scale);
  expect(parseCommandSpec({ kind: "restart", object: web, replicas: 3 })).toEqual({ kind: "restart", object: web });
  for (const spec of [undo, drain, script, collect, { kind: "cordon", node: "n", isOn: false }]) expect(parseCommandSpec({ ...spec, extra: 1 })).toEqual(spec);
  expect(parseCommandSpec({ kind: "undo", object: web })).toEqual({ ...undo, toRevision: 0 });
  expect(parseCommandSpec({ kind: "drain", node: "n" })).toEqual({ kind: "drain", node: "n", force: false, deleteEmptyDir: false, gracePeriodMs: null, timeoutMs: 3_600_000 });
  expect(parseCommandSpec({ kind: "script", name: "a", image: "b", script: "x" })).toEqual({ kind: "script", name: "a", namespace: "default", image: "b", env: {}, timeoutMs: 3_600_000, script: "x", shell: "/bin/sh", args: [] });
  expect(parseCommandSpec({ kind: "collect" })).toEqual({ kind: "collect", namespaces: [], sinceMs: 3_600_000 });
  expect(parseCommandSpec({ ...collect, namespaces: ["a", "b", "a"] })).toEqual({ ...collect, namespaces: ["a", "b"] });
});

describe("is refused, with the field that is wrong", () => {
  const refused: readonly (readonly [what: string, spec: unknown, code: FaultCode, field: RegExp])[] = [
    ["no object", null, "COMMAND_INVALID", /spec/],
    ["an unknown kind", { kind: "explode" }, "COMMAND_INVALID", /explode/],
    ["a kind of Object's own", { kind: "constructor" }, "COMMAND_INVALID", /constructor/],
    ["a name of another form", { ...job, name: "Backup" }, "COMMAND_INVALID", /spec\.name/],
    ["a name that leaves no room", { ...job, name: "a".repeat(51) }, "COMMAND_INVALID", /spec\.name/],
    ["a namespace with a path in it", { ...job, namespace: "../x" }, "COMMAND_INVALID", /spec\.namespace/],
    ["a command that is no list of texts", { ...job, command: ["a", 1] }, "COMMAND_INVALID", /spec\.command/],
    ["an environment that is no object of texts", { ...job, env: { A: 1 } }, "COMMAND_INVALID", /spec\.env/],
    ["a time that is too short", { ...job, timeoutMs: 999 }, "COMMAND_INVALID", /spec\.timeoutMs/],
    ["no image", { ...job, image: "" }, "COMMAND_INVALID", /spec\.image/],
    ["objects that are no list", { ...apply, objects: {} }, "COMMAND_INVALID", /spec\.objects/],
    ["nothing to apply", { ...apply, objects: [] }, "MANIFEST_EMPTY", /nothing/],
    ["an object without a name", { ...apply, objects: [configMap, { ...configMap, metadata: {} }] }, "COMMAND_INVALID", /objects\[1\]\.metadata\.name/],
    ["an object's namespace with a path in it", { ...apply, objects: [{ ...configMap, metadata: { name: "a", namespace: "a/../b" } }] }, "COMMAND_INVALID", /objects\[0\]\.metadata\.namespace/],
    ["a version that is none", { ...apply, objects: [{ ...configMap, apiVersion: "v1/../../x" }] }, "COMMAND_INVALID", /apiVersion/],
    ["nothing to delete", { kind: "delete", objects: [] }, "COMMAND_INVALID", /spec\.objects/],
    ["something to delete that has no name", { kind: "delete", objects: [web, { ...web, name: "" }] }, "COMMAND_INVALID", /objects\[1\]\.name/],
    ["less than no replicas", { ...scale, replicas: -1 }, "COMMAND_INVALID", /spec\.replicas/],
    ["a part of a replica", { ...scale, replicas: 1.5 }, "COMMAND_INVALID", /spec\.replicas/],
    ["a million replicas", { ...scale, replicas: 1_000_000 }, "COMMAND_INVALID", /spec\.replicas/],
    ["nothing to scale", { kind: "scale", replicas: 1 }, "COMMAND_INVALID", /spec\.object/],
    ["a restart of what has no pods of its own", { kind: "restart", object: { ...web, kind: "ConfigMap" } }, "COMMAND_INVALID", /spec\.object\.kind/],
    ["a restart beside the namespace", { kind: "restart", object: { ...web, namespace: "../x" } }, "COMMAND_INVALID", /spec\.object\.namespace/],
    ["an undo of what has no revisions", { ...undo, object: { ...web, kind: "ConfigMap" } }, "COMMAND_INVALID", /spec\.object\.kind/],
    ["an undo in a version that has no revisions", { ...undo, object: { ...web, apiVersion: "apps/v1beta1" } }, "COMMAND_INVALID", /spec\.object\.apiVersion/],
    ["a revision before the first", { ...undo, toRevision: -1 }, "COMMAND_INVALID", /spec\.toRevision/],
    ["a node with a path in its name", { ...drain, node: "a/../b" }, "COMMAND_INVALID", /spec\.node/],
    ["no node", { ...drain, node: undefined }, "COMMAND_INVALID", /spec\.node/],
    ["a cordon that is neither on nor off", { kind: "cordon", node: "n" }, "COMMAND_INVALID", /spec\.isOn/],
    ["an option that is a text", { ...drain, force: "yes" }, "COMMAND_INVALID", /spec\.force/],
    ["an option that is a number", { ...drain, deleteEmptyDir: 1 }, "COMMAND_INVALID", /spec\.deleteEmptyDir/],
    ["a grace period that is negative", { ...drain, gracePeriodMs: -1 }, "COMMAND_INVALID", /spec\.gracePeriodMs/],
    ["a drain without an end", { ...drain, timeoutMs: Number.POSITIVE_INFINITY }, "COMMAND_INVALID", /spec\.timeoutMs/],
    ["no script", { ...script, script: " \n" }, "COMMAND_INVALID", /spec\.script/],
    ["a script that is too long, in octets", { ...script, script: "ü".repeat(32_769) }, "COMMAND_INVALID", /spec\.script/],
    ["a script with a NUL", { ...script, script: "a\0b" }, "COMMAND_INVALID", /spec\.script/],
    ["an argument with a NUL", { ...script, args: ["\0"] }, "COMMAND_INVALID", /spec\.script/],
    ["arguments that are no list", { ...script, args: "a" }, "COMMAND_INVALID", /spec\.args/],
    ["no shell", { ...script, shell: "" }, "COMMAND_INVALID", /spec\.shell/],
    ["a script without an image", { ...script, image: undefined }, "COMMAND_INVALID", /spec\.image/],
    ["a bundle of a namespace with a path in it", { ...collect, namespaces: ["shop", "../x"] }, "COMMAND_INVALID", /spec\.namespaces\[1\]/],
    ["a bundle of too many namespaces", { ...collect, namespaces: Array.from({ length: 51 }, (_value, index) => `n-${index}`) }, "COMMAND_INVALID", /spec\.namespaces/],
    ["a bundle of no time", { ...collect, sinceMs: 0 }, "COMMAND_INVALID", /spec\.sinceMs/],
    ["more objects than fit", { ...apply, objects: Array.from({ length: 1_001 }, () => configMap) }, "COMMAND_INVALID", /spec\.objects/],
  ];
  test.each(refused)("%s", (_what, spec, code, field) => {
    const fault = faultOf(() => parseCommandSpec(spec));
    expect(fault?.[0]).toBe(code);
    expect(fault?.[1]).toMatch(field);
  });
});

describe("a body", () => {
  test("is read whole", () => {
    expect(parseCommandBody({ ...body, orderingKey: "k" }, "write")).toEqual({ ...body, orderingKey: "k" });
  });

  test.each(["read", "admin", ""])("whose envelope says the class %j is refused: the class decides who may sign", (cls) => {
    expect(faultOf(() => parseCommandBody(body, cls))?.[0]).toBe("POLICY_REFUSED");
  });

  test.each([["operator", { ...body, operator: "Ann; rm" }], ["operator", { ...body, operator: undefined }], ["tier", { ...body, tier: "" }], ["orderingKey", { ...body, orderingKey: "a\u0007b" }], ["body", "text"]])("with a wrong %s is refused", (field, value) => {
    expect(faultOf(() => parseCommandBody(value, "write"))).toEqual(["COMMAND_INVALID", `the command's "${field}" is not valid`]);
  });
});

test("whoever gave a command that is not valid hears what to try", () => {
  for (const spec of [null, { kind: "explode" }, { ...job, image: 7 }, { ...apply, objects: [] }, { ...apply, objects: [null] }]) expect(() => parseCommandSpec(spec)).toThrow(expect.objectContaining({ why: expect.stringMatching(/./) as string, hint: expect.stringMatching(/./) as string }));
});

test("the operator of a command has a name that could have been made", () => {
  const named = (operator: string): unknown => parseCommandBody({ ...body, operator }, "write").operator;
  expect([named("a".repeat(64)), named("ann@example.com")]).toEqual(["a".repeat(64), "ann@example.com"]);
  expect(() => named("a".repeat(65))).toThrow(expect.objectContaining({ code: "COMMAND_INVALID" }));
});

test("keys of operators are printable and bounded", () => {
  expect(requireKey("release 42 / north", "orderingKey")).toBe("release 42 / north");
  for (const key of ["", "a\n", "a\u0000", "a\u009b", "x".repeat(201), 7]) expect(faultOf(() => requireKey(key, "orderingKey"))?.[0]).toBe("COMMAND_INVALID");
});

test("a run may take what its kind says", () => {
  expect(runMsOf(parseCommandSpec(job))).toBe(360_000);
  expect(runMsOf(parseCommandSpec(apply))).toBe(3_600_000);
  expect([script, drain, collect, undo].map((spec) => runMsOf(parseCommandSpec(spec)))).toEqual([360_000, 360_000, 900_000, 3_600_000]);
});
