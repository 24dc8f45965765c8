// Every fault as a client meets it, who a request is taken for, and what the audit keeps.
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../../shared/kit/certificates.ts";
import { startKubesim, type Kubesim } from "./kubesim.ts";
import { lines, speaker, type Speaker } from "./speaker.ts";
import { list } from "./tree.ts";

let sim: Kubesim;
let api: Speaker;
beforeEach(async () => {
  sim = await startKubesim({
    tokens: { good: { name: "agent", groups: ["agents"] }, weak: { name: "weak", groups: [], mayImpersonate: false } },
    settings: { authorize: (user, { verb }) => (user.name === "bowline:reader" && verb !== "get" && verb !== "list" ? "readers only read" : null) },
  });
  api = speaker(sim.url, { token: "good" });
});
afterEach(() => sim.stop());

const nodes = "/api/v1/nodes";

test("a status fault answers with a Status, its Retry-After, and only as often as told", async () => {
  sim.fault({ match: { verb: "list", resource: "nodes" }, times: 1, action: { kind: "status", code: 429, retryAfterS: 3 } });
  const refused = await api.get(nodes);
  expect(refused).toMatchObject({ status: 429, body: { kind: "Status", reason: "TooManyRequests" } });
  expect(refused.headers["retry-after"]).toBe("3");
  expect(await api.get(nodes)).toMatchObject({ status: 200 });
});

test("a withdrawn fault no longer happens", async () => {
  const withdraw = sim.fault({ action: { kind: "hangUp" } });
  await expect(api.get(nodes)).rejects.toThrow();
  withdraw();
  expect(await api.get(nodes)).toMatchObject({ status: 200 });
});

test.each(["reset", "close", "halfChunk"] as const)("%s cuts the body where it was told, and the client sees a broken answer", async (kind) => {
  sim.fill("configmaps", "default", 20, 1000);
  sim.fault({ match: { resource: "configmaps" }, times: 1, action: { kind, afterBytes: 5000 } });
  const response = await api.open("/api/v1/namespaces/default/configmaps");
  expect(response.statusCode).toBe(200);
  let bytes = 0;
  const reading = (async () => {
    for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length;
  })();
  await expect(reading).rejects.toThrow();
  expect(bytes).toBeLessThan(20_000);
});

test("a stalled answer holds its client until the client leaves, and then is gone", async () => {
  sim.fault({ match: { resource: "nodes" }, times: 1, action: { kind: "stall", afterBytes: 10 } });
  const response = await api.open(nodes);
  const [first] = (await new Promise<[Buffer]>((resolve) => response.once("data", (chunk: Buffer) => resolve([chunk])))) as [Buffer];
  expect(first.length).toBe(10);
  expect(sim.openRequests()).toBe(1);
  response.destroy();
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
  expect(sim.audit().at(-1)).toMatchObject({ outcome: "aborted", status: 200 });
});

test("a slow answer arrives whole", async () => {
  sim.fault({ match: { resource: "nodes" }, times: 1, action: { kind: "slow", bytesPerSecond: 20_000 } });
  expect(list((await api.get(nodes)).body, "items")).toHaveLength(1);
});

test("an early 413 comes while the client still sends", async () => {
  sim.fault({ match: { method: "POST" }, times: 1, action: { kind: "early413" } });
  const socket = connect(sim.port, "127.0.0.1");
  socket.write("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: 99000000\r\n\r\n{");
  const answer = await new Promise<string>((resolve) => socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1"))));
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test("silence is silence: the request stays open until its client leaves", async () => {
  sim.fault({ match: { resource: "nodes" }, times: 1, action: { kind: "silence" } });
  const socket = connect(sim.port, "127.0.0.1");
  socket.write("GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n");
  await sim.auditBook.until((audit) => audit.openCount === 1, AbortSignal.timeout(2000));
  socket.destroy();
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
  expect(sim.audit().at(-1)).toMatchObject({ status: 0, outcome: "aborted" });
});

test("a client that leaves a watch frees it at once", async () => {
  const watch = lines(await api.open(`${nodes}?watch=1`));
  await watch.next();
  expect(sim.openRequests()).toBe(1);
  await watch.return(undefined);
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
});

test("an unknown token is 401, and the audit keeps no credentials", async () => {
  expect(await speaker(sim.url, { token: "wrong" }).get(nodes)).toMatchObject({ status: 401, body: { reason: "Unauthorized" } });
  expect(JSON.stringify(sim.audit())).not.toContain("wrong");
  expect(sim.audit().at(-1)).toMatchObject({ headers: { authorization: "Bearer" }, status: 401 });
});

test("impersonation is honoured, recorded whole, and refused to those who may not", async () => {
  const headers = { "impersonate-user": "bowline:reader", "impersonate-group": ["bowline:view", "second"], "impersonate-uid": "7", "impersonate-extra-request": "r1" };
  expect(await api.get(nodes, headers)).toMatchObject({ status: 200 });
  expect(sim.audit().at(-1)).toMatchObject({ user: "agent", verb: "list", resource: "nodes", impersonated: { name: "bowline:reader", groups: ["bowline:view", "second", "system:authenticated"], uid: "7", extra: { request: ["r1"] } } });
  const forbidden = await api.send("DELETE", `${nodes}/node-1`, { headers });
  expect(forbidden).toMatchObject({ status: 403, body: { reason: "Forbidden", message: 'nodes "node-1" is forbidden: User "bowline:reader" cannot delete resource "nodes" in API group "" at the cluster scope: readers only read' } });
  expect(await speaker(sim.url, { token: "weak" }).get(nodes, headers)).toMatchObject({ status: 403, body: { message: expect.stringContaining("cannot impersonate resource") as string } });
  expect(await api.get(nodes, { "impersonate-group": "alone" })).toMatchObject({ status: 500 });
});

test("a review asks the same authorizer", async () => {
  const body = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec: { user: "bowline:reader", resourceAttributes: { verb: "delete", resource: "pods" } } };
  expect(await api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)).toMatchObject({ status: 201, body: { status: { allowed: false, reason: "readers only read" } } });
});

test("a certificate of another authority is refused by a client that knows the right one", async () => {
  const nowMs = Date.now();
  const [right, wrong] = await Promise.all([makeAuthority("right", 1, nowMs), makeAuthority("wrong", 1, nowMs)]);
  const pair = await issueCertificate(wrong, ["127.0.0.1"], 1, nowMs);
  const secure = await startKubesim({ tls: { cert: pair.cert, key: pair.key, ca: wrong.cert } });
  try {
    await expect(speaker(secure.url, { caPem: right.cert }).get("/version")).rejects.toThrow();
    expect(await speaker(secure.url, { caPem: wrong.cert }).get("/version")).toMatchObject({ status: 200 });
  } finally {
    await secure.stop();
  }
});

test("ten thousand objects of 10 KiB come as one list", async () => {
  sim.fill("configmaps", "default", 10_000, 10_240);
  const response = await api.open("/api/v1/namespaces/default/configmaps");
  let bytes = 0;
  let tail = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    tail = (tail + chunk.toString("latin1")).slice(-4);
  }
  expect(bytes).toBeGreaterThan(10_000 * 10_240);
  expect(tail).toBe("}]}\n");
});
