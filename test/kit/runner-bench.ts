// The agent's runner with its real store and real catalog against a made-up API server, on a clock moved by hand, with short words for what happens to an agent.
// For tests of the runner.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeCatalog } from "../../agent/command/catalog.ts";
import { Runner } from "../../agent/command/runner.ts";
import { statusFault, type KubeAnswer, type KubeCall } from "../../agent/kube/objects.ts";
import { impersonationOf } from "../../agent/kube/policy.ts";
import * as agentModule from "../../agent/store/operations.ts";
import type { AgentStore } from "../../agent/store/store.ts";
import type { CommandOutcome, CommandSpec } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import { openStoreInline } from "../../shared/kit/store.ts";
import { targetKeys } from "../../shared/rules/ordering.ts";
import { makeTempDir } from "./temp-dir.ts";

export const dayMs = 86_400_000;

interface Job {
  readonly metadata: { readonly name: string; readonly labels: Record<string, string>; readonly uid: string };
  readonly status: { conditions: { type: string; status: string }[] };
}

/** Just enough of an API server: Jobs by path, and applies that succeed. `strike` may answer first. */
class Api {
  readonly jobs = new Map<string, Job>();
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
      const job = { ...(body as Job), status: { conditions: [] } };
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

export class RunnerBench {
  readonly dir = makeTempDir("runner");
  readonly store: AgentStore = openStoreInline<agentModule.AgentOperations>({ file: join(this.dir, "agent.db"), module: agentModule });
  readonly clock = new ManualClock();
  readonly api = new Api();
  knowsTime = true;
  runner: Runner;
  #stop = new AbortController();
  #order = 0;
  readonly #seen: Record<string, string> = {};

  constructor() {
    this.runner = this.#makeRunner();
  }

  #makeRunner(): Runner {
    const { store, clock, api } = this;
    this.#stop = new AbortController();
    const time = { estimate: () => (this.knowsTime ? { nowMs: clock.wallMs(), errorMs: 10 } : null), shownMs: () => clock.wallMs() };
    return new Runner({ store, catalog: makeCatalog({ objects: api.objects, impersonationOf, statusFault }, clock, async () => ({})), clock, log: silentLog, time, signal: this.#stop.signal, onLetter: () => {} });
  }

  async close(): Promise<void> {
    await this.halt();
    await this.store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** A clean stop. */
  async halt(): Promise<void> {
    this.#stop.abort(new Fault("DRAINING", { what: "the agent stops" }));
    await this.runner.stopped();
  }

  async haltAndMake(): Promise<void> {
    await this.halt();
    this.runner = this.#makeRunner();
  }

  /** As after a kill: nothing is told, and what ran is gone. */
  async killAndStart(): Promise<void> {
    await this.halt();
    await this.store.call("putFacts", { facts: {}, drop: ["cleanStop"] });
    this.runner = this.#makeRunner();
    await this.runner.start();
  }

  async ask(id: string, spec: CommandSpec, rest: { readonly deadlineMs?: number; readonly cls?: string } = {}): Promise<void> {
    this.#order += 1;
    const nowMs = this.clock.wallMs();
    const body = Buffer.from(JSON.stringify({ operator: "ann", tier: "admin", spec }));
    const bodyHash = createHash("sha256").update(body).digest("hex");
    await this.store.call("storeCommand", {
      id,
      relayEpoch: 1,
      ord: this.#order,
      after: null,
      lane: "deploy",
      kind: spec.kind,
      cls: rest.cls ?? "write",
      header: "{}",
      body,
      bodyHash,
      keys: targetKeys(spec),
      nbfMs: 0,
      deadlineMs: rest.deadlineMs ?? nowMs + 7 * dayMs,
      kid: "k",
      seq: this.#order,
      floor: 0,
      fence: 1,
      nowMs,
    });
  }

  /** A cancel is stored; whether it runs is for the caller to say to the runner. */
  takeCancel(id: string): Promise<string> {
    this.#order += 1;
    const nowMs = this.clock.wallMs();
    return this.store.call("cancelCommand", { id, cls: "write", operator: "ann", deadlineMs: nowMs + dayMs, kid: "k", seq: this.#order, floor: 0, fence: 1, nowMs });
  }

  async cancel(id: string): Promise<void> {
    if ((await this.takeCancel(id)) === "claimed") this.runner.cancel(id);
  }

  /** The relay has its result. */
  async received(id: string): Promise<void> {
    await this.outcomes();
    await this.store.call("ownReceipt", { id: `result-${id}`, fence: 1, nowMs: this.clock.wallMs() });
  }

  /** Results that are or were on their way to the relay, by command. */
  async outcomes(): Promise<Record<string, string>> {
    const leased = await this.store.call("leaseOwn", { letters: 128, octets: 8_388_608, octetsMax: 8_388_608, fence: 1, nowMs: this.clock.wallMs(), siteId: "s_x", epoch: 1, kid: "00" });
    for (const letter of leased) {
      if (letter.kind !== "result") continue;
      const { command, outcome } = JSON.parse(Buffer.from(letter.body!).toString("utf8")) as { command: string; outcome: CommandOutcome };
      this.#seen[command] = `${outcome.state}: ${outcome.what}`;
    }
    return { ...this.#seen };
  }
}

export const jobSpec = (name: string): Extract<CommandSpec, { kind: "job" }> => ({ kind: "job", name, namespace: "shop", image: "busybox", command: [], env: {}, timeoutMs: 60_000 });
export const applySpec = (name: string): CommandSpec => ({ kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name } }], forceConflicts: false });
export const down = (facts: Record<string, boolean> = {}): Fault => new Fault("API_SERVER_DOWN", { what: "the API server did not answer", why: "socket hang up", facts });
export const isJob = (call: KubeCall, method: string): boolean => call.method === method && call.path.includes("/jobs");
export const forbidden = { status: 403, body: { message: "forbidden: not allowed" } };
