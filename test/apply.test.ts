// The command `apply` with the agent's own reader of an API server's answers: custom resources right behind their definition, and trouble that passes.
import { describe, expect, test } from "vitest";
import { runApply } from "../agent/command/apply.ts";
import { KubeObjects, statusFault } from "../agent/kube/objects.ts";
import { impersonationOf } from "../agent/kube/policy.ts";
import type { CommandOutcome, KubeObject } from "../shared/api.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";

const definition: KubeObject = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: { name: "boats.sea.example" }, spec: { group: "sea.example", names: { kind: "Boat", plural: "boats" } } };
const boat: KubeObject = { apiVersion: "sea.example/v1", kind: "Boat", metadata: { name: "b", namespace: "n" } };
const boats = "/apis/sea.example/v1/namespaces/n/boats";

/** An API server that establishes the definition and serves its kind at these times (ms after it was applied). */
class Server {
  readonly clock = new ManualClock();
  establishedMs = 0;
  discoveredMs = 0;
  servedMs = 0;
  appliedMs = Number.POSITIVE_INFINITY;
  namesTaken = "";
  readonly calls: string[] = [];
  strike: (method: string, path: string) => number | null = () => null;

  async request({ method, path }: { method: string; path: string }): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve));
    const plain = path.replace(/\?.*/, "");
    this.calls.push(`${method} ${plain}`);
    const struck = this.strike(method, plain);
    const { status, body } = struck === null ? this.#answer(method, plain) : { status: struck, body: { message: `${struck} it is` } };
    return { statusCode: status, body: [Buffer.from(JSON.stringify(body))] };
  }

  #answer(method: string, path: string): { status: number; body: unknown } {
    const isAfter = (ms: number): boolean => this.clock.monoMs() >= this.appliedMs + ms;
    if (path === "/apis/apiextensions.k8s.io/v1") return { status: 200, body: { resources: [{ name: "customresourcedefinitions", kind: "CustomResourceDefinition", namespaced: false }] } };
    if (path === "/apis/sea.example/v1") return isAfter(this.discoveredMs) ? { status: 200, body: { resources: [{ name: "boats", kind: "Boat", namespaced: true }] } } : { status: 404, body: {} };
    if (path.startsWith(boats)) {
      if (!isAfter(this.servedMs)) return { status: 404, body: { message: "the server could not find the requested resource" } };
      return { status: method === "GET" ? 404 : 201, body: {} };
    }
    if (method === "GET" && this.appliedMs === Number.POSITIVE_INFINITY) return { status: 404, body: {} };
    if (method === "PATCH") this.appliedMs = Math.min(this.appliedMs, this.clock.monoMs());
    const refused = this.namesTaken === "" ? [] : [{ type: "NamesAccepted", status: "False", message: this.namesTaken }];
    const established = isAfter(this.establishedMs) ? [{ type: "Established", status: "True" }] : [];
    return { status: method === "PATCH" ? 201 : 200, body: { status: { conditions: [...refused, ...established] } } };
  }

  async apply(objects: readonly KubeObject[], ms: number, signal = new AbortController().signal): Promise<CommandOutcome | { code: string } | null> {
    const access = { basePath: "", origin: "https://api", authorization: () => null, refresh: async () => false };
    const cluster = { objects: new KubeObjects(access as never, this as never, this.clock), impersonationOf, statusFault };
    let ended: CommandOutcome | { code: string } | null = null;
    void runApply(cluster, this.clock, { spec: { kind: "apply", objects, forceConflicts: false }, as: impersonationOf("ann", "admin"), signal }).then(
      (outcome) => (ended = outcome),
      (error: { code: string }) => (ended = { code: error.code }),
    );
    await this.clock.run(ms, Math.max(40, ms / 50));
    return ended;
  }
}

describe("a custom resource in the order of its definition", () => {
  test("waits until the definition is established, found and served", async () => {
    const server = new Server();
    Object.assign(server, { establishedMs: 1_000, discoveredMs: 2_000, servedMs: 3_000 });
    expect(await server.apply([boat, definition], 10_000)).toMatchObject({ state: "succeeded", objects: [{ ref: "CustomResourceDefinition/boats.sea.example", result: "created", why: "" }, { ref: "Boat/b", result: "created" }] });
    expect(server.calls.findIndex((call) => call.includes("sea.example/v1"))).toBeGreaterThan(3); // not asked for before it was established
  });

  test("costs nothing where it is served already", async () => {
    const server = new Server();
    expect(await server.apply([definition, boat], 100)).toMatchObject({ state: "succeeded" });
    expect(server.calls).toHaveLength(6);
  });

  test("fails after half a minute with the reason, when it never is", async () => {
    const server = new Server();
    Object.assign(server, { establishedMs: 1e9, discoveredMs: 1e9, namesTaken: "boats is taken" });
    expect(await server.apply([definition, boat], 29_000)).toBeNull();
    expect(await server.apply([definition, boat], 40_000)).toMatchObject({
      state: "failed",
      objects: [
        { ref: "CustomResourceDefinition/boats.sea.example", why: "the API server does not serve it yet, after 30 s: boats is taken" },
        { ref: "Boat/b", result: "failed", why: "its CustomResourceDefinition may be missing" },
      ],
    });
  });

  test("does not wait for a definition that was refused, nor one that this order does not bring", async () => {
    const server = new Server();
    server.strike = (method, path) => (method === "PATCH" && path.includes("customresourcedefinitions") ? 422 : null);
    expect(await server.apply([definition, boat], 200)).toMatchObject({ state: "failed", objects: [{ result: "failed" }, { result: "failed" }] });
    expect(await new Server().apply([boat], 200)).toMatchObject({ state: "failed" });
  });

  test("is not waited for longer than its command lasts", async () => {
    const server = new Server();
    server.establishedMs = 1e9;
    const abort = new AbortController();
    server.clock.after(1_000, () => abort.abort(Object.assign(new Error("stop"), { code: "CANCELLED" })));
    expect(await server.apply([definition, boat], 2_000, abort.signal)).toEqual({ code: "CANCELLED" });
    expect(server.clock.timers).toBe(0);
  });
});

test.each([
  [401, "API_SERVER_AUTH"],
  [429, "TOO_MANY"],
  [503, "API_SERVER_DOWN"],
])("an answer of %i is no verdict about an object: the command is tried again", async (status, code) => {
  const server = new Server();
  server.strike = (method) => (method === "PATCH" ? status : null);
  expect(await server.apply([definition], 200)).toEqual({ code });
});

test.each([400, 401, 403, 409, 422, 429, 500, 503])("a failed answer of %i says what to try", (status) => {
  expect(statusFault({ status, body: { message: "no" } }, "it was refused")).toMatchObject({ why: "no", hint: expect.stringMatching(/./) });
});
