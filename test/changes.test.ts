// The commands `delete`, `scale` and `restart` against a made-up API server: each run twice comes to the same, a delete removes only what it found when it first looked,
// and a server that is away is no verdict.
import { beforeEach, describe, expect, test } from "vitest";
import { runDelete, runRestart, runScale, type ChangeRun } from "../agent/command/changes.ts";
import type { Effect } from "../agent/command/catalog.ts";
import type { Cluster } from "../agent/command/cluster.ts";
import { statusFault, type KubeAnswer, type KubeCall } from "../agent/kube/objects.ts";
import { impersonationOf } from "../agent/kube/policy.ts";
import type { ObjectRef } from "../shared/api.ts";
import { Fault } from "../shared/kit/errors.ts";

const web: ObjectRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" };
const settings: ObjectRef = { apiVersion: "v1", kind: "ConfigMap", name: "settings", namespace: "shop" };
const startedMs = Date.UTC(2026, 10, 25, 9, 10);

class Server {
  /** UID by path. */
  readonly uids = new Map<string, string>();
  replicas = 1;
  readonly calls: KubeCall[] = [];
  strike: (call: KubeCall) => KubeAnswer | Fault | null = () => null;

  readonly cluster: Cluster = {
    objects: {
      pathOf: (object) => Promise.resolve(`/${object.kind}/${object.metadata.name}`),
      call: async (call) => {
        this.calls.push(call);
        const struck = this.strike(call);
        if (struck instanceof Fault) throw struck;
        return struck ?? this.#answer(call);
      },
    },
    impersonationOf,
    statusFault,
  };

  #answer({ method, path, body }: KubeCall): KubeAnswer {
    const plain = path.replace(/\?.*/, "");
    if (plain.endsWith("/scale")) {
      if (method === "PATCH") this.replicas = (body as { spec: { replicas: number } }).spec.replicas;
      return { status: 200, body: { spec: { replicas: this.replicas } } };
    }
    const uid = this.uids.get(plain);
    if (uid === undefined) return { status: 404, body: { message: `${plain} not found` } };
    if (method !== "DELETE") return { status: 200, body: { metadata: { uid } } };
    if ((body as { preconditions: { uid: string } }).preconditions.uid !== uid) return { status: 409, body: { message: "the UID differs" } };
    this.uids.delete(plain);
    return { status: 200, body: {} };
  }
}

let server: Server;
let resolved: string | null;

function run<Spec>(spec: Spec): ChangeRun<Spec> {
  const effect: Effect = {
    mayHaveBegun: false,
    hasBegun: false,
    get resolved() {
      return resolved;
    },
    resolve: (what) => {
      resolved = what;
      return Promise.resolve();
    },
    begun: () => Promise.resolve(),
    waits: () => {},
  };
  return { spec, as: impersonationOf("ann", "admin"), signal: new AbortController().signal, effect, startedMs };
}

beforeEach(() => {
  server = new Server();
  resolved = null;
});

describe("delete", () => {
  const order = (...objects: ObjectRef[]) => runDelete(server.cluster, run({ kind: "delete", objects }));

  test("removes what is there and says what was not", async () => {
    server.uids.set("/ConfigMap/settings", "u-1");
    expect(await order(settings, web)).toMatchObject({ state: "succeeded", what: "1 of 2 objects deleted", objects: [{ ref: "ConfigMap/settings", result: "deleted" }, { ref: "Deployment/web", result: "unchanged", why: "it was not there" }] });
    expect(server.uids.size).toBe(0);
  });

  test("run again, removes nothing that was made anew under the same name", async () => {
    server.uids.set("/ConfigMap/settings", "u-1");
    await order(settings, web);
    server.uids.set("/ConfigMap/settings", "u-2").set("/Deployment/web", "u-3");
    expect(await order(settings, web)).toMatchObject({ state: "succeeded", objects: [{ result: "unchanged", why: expect.stringContaining("made after") as string }, { result: "unchanged" }] });
    expect([...server.uids.values()]).toEqual(["u-2", "u-3"]);
  });

  test("writes down what it found before it removes anything", async () => {
    server.uids.set("/ConfigMap/settings", "u-1");
    server.strike = (call) => (call.method === "DELETE" ? (expect(resolved).toBe('["u-1"]'), null) : null);
    await order(settings);
    expect(server.calls.map(({ method }) => method)).toEqual(["GET", "DELETE"]);
  });

  test("names what the API server refuses, and goes on with the others", async () => {
    server.uids.set("/ConfigMap/settings", "u-1").set("/Deployment/web", "u-2");
    server.strike = ({ method, path }) => (method === "DELETE" && path === "/ConfigMap/settings" ? { status: 403, body: { message: "forbidden" } } : null);
    expect(await order(settings, web)).toMatchObject({ state: "failed", code: "COMMAND_FAILED", what: expect.stringContaining("ConfigMap/settings: forbidden") as string, objects: [{ result: "failed" }, { result: "deleted" }] });
  });
});

describe("scale", () => {
  const order = (replicas: number) => runScale(server.cluster, run({ kind: "scale", object: web, replicas }));

  test("sets the number, and says when it was set already", async () => {
    expect(await order(3)).toMatchObject({ state: "succeeded", what: "Deployment/web scaled from 1 to 3", objects: [{ result: "configured" }] });
    expect(await order(3)).toMatchObject({ state: "succeeded", objects: [{ result: "unchanged" }] });
    expect(server.replicas).toBe(3);
  });

  test("of what is not there is an error that says what to look for", async () => {
    server.strike = () => ({ status: 404, body: { message: "not found" } });
    await expect(order(3)).rejects.toMatchObject({ code: "COMMAND_FAILED", why: "there is no Deployment/web in shop, or its kind has no replicas" });
  });
});

test("restart writes the time of its claim, so that a second run of it changes nothing", async () => {
  server.uids.set("/Deployment/web", "u-1");
  for (let time = 0; time < 2; time += 1) expect(await runRestart(server.cluster, run({ kind: "restart", object: web }))).toMatchObject({ state: "succeeded", what: "Deployment/web is being restarted" });
  const stamps = server.calls.map(({ body }) => JSON.stringify(body));
  expect(stamps[0]).toContain('"kubectl.kubernetes.io/restartedAt":"2026-11-25T09:10:00.000Z"');
  expect(stamps[1]).toBe(stamps[0]);
});

test.each(["delete", "scale", "restart"] as const)("%s is undecided while the API server is away", async (kind) => {
  server.uids.set("/Deployment/web", "u-1");
  server.strike = () => new Fault("API_SERVER_DOWN", { what: "the API server does not answer" });
  const outcome = kind === "delete" ? runDelete(server.cluster, run({ kind, objects: [web] })) : kind === "scale" ? runScale(server.cluster, run({ kind, object: web, replicas: 2 })) : runRestart(server.cluster, run({ kind, object: web }));
  await expect(outcome).rejects.toMatchObject({ code: "API_SERVER_DOWN" });
});
