// Server-side apply: who owns which field, what conflicts, what goes when nobody claims it any more; property tests over random owners.
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyTo, recordUpdate, type Writer } from "./apply.ts";
import { fieldsFromPaths, pathsFromFields, pathsOf } from "./field-paths.ts";
import { rootType } from "./schema.ts";
import type { KubeObject, ManagedEntry, Tree } from "./tree.ts";

const type = rootType("Deployment");
const writer = (name: string, operation: Writer["operation"] = "Apply"): Writer => ({ name, operation, apiVersion: "apps/v1", subresource: "", time: "2026-01-01T00:00:00Z" });
const empty: Tree = { apiVersion: "apps/v1", kind: "Deployment", metadata: {} };
const config = (spec: Tree): Tree => ({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec });
const containers = (...items: Tree[]): Tree => ({ template: { spec: { containers: items } } });
const specOf = (object: Tree): unknown => object["spec"];
const ownersOf = (object: Tree): Record<string, Tree> => Object.fromEntries(((object["metadata"] as Tree)["managedFields"] as ManagedEntry[]).map((entry) => [entry.manager, entry.fieldsV1]));

test("a first apply owns every field it names, list items by their keys", () => {
  const object = applyTo(empty, config({ replicas: 1, ...containers({ name: "web", image: "a" }) }), writer("one"), type, false);
  expect(ownersOf(object)["one"]).toEqual({
    "f:spec": { "f:replicas": {}, "f:template": { "f:spec": { "f:containers": { 'k:{"name":"web"}': { ".": {}, "f:name": {}, "f:image": {} } } } } },
  });
});

test("two writers of different fields do not meet", () => {
  const first = applyTo(empty, config(containers({ name: "web", image: "a" })), writer("one"), type, false);
  const second = applyTo(first, config(containers({ name: "web", workingDir: "/" }, { name: "side", image: "b" })), writer("two"), type, false);
  expect(specOf(second)).toEqual(containers({ name: "web", image: "a", workingDir: "/" }, { name: "side", image: "b" }));
});

test("a value that another owns is refused by name and path; forcing takes it over", () => {
  const first = applyTo(empty, config({ replicas: 1 }), writer("one"), type, false);
  expect(() => applyTo(first, config({ replicas: 2 }), writer("two"), type, false)).toThrow(
    expect.objectContaining({ code: 409, message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas' }),
  );
  const forced = applyTo(first, config({ replicas: 2 }), writer("two"), type, true);
  expect(specOf(forced)).toEqual({ replicas: 2 });
  expect(Object.keys(ownersOf(forced))).toEqual(["two"]);
});

test("two conflicts with an ordinary writer are listed together", () => {
  const object = { ...config({ replicas: 1, paused: false }) } as KubeObject;
  const written = recordUpdate(null, object, writer("kubectl", "Update"), type);
  expect(() => applyTo(written, config({ replicas: 2, paused: true }), writer("two"), type, false)).toThrow('Apply failed with 2 conflicts: conflicts with "kubectl" using apps/v1:\n- .spec.paused\n- .spec.replicas');
});

test("the same value may have two owners, and stays until both drop it", () => {
  const first = applyTo(empty, config({ replicas: 1, paused: true }), writer("one"), type, false);
  const shared = applyTo(first, config({ replicas: 1 }), writer("two"), type, false);
  const dropped = applyTo(shared, config({ paused: true }), writer("one"), type, false);
  expect(specOf(dropped)).toEqual({ replicas: 1, paused: true });
  const gone = applyTo(dropped, config({ minReadySeconds: 1 }), writer("two"), type, false);
  expect(specOf(gone)).toEqual({ paused: true, minReadySeconds: 1 });
});

test("a list item that its writer no longer names goes, with all its fields", () => {
  const first = applyTo(empty, config(containers({ name: "web", image: "a" }, { name: "side", image: "b" })), writer("one"), type, false);
  const second = applyTo(first, config(containers({ name: "web", image: "a" })), writer("one"), type, false);
  expect(specOf(second)).toEqual(containers({ name: "web", image: "a" }));
});

test("an ordinary write takes the fields it changes away from their owner", () => {
  const first = applyTo(empty, config({ replicas: 1, paused: true }), writer("one"), type, false) as KubeObject;
  const changed = { ...first, spec: { replicas: 5, paused: true } } as KubeObject;
  const owners = ownersOf(recordUpdate(first, changed, writer("hand", "Update"), type));
  expect(owners).toEqual({ one: { "f:spec": { "f:paused": {} } }, hand: { "f:spec": { "f:replicas": {} } } });
});

test("ports without a protocol are the same item as the TCP port", () => {
  const withPort = (port: Tree): Tree => containers({ name: "web", ports: [port] });
  const first = applyTo(empty, config(withPort({ containerPort: 80, protocol: "TCP" })), writer("one"), type, false);
  const second = applyTo(first, config(withPort({ containerPort: 80, name: "http" })), writer("two"), type, false);
  expect(specOf(second)).toEqual(withPort({ containerPort: 80, protocol: "TCP", name: "http" }));
});

test("paths survive being written as FieldsV1 and read back", () => {
  const json = fc.letrec((tie) => ({
    node: fc.oneof({ depthSize: "small" }, fc.integer(), fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie("node"), { maxKeys: 4 })),
  })).node;
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), json), fc.array(fc.record({ name: fc.stringMatching(/^[a-z]{1,3}$/), image: fc.string() }), { maxLength: 4 }), (annotations, items) => {
      const paths = pathsOf({ metadata: { annotations }, spec: containers(...items) }, type);
      expect([...pathsFromFields(fieldsFromPaths(paths))].sort()).toEqual([...paths].sort());
    }),
  );
});
