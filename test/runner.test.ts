// The agent's runner with its real store and real catalog against a made-up API server, on a clock moved by hand: who waits for whom, what a restart and a lost answer
// mean, and what is left in the cluster.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeCatalog } from "../agent/command/catalog.ts";
import { COMMAND_LABEL, jobObject } from "../agent/command/job.ts";
import { Runner } from "../agent/command/runner.ts";
import { statusFault, type KubeAnswer, type KubeCall } from "../agent/kube/objects.ts";
import { impersonationOf } from "../agent/kube/policy.ts";
import * as agentModule from "../agent/store/operations.ts";
import type { AgentStore } from "../agent/store/store.ts";
import type { CommandOutcome, CommandSpec } from "../shared/api.ts";
import { Fault } from "../shared/kit/errors.ts";
import { silentLog } from "../shared/kit/log.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { openStoreInline } from "../shared/kit/store.ts";
import { targetKeys } from "../shared/rules/ordering.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

const dayMs = 86_400_000;

interface Job {
  body: { metadata: { name: string; labels: Record<string, string>; uid: string }; status: { conditions: { type: string; status: string }[] } };
}

/** Just enough of an API server: Jobs by path, and applies that succeed. `strike` may answer first. */
class Api {
  readonly jobs = new Map<string, Job["body"]>();
  readonly calls: string[] = [];
  strike: (call: KubeCall) => KubeAnswer | Fault | null = () => null;

  readonly objects = {
    pathOf: async (object: { metadata: { name: string } }): Promise<string> => `/api/v1/namespaces/default/configmaps/${object.metadata.name}`,
    call: async (call: KubeCall): Promise<KubeAnswer> => {
      await new Promise((resolve) => setImmediate(resolve));
      call.signal.throwIfAborted();
      this.calls.push(`${call.method} ${call.path.replace(/\?.*/, "")}`);
      const struck = this.strike(call);
      if (struck instanceof Fault) throw struck;
      return struck ?? this.#answer(call);
    },
  };

  #answer({ method, path, body }: KubeCall): KubeAnswer {
    if (!path.includes("/jobs")) return { status: method === "GET" ? 404 : 201, body: { metadata: { resourceVersion: "1" } } };
    if (method === "POST") {
      const job = { ...(body as Job["body"]), status: { conditions: [] } };
      const at = `${path.replace(/\?.*/, "")}/${job.metadata.name}`;
      if (this.jobs.has(at)) return { status: 409, body: { message: "exists" } };
      this.jobs.set(at, { ...job, metadata: { ...job.metadata, uid: `uid-${this.jobs.size}` } });
      return { status: 201, body: job };
    }
    const found = this.jobs.get(path);
    if (found === undefined) return { status: 404, body: { message: "no such Job" } };
    if (method === "DELETE") this.jobs.delete(path);
    return { status: 200, body: found };
  }

  /** The Jobs end. */
  complete(): void {
    for (const job of this.jobs.values()) job.status.conditions = [{ type: "Complete", status: "True" }];
  }

  count(method: string): number {
    return this.calls.filter((call) => call.startsWith(`${method} `)).length;
  }
}

let dir: string;
let store: AgentStore;
let clock: ManualClock;
let api: Api;
let knowsTime: boolean;
let stop: AbortController;
let runner: Runner;
let order: number;

function makeRunner(): Runner {
  stop = new AbortController();
  const time = { estimate: () => (knowsTime ? { nowMs: clock.wallMs(), errorMs: 10 } : null), shownMs: () => clock.wallMs() };
  return new Runner({ store, catalog: makeCatalog({ objects: api.objects, impersonationOf, statusFault }, clock), clock, log: silentLog, time, signal: stop.signal, onLetter: () => {} });
}

beforeEach(() => {
  dir = makeTempDir("runner");
  store = openStoreInline<agentModule.AgentOperations>({ file: join(dir, "agent.db"), module: agentModule });
  clock = new ManualClock();
  api = new Api();
  knowsTime = true;
  order = 0;
  runner = makeRunner();
});

afterEach(async () => {
  await halt();
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

async function halt(): Promise<void> {
  stop.abort(new Fault("DRAINING", { what: "the agent stops" }));
  await runner.stopped();
}

/** As after a kill: nothing is told, and what ran is gone. */
async function killAndStart(): Promise<void> {
  await halt();
  await store.call("putFacts", { facts: {}, drop: ["cleanStop"] });
  runner = makeRunner();
  await runner.start();
}

const jobSpec = (name: string): CommandSpec => ({ kind: "job", name, namespace: "shop", image: "busybox", command: [], env: {}, timeoutMs: 60_000 });
const applySpec = (name: string): CommandSpec => ({ kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name } }], forceConflicts: false });

async function ask(id: string, spec: CommandSpec, rest: { readonly deadlineMs?: number; readonly cls?: string } = {}): Promise<void> {
  order += 1;
  const body = Buffer.from(JSON.stringify({ operator: "ann", tier: "admin", spec }));
  const bodyHash = createHash("sha256").update(body).digest("hex");
  await store.call("storeCommand", { id, relayEpoch: 1, ord: order, after: null, lane: "deploy", kind: spec.kind, cls: rest.cls ?? "write", header: "{}", body, bodyHash, keys: targetKeys(spec), nbfMs: 0, deadlineMs: rest.deadlineMs ?? clock.wallMs() + 7 * dayMs, kid: "k", seq: order, floor: 0, nowMs: clock.wallMs() });
}

/** Results that are on their way to the relay, by command. */
async function outcomes(): Promise<Record<string, string>> {
  const leased = await store.call("leaseOwn", { letters: 128, octets: 8_388_608, octetsMax: 8_388_608, fence: 1, nowMs: clock.wallMs(), siteId: "s_x", epoch: 1, kid: "00" });
  for (const letter of leased) {
    if (letter.kind !== "result") continue;
    const { command, outcome } = JSON.parse(Buffer.from(letter.body!).toString("utf8")) as { command: string; outcome: CommandOutcome };
    seen[command] = `${outcome.state}: ${outcome.what}`;
  }
  return { ...seen };
}
let seen: Record<string, string> = {};
beforeEach(() => (seen = {}));

const down = (facts: Record<string, boolean> = {}): Fault => new Fault("API_SERVER_DOWN", { what: "the API server did not answer", why: "socket hang up", facts });
const isJob = (call: KubeCall, method: string): boolean => call.method === method && call.path.includes("/jobs");
const forbidden = { status: 403, body: { message: "forbidden: not allowed" } };

describe("places", () => {
  test("Jobs that are watched give theirs back: four of them hold up nobody, and all are watched to their end", async () => {
    for (let index = 0; index < 7; index += 1) await ask(`job-${index}`, jobSpec(`j-${index}`));
    await ask("apply", applySpec("a"));
    await runner.start();
    await clock.run(5_000);
    expect(await outcomes()).toEqual({ apply: "succeeded: 1 object applied" });
    expect(api.jobs.size).toBe(7);
    api.complete();
    await clock.run(10_000);
    expect(Object.keys(await outcomes())).toHaveLength(8);
    expect(api.count("POST")).toBe(7);
  });

  test("an apply that waits for the API server holds up its own things and no others", async () => {
    await ask("stuck", applySpec("a"));
    await ask("behind", applySpec("a"));
    await ask("beside", applySpec("b"));
    api.strike = (call) => (call.path.includes("/configmaps/a") ? down() : null);
    await runner.start();
    await clock.run(20_000);
    expect(await outcomes()).toEqual({ beside: "succeeded: 1 object applied" });
    api.strike = () => null;
    await clock.run(120_000);
    expect(Object.keys(await outcomes()).sort()).toEqual(["behind", "beside", "stuck"]);
  });

  test("what is under way in all is bounded", async () => {
    for (let index = 0; index < 70; index += 1) await ask(`job-${index}`, jobSpec(`j-${index}`));
    await runner.start();
    await clock.run(30_000, 100);
    expect(api.jobs.size).toBe(64);
    api.complete();
    await clock.run(30_000, 100);
    expect(api.jobs.size).toBe(70);
  });
});

describe("a Job that ends without a verdict", () => {
  test("of its own time is looked at once more: its true end counts", async () => {
    await ask("job", jobSpec("j"));
    let begunMs = -1;
    api.strike = (call) => {
      if (isJob(call, "POST") && begunMs === -1) begunMs = clock.monoMs();
      return isJob(call, "GET") && clock.monoMs() < begunMs + 360_000 ? down() : null; // nobody can see it while it has time
    };
    await runner.start();
    await clock.run(2_000);
    api.complete();
    await clock.run(357_000, 200);
    expect(await outcomes()).toEqual({});
    await clock.run(4_000);
    expect((await outcomes())["job"]).toMatch(/^succeeded/);
  });

  test("and that cannot be seen is unknown, with the reason of the last try", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    api.strike = () => down();
    await clock.run(500_000, 200);
    expect((await outcomes())["job"]).toBe("outcome-unknown: it did not end within its time (360 s): the last try: the API server did not answer: socket hang up; the cluster could not be asked what became of it: socket hang up");
  });

  test("and runs on after its time is unknown, and not failed", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(450_000, 400);
    expect((await outcomes())["job"]).toMatch(/^outcome-unknown: it did not end within its time .*; it was still running$/);
  });

  test("because the site's roles were narrowed while it ran is unknown; a refusal to begin it is failed", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    api.strike = (call) => (isJob(call, "GET") ? forbidden : null);
    await clock.run(5_000);
    expect((await outcomes())["job"]).toMatch(/^outcome-unknown: the Job j-\w+ could not be read: forbidden.*could not be asked/);
    api.strike = (call) => (isJob(call, "POST") ? forbidden : null);
    await ask("refused", jobSpec("k"));
    runner.poke();
    await clock.run(5_000);
    expect((await outcomes())["refused"]).toMatch(/^failed: the Job k-\w+ was refused: forbidden/);
  });

  test("whose first request may have arrived without an answer is unknown when a later one is refused", async () => {
    let asked = 0;
    api.strike = (call) => {
      if (!isJob(call, "POST")) return null;
      asked += 1;
      return asked === 1 ? down({ mayHaveArrived: true }) : forbidden;
    };
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(10_000);
    expect((await outcomes())["job"]).toMatch(/^outcome-unknown: .*forbidden.*shows no trace/);
  });

  test("whose first request surely never arrived is failed when a later one is refused", async () => {
    let asked = 0;
    api.strike = (call) => (isJob(call, "POST") ? ((asked += 1), asked === 1 ? down() : forbidden) : null);
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(10_000);
    expect((await outcomes())["job"]).toMatch(/^failed: .*forbidden/);
  });

  test("because somebody deleted it is unknown", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    api.jobs.clear();
    await clock.run(5_000);
    expect((await outcomes())["job"]).toMatch(/^outcome-unknown: .*deleted before its end was seen/);
    expect(api.count("POST")).toBe(1);
  });

  test("when the API server says 429, or no longer knows the agent, goes on when it does", async () => {
    await ask("job", jobSpec("j"));
    const answers = [429, 401, 503];
    api.strike = (call) => (isJob(call, "POST") && answers.length > 0 ? { status: answers.shift()!, body: { message: "later" } } : null);
    await runner.start();
    await clock.run(30_000);
    expect(api.jobs.size).toBe(1);
    api.complete();
    await clock.run(5_000);
    expect((await outcomes())["job"]).toMatch(/^succeeded/);
  });
});

test("an apply whose API server is away to the end says why, and is failed: it may be asked for again", async () => {
  await ask("apply", applySpec("a"));
  api.strike = () => down();
  await runner.start();
  await clock.run(3_700_000, 300);
  expect(await outcomes()).toEqual({ apply: "failed: it did not end within its time (3600 s): the last try: the API server did not answer: socket hang up" });
});

describe("after a restart", () => {
  test("without a clock a Job that never began waits for one, and starts when its deadline is surely ahead", async () => {
    await ask("job", jobSpec("j"));
    api.strike = (call) => (isJob(call, "POST") ? down() : null);
    await runner.start();
    await clock.run(3_000);
    knowsTime = false;
    api.strike = () => null;
    await killAndStart();
    await clock.run(60_000);
    expect([api.jobs.size, await outcomes()]).toEqual([0, {}]);
    knowsTime = true;
    await clock.run(10_000);
    expect(api.jobs.size).toBe(1);
  });

  test("a Job that never began and whose deadline has passed is unknown and does not start", async () => {
    await ask("job", jobSpec("j"), { deadlineMs: clock.wallMs() + 10_000 });
    api.strike = (call) => (isJob(call, "POST") ? down() : null);
    await runner.start();
    await clock.run(3_000);
    api.strike = () => null;
    await halt();
    clock.advance(20_000);
    await killAndStart();
    await clock.run(10_000);
    expect(api.jobs.size).toBe(0);
    expect((await outcomes())["job"]).toBe("outcome-unknown: the agent was restarted while it ran, its deadline has passed, and the cluster shows no trace of it");
  });

  test("an apply whose deadline has passed does not claim to have looked at the cluster", async () => {
    await ask("apply", applySpec("a"), { deadlineMs: clock.wallMs() + 10_000 });
    api.strike = () => down();
    await runner.start();
    await clock.run(3_000);
    await halt();
    clock.advance(20_000);
    api.strike = () => null;
    api.calls.length = 0;
    await killAndStart();
    await clock.run(10_000);
    expect(await outcomes()).toEqual({ apply: "outcome-unknown: the agent was restarted while it ran, and its deadline has passed since: some of it may be done" });
    expect(api.calls).toEqual([]);
  });

  test("a Job that ran meanwhile is adopted, however often the agent was killed, and started once", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    for (let time = 0; time < 4; time += 1) {
      await killAndStart();
      await clock.run(1_000);
    }
    await halt();
    api.complete();
    await killAndStart(); // the fifth
    await clock.run(5_000);
    expect((await outcomes())["job"]).toMatch(/^succeeded/);
    expect(api.count("POST")).toBeGreaterThanOrEqual(1);
    expect(api.jobs.size).toBe(1);
  });

  test("stopping cleanly as often as one likes gives up nothing", async () => {
    await ask("apply", applySpec("a"));
    api.strike = () => down();
    for (let time = 0; time < 8; time += 1) {
      await runner.start();
      await clock.run(1_000);
      await halt();
      runner = makeRunner();
    }
    api.strike = () => null;
    await runner.start();
    await clock.run(5_000);
    expect(await outcomes()).toEqual({ apply: "succeeded: 1 object applied" });
  });

  test("the fifth kill gives up an apply", async () => {
    await ask("apply", applySpec("a"));
    api.strike = () => down();
    await runner.start();
    await clock.run(1_000);
    for (let time = 0; time < 4; time += 1) await killAndStart();
    await clock.run(1_000);
    expect(await outcomes()).toEqual({});
    await killAndStart();
    await clock.run(1_000);
    expect(await outcomes()).toEqual({ apply: "failed: the agent ended 5 times while it ran; given up" });
  });
});

describe("a cancel", () => {
  async function cancel(id: string): Promise<void> {
    order += 1;
    const state = await store.call("cancelCommand", { id, cls: "write", operator: "ann", deadlineMs: clock.wallMs() + dayMs, kid: "k", seq: order, floor: 0, nowMs: clock.wallMs() });
    if (state === "claimed") runner.cancel(id);
  }

  test("stops a Job that runs, and says so", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    await cancel("job");
    await clock.run(2_000);
    expect([api.jobs.size, await outcomes()]).toEqual([0, { job: "cancelled: it was cancelled while it ran, and stopped" }]);
  });

  test("of a Job that has ended meanwhile tells how it ended", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    api.complete();
    await cancel("job");
    await clock.run(2_000);
    expect((await outcomes())["job"]).toMatch(/^succeeded/);
    expect(api.jobs.size).toBe(1);
  });

  test("of a Job whose cluster is away is tried until it is back, and is unknown when it stays away", async () => {
    await ask("job", jobSpec("j"));
    await ask("other", jobSpec("o"));
    await runner.start();
    await clock.run(2_000);
    api.strike = () => down();
    await cancel("job");
    await clock.run(60_000);
    expect(await outcomes()).toEqual({});
    api.strike = () => null;
    await clock.run(40_000);
    expect((await outcomes())["job"]).toMatch(/^cancelled/);
    api.strike = () => down();
    await cancel("other");
    await clock.run(700_000, 100);
    expect((await outcomes())["other"]).toBe("outcome-unknown: it was cancelled while it ran, and the cluster could not be told: socket hang up");
  });

  test("of an apply that waits for the cluster ends it, and says that some of it may be done", async () => {
    await ask("apply", applySpec("a"));
    api.strike = () => down();
    await runner.start();
    await clock.run(2_000);
    await cancel("apply");
    await clock.run(2_000);
    expect(await outcomes()).toEqual({ apply: "cancelled: it was cancelled while it ran: some of it may be done" });
  });

  test("that was taken right before a kill is kept after it", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    order += 1;
    await store.call("cancelCommand", { id: "job", cls: "write", operator: "ann", deadlineMs: clock.wallMs() + dayMs, kid: "k", seq: order, floor: 0, nowMs: clock.wallMs() });
    await killAndStart();
    await clock.run(3_000);
    expect([api.jobs.size, (await outcomes())["job"]]).toEqual([0, "cancelled: it was cancelled while it ran, and stopped"]);
  });
});

describe("what is left in the cluster", () => {
  const received = async (id: string): Promise<void> => {
    await outcomes();
    await store.call("ownReceipt", { id: `result-${id}`, fence: 1, nowMs: clock.wallMs() });
  };

  test("is removed a day after the result was received, by its uid; not before, and nobody else's", async () => {
    await ask("job", jobSpec("j"));
    await ask("taken", jobSpec("t"));
    await runner.start();
    await clock.run(2_000);
    api.complete();
    await clock.run(5_000);
    clock.advance(2 * dayMs);
    await clock.run(20_000);
    expect(api.jobs.size).toBe(2); // the relay does not have the results
    await received("job");
    await received("taken");
    const foreign = jobObject({ commandId: "taken", spec: jobSpec("t") as Extract<CommandSpec, { kind: "job" }> })["metadata"] as { name: string };
    api.jobs.get(`/apis/batch/v1/namespaces/shop/jobs/${foreign.name}`)!.metadata.labels[COMMAND_LABEL] = "somebody's";
    const deletes: unknown[] = [];
    api.strike = (call) => {
      if (call.method === "DELETE") deletes.push(call.body);
      return null;
    };
    await clock.run(20_000);
    expect(deletes).toEqual([{ propagationPolicy: "Background", preconditions: { uid: "uid-0" } }]);
    expect(api.jobs.size).toBe(1);
    await clock.run(20_000);
    expect(await store.call("dueLeftovers", { nowMs: clock.wallMs(), limit: 10 })).toEqual([]);
  });

  test("is asked for again when the cluster is away, and stays where the cluster refuses", async () => {
    await ask("job", jobSpec("j"));
    await runner.start();
    await clock.run(2_000);
    api.complete();
    await clock.run(5_000);
    await received("job");
    clock.advance(2 * dayMs);
    api.strike = (call) => (isJob(call, "DELETE") ? down() : null);
    await clock.run(20_000);
    expect(await store.call("dueLeftovers", { nowMs: clock.wallMs(), limit: 10 })).toHaveLength(1);
    api.strike = (call) => (isJob(call, "DELETE") ? forbidden : null);
    await clock.run(20_000);
    expect(await store.call("dueLeftovers", { nowMs: clock.wallMs(), limit: 10 })).toEqual([]);
    expect(api.jobs.size).toBe(1);
  });
});

test("a command whose class is not its kind's is not run, should one ever be stored", async () => {
  await ask("job", jobSpec("j"), { cls: "read" });
  await runner.start();
  await clock.run(5_000);
  expect((await outcomes())["job"]).toMatch(/^failed: a command job signed as read/);
  expect(api.calls).toEqual([]);
});
