// kubesim as a client sees it: real HTTP against a running one.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startKubesim, type Kubesim } from "./kubesim.ts";
import { lines, speaker, type Speaker } from "./speaker.ts";
import { list, text, type Tree } from "./tree.ts";

let sim: Kubesim;
let api: Speaker;
beforeAll(async () => {
  sim = await startKubesim({ nodes: ["node-1", "node-2"], settings: { podStartMs: 1, jobRunMs: 5, bookmarkMs: 20 } });
  api = speaker(sim.url);
});
afterAll(() => sim.stop());

const configMap = (name: string, content: Tree = {}, labels: Tree = {}): Tree => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels }, data: content });
const maps = "/api/v1/namespaces/default/configmaps";
const podSpec = (command: string[], restartPolicy = "Never"): Tree => ({ restartPolicy, containers: [{ name: "main", image: "busybox", command }] });
const job = (name: string, command: string[], backoffLimit = 0): Tree => ({ apiVersion: "batch/v1", kind: "Job", metadata: { name }, spec: { backoffLimit, template: { spec: podSpec(command) } } });
const isEnded = (type: string) => (object: Tree) => list(object, "status", "conditions").some((condition) => text(condition, "type") === type);

test("discovery comes plain and aggregated, and names the same resources", async () => {
  const groups = await api.get("/apis");
  const aggregated = await api.get("/apis", { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json" });
  expect(aggregated.body["kind"]).toBe("APIGroupDiscoveryList");
  expect(list(aggregated.body, "items").map((item) => text(item, "metadata", "name"))).toEqual(list(groups.body, "groups").map((group) => text(group, "name")));
  const core = await api.get("/api/v1");
  expect(list(core.body, "resources").map((resource) => text(resource, "name"))).toEqual(expect.arrayContaining(["pods", "pods/log", "pods/exec", "namespaces"]));
});

test("create, read, update and delete keep revision, uid and generation", async () => {
  const created = await api.post(maps, configMap("crud", { a: "1" }));
  expect(created.status).toBe(201);
  const replaced = await api.put(`${maps}/crud`, { ...created.body, data: { a: "2" } });
  expect(replaced.body["metadata"]).toMatchObject({ uid: text(created.body, "metadata", "uid") });
  expect(Number(text(replaced.body, "metadata", "resourceVersion"))).toBeGreaterThan(Number(text(created.body, "metadata", "resourceVersion")));
  const stale = await api.put(`${maps}/crud`, { ...created.body, data: { a: "3" } });
  expect(stale).toMatchObject({ status: 409, body: { kind: "Status", reason: "Conflict", code: 409, details: { name: "crud", kind: "configmaps" } } });
  expect((await api.delete(`${maps}/crud`)).body).toMatchObject({ kind: "Status", status: "Success" });
  expect(await api.get(`${maps}/crud`)).toMatchObject({ status: 404, body: { reason: "NotFound", message: 'configmaps "crud" not found' } });
});

test("a write that changes nothing makes no new revision; a dry run stores nothing", async () => {
  const created = await api.post(maps, configMap("still", { a: "1" }));
  const again = await api.patch(`${maps}/still`, { data: { a: "1" } }, "application/merge-patch+json");
  expect(text(again.body, "metadata", "resourceVersion")).toBe(text(created.body, "metadata", "resourceVersion"));
  const imagined = await api.patch(`${maps}/still?dryRun=All`, { data: { a: "9" } }, "application/merge-patch+json");
  expect(imagined.body["data"]).toEqual({ a: "9" });
  expect((await api.get(`${maps}/still`)).body["data"]).toEqual({ a: "1" });
});

test.each([
  ["an unknown field", { ...configMap("bad"), spek: {} }, "?fieldValidation=Strict", 400, 'unknown field "spek"'],
  ["a wrong type", { ...configMap("bad"), immutable: "yes" }, "", 400, "cannot unmarshal string"],
  ["a bad name", configMap("Bad_Name"), "", 422, "metadata.name"],
  ["another kind", { apiVersion: "v1", kind: "Secret", metadata: { name: "x" } }, "", 400, "does not match"],
])("%s is refused in the API server's words", async (_what, body, query, code, words) => {
  const refused = await api.post(`${maps}${query}`, body);
  expect(refused.status).toBe(code);
  expect(refused.body).toMatchObject({ kind: "Status", apiVersion: "v1", status: "Failure", code });
  expect(refused.body["message"]).toContain(words);
});

test("bodies over the limit are 413, of an unknown type 415, of no namespace 404", async () => {
  expect(await api.post(maps, configMap("huge", { a: "x".repeat(4 * 1024 * 1024) }))).toMatchObject({ status: 413, body: { reason: "RequestEntityTooLarge" } });
  expect(await api.send("POST", maps, { headers: { "content-type": "text/plain" }, body: "hi" })).toMatchObject({ status: 415, body: { reason: "UnsupportedMediaType" } });
  expect(await api.post("/api/v1/namespaces/nowhere/configmaps", configMap("a"))).toMatchObject({ status: 404, body: { message: 'namespaces "nowhere" not found' } });
});

test("lists select by labels and fields and come in pages that add up", async () => {
  for (let index = 0; index < 7; index += 1) await api.post(maps, configMap(`page-${index}`, {}, { set: "page", odd: String(index % 2) }));
  const odd = await api.get(`${maps}?labelSelector=${encodeURIComponent("set=page,odd in (1)")}`);
  expect(list(odd.body, "items").map((item) => text(item, "metadata", "name"))).toEqual(["page-1", "page-3", "page-5"]);
  const one = await api.get(`${maps}?fieldSelector=metadata.name%3Dpage-2`);
  expect(list(one.body, "items")).toHaveLength(1);
  expect(await api.get(`${maps}?fieldSelector=spec.x%3D1`)).toMatchObject({ status: 400, body: { message: "field label not supported: spec.x" } });
  const names: string[] = [];
  let token = "";
  do {
    const page = await api.get(`${maps}?labelSelector=set%3Dpage&limit=3&continue=${token}`);
    names.push(...list(page.body, "items").map((item) => text(item, "metadata", "name")));
    token = text(page.body, "metadata", "continue");
  } while (token !== "");
  expect(names).toEqual(Array.from({ length: 7 }, (_, index) => `page-${index}`));
});

test("a Table and bare metadata come when the client asks for them", async () => {
  const table = await api.get("/api/v1/nodes", { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" });
  expect(table.body["kind"]).toBe("Table");
  expect(list(table.body, "rows").map((row) => list(row, "cells").slice(0, 3))).toEqual([["node-1", "Ready", "control-plane"], ["node-2", "Ready", "<none>"]]);
  const bare = await api.get("/api/v1/nodes", { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" });
  expect(list(bare.body, "items")[0]).not.toHaveProperty("spec");
});

test("a watch brings the state, then events as they happen, seen through its selector", async () => {
  await api.post(maps, configMap("w1", {}, { w: "yes" }));
  const watch = await api.open(`${maps}?watch=1&labelSelector=w%3Dyes`);
  const seen = lines(watch);
  expect(await seen.next()).toMatchObject({ value: { type: "ADDED", object: { metadata: { name: "w1" } } } });
  await api.patch(`${maps}/w1`, { data: { a: "1" } }, "application/merge-patch+json");
  expect(await seen.next()).toMatchObject({ value: { type: "MODIFIED", object: { data: { a: "1" } } } });
  await api.patch(`${maps}/w1`, { metadata: { labels: { w: "no" } } }, "application/merge-patch+json");
  expect(await seen.next()).toMatchObject({ value: { type: "DELETED", object: { metadata: { labels: { w: "yes" } } } } });
  await seen.return(undefined);
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
});

test("a watch from a revision misses nothing, marks the end of its start, and sends bookmarks", async () => {
  const since = text((await api.get(maps)).body, "metadata", "resourceVersion");
  await api.post(maps, configMap("late"));
  const resumed = lines(await api.open(`${maps}?watch=1&resourceVersion=${since}&allowWatchBookmarks=true`));
  expect(await resumed.next()).toMatchObject({ value: { type: "ADDED", object: { metadata: { name: "late" } } } });
  expect(await resumed.next()).toMatchObject({ value: { type: "BOOKMARK" } });
  await resumed.return(undefined);
  const initial = lines(await api.open(`/api/v1/nodes?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`));
  expect(await initial.next()).toMatchObject({ value: { type: "ADDED" } });
  expect(await initial.next()).toMatchObject({ value: { type: "ADDED" } });
  expect(await initial.next()).toMatchObject({ value: { type: "BOOKMARK", object: { metadata: { annotations: { "k8s.io/initial-events-end": "true" } } } } });
  await initial.return(undefined);
});

test("a watch from a forgotten revision gets 410 as an event", async () => {
  const old = text((await api.get(maps)).body, "metadata", "resourceVersion");
  await api.post(maps, configMap("after"));
  sim.compact();
  const seen = lines(await api.open(`${maps}?watch=1&resourceVersion=${old}`));
  expect(await seen.next()).toMatchObject({ value: { type: "ERROR", object: { code: 410, reason: "Expired" } } });
  expect(await seen.next()).toMatchObject({ done: true });
});

test("server-side apply creates, merges and names the writer it conflicts with", async () => {
  const apply = (writer: string, content: Tree, query = ""): Promise<{ status: number; body: Tree }> => api.patch(`${maps}/ssa?fieldManager=${writer}${query}`, configMap("ssa", content), "application/apply-patch+yaml");
  expect(await apply("one", { a: "1" })).toMatchObject({ status: 201 });
  expect(await apply("two", { b: "2" })).toMatchObject({ status: 200, body: { data: { a: "1", b: "2" } } });
  const clash = await apply("two", { a: "9" });
  expect(clash).toMatchObject({ status: 409, body: { reason: "Conflict", details: { causes: [{ reason: "FieldManagerConflict", field: ".data.a" }] } } });
  expect(clash.body["message"]).toBe('Apply failed with 1 conflict: conflict with "one": .data.a');
  expect(await apply("two", { a: "9" }, "&force=true")).toMatchObject({ status: 200, body: { data: { a: "9" } } });
});

test("a Deployment gets its ReplicaSet and pods, scales, and takes them along when it goes", async () => {
  const deployments = "/apis/apps/v1/namespaces/default/deployments";
  const template = { metadata: { labels: { app: "d" } }, spec: { containers: [{ name: "main", image: "nginx" }] } };
  await api.post(deployments, { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec: { replicas: 2, selector: { matchLabels: { app: "d" } }, template } });
  await sim.until("deployments", "default", "d", (object) => (object["status"] as Tree | undefined)?.["readyReplicas"] === 2);
  const scaled = await api.patch(`${deployments}/d/scale`, { spec: { replicas: 3 } }, "application/merge-patch+json");
  expect(scaled.body).toMatchObject({ kind: "Scale", spec: { replicas: 3 }, status: { selector: "app=d" } });
  await sim.until("deployments", "default", "d", (object) => (object["status"] as Tree | undefined)?.["readyReplicas"] === 3);
  const pods = list((await api.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dd&fieldSelector=status.phase%3DRunning")).body, "items");
  expect(pods).toHaveLength(3);
  await api.delete(`${deployments}/d`);
  expect(sim.objects("replicasets", "default")).toEqual([]);
  expect(sim.objects("pods", "default").filter((pod) => pod.metadata.labels?.["app"] === "d")).toEqual([]);
});

test("a Job runs to its end and leaves its log; one that fails says so", async () => {
  const jobs = "/apis/batch/v1/namespaces/default/jobs";
  await api.post(jobs, job("good", ["sh", "-c", "echo one; echo two"]));
  await sim.until("jobs", "default", "good", isEnded("Complete"));
  const pod = sim.objects("pods", "default").find((each) => each.metadata.labels?.["job-name"] === "good")!;
  expect(text(pod, "status", "phase")).toBe("Succeeded");
  expect((await api.send("GET", `/api/v1/namespaces/default/pods/${pod.metadata.name}/log`)).text).toBe("one\ntwo\n");
  await api.post(jobs, job("bad", ["sh", "-c", "exit 3"], 1));
  const failed = await sim.until("jobs", "default", "bad", isEnded("Failed"));
  expect(failed["status"]).toMatchObject({ failed: 2 });
});

test("logs follow until the container ends, and bulk comes whole", async () => {
  sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "talker" }, spec: podSpec(["sh", "-c", "echo first; sleep 0.05; echo last"]) });
  await sim.until("pods", "default", "talker", (pod) => text(pod, "status", "phase") === "Running");
  expect((await api.send("GET", "/api/v1/namespaces/default/pods/talker/log?follow=true")).text).toBe("first\nlast\n");
  expect((await api.send("GET", "/api/v1/namespaces/default/pods/talker/log?tailLines=1")).text).toBe("last\n");
  sim.bulkLog("default", "talker", 3_000_000);
  expect((await api.send("GET", "/api/v1/namespaces/default/pods/talker/log")).text).toHaveLength(3_000_000 + "first\nlast\n".length);
});

test("a namespace brings its ServiceAccount and goes with all it holds", async () => {
  await api.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "n1" } });
  await sim.until("serviceaccounts", "n1", "default");
  await api.post("/api/v1/namespaces/n1/configmaps", configMap("inside"));
  const watch = lines(await api.open("/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Dn1"));
  await watch.next();
  expect(await api.delete("/api/v1/namespaces/n1")).toMatchObject({ body: { status: { phase: "Terminating" } } });
  const types: unknown[] = [];
  for await (const event of watch) {
    types.push(event["type"]);
    if (event["type"] === "DELETED") break;
  }
  expect(types.at(-1)).toBe("DELETED");
  expect(sim.objects("configmaps", "n1")).toEqual([]);
});

test("a definition is served at once and its objects go with it", async () => {
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const names = { plural: "boats", kind: "Boat", singular: "boat" };
  await api.post(definitions, { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: { name: "boats.sea.example" }, spec: { group: "sea.example", scope: "Namespaced", names, versions: [{ name: "v1", served: true, storage: true }] } });
  await sim.until("customresourcedefinitions", undefined, "boats.sea.example", isEnded("Established"));
  const boats = "/apis/sea.example/v1/namespaces/default/boats";
  expect(await api.post(boats, { apiVersion: "sea.example/v1", kind: "Boat", metadata: { name: "b" }, spec: { sails: 3 } })).toMatchObject({ status: 201 });
  expect(await api.patch(`${boats}/b`, {}, "application/strategic-merge-patch+json")).toMatchObject({ status: 415 });
  await api.delete(`${definitions}/boats.sea.example`);
  expect(await api.get(boats)).toMatchObject({ status: 404 });
});
