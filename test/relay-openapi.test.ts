// The API's description: every route is in it and nothing else, real answers are of its schemas and have no member that it does not know, its schemas are the types of
// api.ts, and they take the same orders as the parser that judges them.
import fc from "fast-check";
import Schema from "typebox/schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as api from "../shared/api.ts";
import type * as people from "../shared/api-people.ts";
import * as schema from "../shared/api-schema.ts";
import { OPERATIONS } from "../relay/http/openapi.ts";
import { makeSigningKeys, matchCode } from "../shared/kit/keys.ts";
import { COMMAND_KIND_NAMES } from "../shared/rules/command-kinds.ts";
import { parseCommandSpec } from "../shared/rules/command-spec.ts";
import { TERMINAL } from "../shared/rules/command-state.ts";
import { ApiBench, type Asking } from "./kit/api-bench.ts";

type Json = Record<string, unknown>;
/** Both ways, apart from what may be written to. */
type Frozen<T> = T extends object ? { readonly [Name in keyof T]: Frozen<T[Name]> } : T;
type Same<Left, Right> = [Frozen<Left>] extends [Frozen<Right>] ? ([Frozen<Right>] extends [Frozen<Left>] ? true : false) : false;

test("the schemas are the types of api.ts: the compiler holds them together", () => {
  const same: true[] = [
    true satisfies Same<schema.Described<typeof schema.Problem>, api.Problem>,
    true satisfies Same<schema.Described<typeof schema.CommandView>, api.CommandView>,
    true satisfies Same<schema.Described<typeof schema.CommandResults>, api.CommandResults>,
    true satisfies Same<schema.Described<typeof schema.CommandRequest>, api.CommandRequest>,
    true satisfies Same<schema.Described<typeof schema.CommandsRequest>, api.CommandsRequest>,
    true satisfies Same<schema.Described<typeof schema.SiteSummary>, api.SiteSummary>,
    true satisfies Same<schema.Described<typeof schema.SiteDetail>, api.SiteDetail>,
    true satisfies Same<schema.Described<typeof schema.JoinTokenCreated>, people.JoinTokenCreated>,
    true satisfies Same<schema.Described<typeof schema.LoginAnswer>, people.LoginAnswer>,
    true satisfies Same<schema.Described<typeof schema.OperatorTokenRow>, people.OperatorTokenRow>,
    true satisfies Same<schema.Described<typeof schema.KubeLoginAnswer>, people.KubeLoginAnswer>,
    true satisfies Same<schema.Described<typeof schema.RestoredView>, people.RestoredView>,
  ];
  expect(same).toHaveLength(12);
});

/** Sites in every stage, a command that failed, two that are open, a report, a token: something for each route. */
async function fillRelay(bench: ApiBench): Promise<{ signKey: string; spec: Json; tokenId: string }> {
  const { relay } = bench;
  const { fence } = await relay.link();
  const spec: Json = { kind: "restart", object: { apiVersion: "apps/v1", kind: "Deployment", name: "web" } };
  const signKey = makeSigningKeys().publicKey;
  const wait = async (id: string): Promise<void> => {
    await relay.store.call("putJoinToken", { id: `t-${id}`, secret: Buffer.alloc(32), name: id, labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs: relay.nowMs, expiresMs: relay.nowMs + 1_000_000 });
    await relay.store.call("joinSite", { token: `t-${id}`, site: `s_${id}`, signKey, boxKey: "b", name: id, labels: { a: "b" }, boot: "b", dial: 1, fence: 1, nowMs: relay.nowMs });
  };
  for (const id of ["in", "out", "gone"]) await wait(id);
  await relay.bring(fence, "done", "running");
  await relay.take(fence, "result-done", { kind: "result", command: "done", header: "h", startedMs: relay.nowMs, endedMs: relay.nowMs, outcome: { state: "failed", what: "x", code: "API_SERVER_DOWN", objects: [{ ref: "a", result: "failed", why: "b" }] } });
  await relay.rows("UPDATE commands SET body = ? WHERE id = 'done'", JSON.stringify({ operator: "ann", tier: "admin", spec }));
  const report = { madeAtMs: 1, agentVersion: "1", kubernetes: { version: "v1", reachable: true, why: null }, nodes: [{ name: "n", ready: true, why: "", version: "v1" }], nodesTotal: 1, unwell: [{ kind: "Deployment", namespace: "a", name: "b", why: "c" }], unwellTotal: 1, workloadsTotal: 1, agent: { startedAtMs: 1, memoryMiB: 1, freeDiskMiB: 1, health: [{ id: "a", what: "b" }] }, queues: { commandsOpen: 0, lettersWaiting: 0, oldestLetterMs: null } };
  await relay.take(fence, "r", { kind: "report", ord: 1, madeMs: 1, body: JSON.stringify(report) });
  const { fence: second } = await relay.link({ given: { relayEpoch: 1, fence: 1_000_000, order: 0, trustVersion: 1 } }); // put back from a copy, and told
  await relay.take(second, "records-2-1", { kind: "records", relayEpoch: 2, isLast: true, commands: [] });
  await relay.submit("open");
  await relay.submit("left");
  await bench.ask("POST", "/kube-login", { body: {} });
  const tokenId = (await bench.ask<{ items: { id: string; purpose: string }[] }>("GET", "/operator-tokens")).body.items.find(({ purpose }) => purpose === "kube")!.id;
  return { signKey, spec, tokenId };
}

describe("answers", () => {
  let bench: ApiBench;
  let document: { paths: Record<string, Record<string, { responses: Record<string, { content: Record<string, { schema: Json }> }> }>> };
  beforeAll(async () => {
    bench = await ApiBench.open();
    document = (await bench.ask<typeof document>("GET", "/openapi.json", { token: "none" })).body;
  });
  afterAll(() => bench.close());

  test("are described for every route of the relay, and for no other", () => {
    const routes = bench.routes.map(({ method, path }) => `${method} ${path}`).sort();
    expect(Object.keys(OPERATIONS).sort()).toEqual(routes);
    const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`));
    expect(described.sort()).toEqual(routes);
    for (const { method, path, isPublic } of bench.routes) expect([path, OPERATIONS[`${method} ${path}`]!.isPublic]).toEqual([path, isPublic]);
  });

  /** Objects with members known by name take no others: what the document does not say is not to be there. */
  function closed(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(closed);
    if (typeof value !== "object" || value === null) return value;
    const copy = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, closed(item)]));
    return "properties" in copy && Object.keys(copy["properties"] as Json).length > 0 ? { ...copy, additionalProperties: false } : copy;
  }

  test("are of the documented form, with no member beside it, on every route", async () => {
    const { signKey, spec, tokenId } = await fillRelay(bench);
    const calls: [string, string, Asking][] = [
      ["POST /login", "/login", { body: { token: bench.token } }],
      ["GET /whoami", "/whoami", {}],
      ["POST /operators", "/operators", { body: { name: "bob" } }],
      ["GET /operators", "/operators", {}],
      ["DELETE /operators/:name", "/operators/bob", {}],
      ["POST /operator-tokens", "/operator-tokens", { body: {} }],
      ["GET /operator-tokens", "/operator-tokens", {}],
      ["POST /kube-login", "/kube-login", { body: {} }],
      ["POST /tokens", "/tokens", { body: { name: "new", urls: ["https://relay.example:8443"] } }],
      ["GET /tokens", "/tokens", {}],
      ["DELETE /tokens/:id", "/tokens/t-in", {}],
      ["POST /sites/:name/approve", "/sites/in/approve", { body: { code: matchCode(signKey) } }],
      ["POST /sites/:name/deny", "/sites/out/deny", { body: {} }],
      ["GET /sites", "/sites", {}],
      ["GET /sites/:name", "/sites/anvil", {}],
      ["POST /commands", "/commands", { body: { site: "anvil", spec } }],
      ["POST /commands", "/commands", { body: { sites: ["anvil", "in"], spec }, key: "k" }],
      ["POST /commands", "/commands", { body: { sites: ["anvil", "nowhere"], spec } }],
      ["GET /commands", "/commands?limit=2", {}],
      ["GET /commands/:id", "/commands/done", {}],
      ["GET /commands/:id", "/commands/open", {}],
      ["POST /commands/:id/skip", "/commands/done/skip", { body: {} }],
      ["POST /commands/:id/retry", "/commands/done/retry", { body: {} }],
      ["POST /commands/:id/cancel", "/commands/open/cancel", { body: {} }],
      ["GET /restored", "/restored", {}],
      ["POST /restored/confirm", "/restored/confirm", { body: {} }],
      ["GET /openapi.json", "/openapi.json", {}],
      ["DELETE /sites/:name", "/sites/gone", {}],
      ["POST /commands/:id/abandon", "/commands/left/abandon", { body: {} }],
    ];
    calls.push(["DELETE /operator-tokens/:id", `/operator-tokens/${tokenId}`, {}], ["POST /logout", "/logout", { body: {} }]);
    const statuses: Record<string, number[]> = {};
    for (const [line, path, asking] of calls) {
      const [method = "", pattern = ""] = line.split(" ");
      const { status, type, body } = await bench.ask<unknown>(method, path, asking);
      const answer = document.paths[pattern.replaceAll(/:(\w+)/g, "{$1}")]![method.toLowerCase()]!.responses[status];
      expect([line, status, type, answer !== undefined], JSON.stringify(body)).toEqual([line, status, "application/json", true]);
      const wanted = closed(answer!.content["application/json"]!.schema) as Json;
      expect([line, ...Schema.Errors(wanted, body)[1].map(({ instancePath, message }) => `${instancePath} ${message}`)]).toEqual([line]);
      (statuses[line] ??= []).push(status);
    }
    expect(Object.keys(statuses).sort(), "every route was asked").toEqual(Object.keys(OPERATIONS).sort());
    expect(statuses["POST /commands"]).toEqual([202, 202, 207]);
    const refused = await bench.ask<unknown>("GET", "/nothing");
    expect(Schema.Errors(closed(schema.Problem) as Json, refused.body)[1]).toEqual([]);
  });
});

describe("orders", () => {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } };
  const good: Record<string, Json> = {
    apply: { kind: "apply", objects: [object, { ...object, apiVersion: "apps/v1" }] },
    delete: { kind: "delete", objects: [{ apiVersion: "v1", kind: "Secret", name: "a", namespace: "b" }] },
    scale: { kind: "scale", object: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, replicas: 3 },
    restart: { kind: "restart", object: { apiVersion: "apps/v1", kind: "DaemonSet", name: "web", namespace: "b" } },
    job: { kind: "job", name: "backup", namespace: "default", image: "busybox", command: ["sh"], env: { A: "b" }, timeoutMs: 60_000 },
    script: { kind: "script", name: "rotate", namespace: "default", image: "busybox", script: "echo a", shell: "/bin/sh", args: ["a"], env: { A: "b" }, timeoutMs: 60_000 },
    undo: { kind: "undo", object: { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "b" }, toRevision: 3 },
    cordon: { kind: "cordon", node: "node-1", isOn: true },
    drain: { kind: "drain", node: "node-1", force: true, deleteEmptyDir: false, gracePeriodMs: 5_000, timeoutMs: 60_000 },
    collect: { kind: "collect", namespaces: ["shop"], sinceMs: 3_600_000 },
  };

  test("of every kind are described, in every state", () => {
    expect(Object.keys(schema.SPECS).sort()).toEqual([...COMMAND_KIND_NAMES].sort());
    const states = (schema.CommandView.properties.state as unknown as { enum: string[] }).enum;
    expect(states).toEqual(expect.arrayContaining([...TERMINAL]));
  });

  const isTaken = (spec: unknown): boolean => {
    try {
      parseCommandSpec(spec);
      return true;
    } catch {
      return false;
    }
  };

  /** Changes one member, somewhere in it. */
  function changed(value: Json, path: readonly number[], to: unknown): Json {
    const copy = structuredClone(value);
    let place: Json = copy;
    for (const step of path) {
      const names = Object.keys(place).filter((name) => name !== "kind");
      const name = names[step % Math.max(1, names.length)];
      if (name === undefined) return copy;
      const next = place[name];
      if (typeof next === "object" && next !== null && step % 3 !== 0) place = next as Json;
      else {
        if (to === undefined) delete place[name];
        else place[name] = to;
        return copy;
      }
    }
    return copy;
  }

  test("are taken by the schema and by the parser alike, whatever is changed in them", () => {
    const anything = fc.constantFrom(undefined, null, "", "x", "A_b", "a/b/v1", "v1", -1, 0, 1.5, 5_000, 1e12, true, [], ["a"], [1], {}, { a: "b" }, { a: 1 }, "n".repeat(64), "n".repeat(300));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(good)), fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), anything, (kind, path, to) => {
        const spec = JSON.parse(JSON.stringify(changed(good[kind]!, path, to))) as Json;
        fc.pre(!Array.isArray(spec["env"])); // the parser takes a list of texts for names 0, 1, ...
        expect([isTaken(spec), JSON.stringify(spec)]).toEqual([Schema.Check(schema.SPECS[kind as api.CommandSpec["kind"]] as Json, spec), JSON.stringify(spec)]);
      }),
      { numRuns: 2_000 },
    );
  });
});
