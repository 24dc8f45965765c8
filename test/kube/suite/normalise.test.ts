// The comparison is only worth what it leaves standing: each rule forgets what must differ, and a real difference stays one.
import { expect, test } from "vitest";
import { normalise, stderrClass, type Places } from "./normalise.ts";

const direct: Places = { server: "https://10.99.0.1:6443", namespace: "bl-1-001", dir: "/tmp/a", home: "/tmp/h1" };
const relayed: Places = { server: "https://127.0.0.1:8443/k8s/rig", namespace: "bl-1-002", dir: "/tmp/b", home: "/tmp/h2" };

test.each([
  ["tables of other ages and widths", "NAME   AGE\nweb    3s\n", "NAME   AGE\nweb    1m2s\n"],
  ["objects of other ids and times", '"uid": "0b4ae5c2-93c5-4b1c-9d0e-111111111111", "resourceVersion": "17", "at": "2026-01-01T00:00:00Z"', '"uid": "1b4ae5c2-93c5-4b1c-9d0e-222222222222", "resourceVersion": "1812", "at": "2026-02-02T10:11:12.123456Z"'],
  ["names that the cluster made up", "web-6d9f7c5b8d-x2x9z Running", "web-7c5b8d6d9f-lbw4h Running"],
  ["tokens", "eyJhbGciOi.eyJhdWQi.c2ln", "eyJhbGciOi.eyJhdWQx.c2lo"],
  ["temporary files of a diff", "+++ /tmp/MERGED-123/v1.ConfigMap\t2026-01-01 10:00:00.123456789 +0000", "+++ /tmp/MERGED-9/v1.ConfigMap\t2026-01-02 10:00:01.5 +0000"],
  ["helm's dates", "LAST DEPLOYED: Tue Nov 24 16:28:50 2026", "LAST DEPLOYED: Tue Nov 24 16:29:01 2026"],
  ["who manages which field, in YAML", "metadata:\n  managedFields:\n  - manager: a\n    fieldsV1:\n      f:data: {}\n  - manager: b\n  name: made\n", "metadata:\n  managedFields:\n  - manager: b\n  - manager: a\n    fieldsV1:\n      f:data: {}\n  name: made\n"],
  ["who manages which field, in JSON", '{\n  "managedFields": [\n    {\n      "manager": "a"\n    }\n  ],\n  "name": "made"\n}', '{\n  "managedFields": [\n    {\n      "manager": "b"\n    }\n  ],\n  "name": "made"\n}'],
])("%s become equal", (_what, left, right) => {
  expect(normalise(left, direct)).toBe(normalise(right, direct));
});

test("the two routes' places become the same words, prefix included", () => {
  const say = (places: Places): string => normalise(`Kubernetes is at ${places.server}/api in ${places.namespace}, see ${places.dir}/x and ${places.home}`, places);
  expect(say(direct)).toBe(say(relayed));
  expect(say(direct)).toBe("Kubernetes is at SERVER/api in NS, see DIR/x and HOME");
});

test("what stands around the managed fields stays", () => {
  expect(normalise("metadata:\n  managedFields:\n  - manager: a\n    time: x\n  name: made\ndata: {}\n", direct)).toBe("metadata:\n  name: made\ndata: {}");
});

test.each([
  ["a lost line", "a\nb\nc", "a\nc"],
  ["another order", "a\nb", "b\na"],
  ["another status", "web 1/1 Running 3s", "web 0/1 Pending 3s"],
  ["another number", "replicas: 2", "replicas: 3"],
  ["another indentation of YAML", "a:\n  b: 1", "a:\n    b: 1"],
])("%s stays a difference", (_what, left, right) => {
  expect(normalise(left, direct)).not.toBe(normalise(right, direct));
});

test("of standard error the first error and the warnings count, and chatter does not", () => {
  const text = 'I0101 12:00:00 trace\nWarning: v1 ComponentStatus is deprecated in v1.19+\nError from server (NotFound): pods "x" not found\n';
  expect(stderrClass(text, direct)).toBe('Warning: v1 ComponentStatus is deprecated in v1.19+\nError from server (NotFound): pods "x" not found');
  expect(stderrClass("Defaulted container a\n", direct)).toBe("");
});
