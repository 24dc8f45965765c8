// The orders of a soak: of every kind, under a key each, asked again until they are accepted; and what became of them, at the relay and in the cluster, counted by what
// is there: a Job that ran has one pod.
import type { CommandSpec } from "../../shared/api.ts";
import type { Random } from "../../shared/kit/random.ts";
import { ask, list } from "./kube-rest.ts";
import type { SoakGround, SoakSite } from "./soak-ground.ts";

/** Orders of one site that have not ended, at most: a cluster of one node keeps up with that. */
const openMax = 40;
const againMs = 500;
const endMs = 600_000;
/** Part of the orders with a time so short that a cut may outlast it (ms). */
const short = { part: 0.1, ms: 4_000 } as const;
const TERMINAL = new Set(["succeeded", "failed", "rejected", "expired", "superseded", "cancelled", "outcome-unknown", "abandoned"]);
const COMMAND_ID = "bowline.dev/command-id";

interface Order {
  readonly site: SoakSite;
  readonly kind: CommandSpec["kind"];
  readonly key: string;
  id: string | null;
  /** At the relay, as it was seen last. */
  state: string;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class SoakOrders {
  readonly #ground: SoakGround;
  readonly #random: Random;
  readonly all: Order[] = [];
  readonly #asking = new Set<Promise<void>>();

  constructor(ground: SoakGround, random: Random) {
    this.#ground = ground;
    this.#random = random;
  }

  /** What the other orders need is there first. */
  async prepare(): Promise<void> {
    for (const site of this.#ground.sites) this.#give(site, { kind: "apply", forceConflicts: false, objects: [this.#workload(site)] });
    await this.settle();
  }

  #workload({ namespace }: SoakSite): Extract<CommandSpec, { kind: "apply" }>["objects"][number] {
    const labels = { app: "web" };
    const container = { name: "main", image: "localhost/busybox:1", command: ["sleep", "36000"] };
    return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace }, spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } } } };
  }

  async give(everyMs: number, untilMs: number): Promise<void> {
    const { sites } = this.#ground;
    while (performance.now() < untilMs) {
      const site = sites[Math.floor(this.#random() * sites.length)]!;
      if (this.all.filter((order) => order.site === site && !TERMINAL.has(order.state)).length < openMax) this.#give(site, this.#spec(site));
      else await this.#look(); // it may have become less
      await pause(everyMs);
    }
  }

  #spec({ namespace }: SoakSite): CommandSpec {
    const choice = this.#random();
    const number = this.all.length;
    const some = (most: number): number => Math.floor(this.#random() * most);
    const object = { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace };
    const cm = (index: number): { apiVersion: string; kind: string; metadata: { name: string; namespace: string } } => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `cm-${index}`, namespace } });
    if (choice < 0.35) return { kind: "apply", forceConflicts: false, objects: Array.from({ length: 1 + some(3) }, (_none, index) => ({ ...cm(some(5) * 3 + index), data: { asked: String(number) } })) };
    if (choice < 0.6) return { kind: "job", name: `job-${number}`, namespace, image: "localhost/busybox:1", command: ["sh", "-c", `echo ran ${number}`], env: {}, timeoutMs: 60_000 };
    if (choice < 0.75) return { kind: "delete", objects: [{ apiVersion: "v1", kind: "ConfigMap", name: `cm-${some(15)}`, namespace }] };
    if (choice < 0.9) return { kind: "scale", object, replicas: some(2) };
    return { kind: "restart", object };
  }

  #give(site: SoakSite, spec: CommandSpec): void {
    const order: Order = { site, kind: spec.kind, key: `soak-${this.all.length}`, id: null, state: "asking" };
    this.all.push(order);
    const request = { site: site.name, spec, ...(this.#random() < short.part ? { expiresInMs: short.ms } : {}) };
    const asking = this.#ask(order, request).finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  async #ask(order: Order, request: unknown): Promise<void> {
    for (;;) {
      const reply = await this.#post(order.key, request);
      if (reply?.status === 202) {
        const { id, state } = reply.body as { id: string; state: string };
        Object.assign(order, { id, state });
        return;
      }
      if (reply !== null && reply.status < 500 && reply.status !== 429) throw new Error(`${order.key}: ${reply.status} ${JSON.stringify(reply.body)}`);
      await pause(againMs);
    }
  }

  async #post(key: string, body: unknown): Promise<{ readonly status: number; readonly body: unknown } | null> {
    return ask(this.#ground.place, "POST", "/api/v1/commands", { body, headers: { "idempotency-key": key } }).catch(() => null); // the relay is away
  }

  /** Asks the relay for each order that has not ended. */
  async #look(): Promise<void> {
    for (const order of this.all) {
      if (order.id === null || TERMINAL.has(order.state)) continue;
      const reply = await ask(this.#ground.place, "GET", `/api/v1/commands/${order.id}`).catch(() => null);
      if (reply === null) return;
      if (reply.status === 200) order.state = (reply.body as { state: string }).state;
      else if (reply.status === 404) order.state = "unknown to the relay";
    }
  }

  /** Until all have ended, or will not. */
  async settle(): Promise<void> {
    const giveUpMs = performance.now() + endMs;
    await Promise.all(this.#asking);
    while (performance.now() < giveUpMs) {
      await this.#look();
      if (this.all.every(({ state }) => TERMINAL.has(state))) return;
      await pause(againMs);
    }
  }

  /** What was lost, and what was done twice: one line for each. */
  async judge(): Promise<{ readonly lost: string[]; readonly twice: string[]; readonly jobs: number }> {
    const lost = this.all.filter(({ state }) => !TERMINAL.has(state)).map(({ key, id, state }) => `${key} (${id}) is ${state}`);
    const twice: string[] = [];
    let jobs = 0;
    const ids = new Map<string, number>();
    for (const { id } of this.all) if (id !== null) ids.set(id, (ids.get(id) ?? 0) + 1);
    for (const [id, count] of ids) if (count > 1) twice.push(`${id} is the name of ${count} orders`);
    for (const site of this.#ground.sites) {
      const there = await list(this.#ground.place, site.name, `/apis/batch/v1/namespaces/${site.namespace}/jobs`);
      const pods = await list(this.#ground.place, site.name, `/api/v1/namespaces/${site.namespace}/pods`);
      const runs = new Map<string, number>();
      for (const { metadata } of there.items) {
        const id = metadata.annotations?.[COMMAND_ID] ?? metadata.name;
        const count = pods.items.filter((pod) => pod.metadata.labels?.["job-name"] === metadata.name).length;
        runs.set(id, (runs.get(id) ?? 0) + count);
        if (!this.all.some((order) => order.id === id)) lost.push(`the Job ${metadata.name} at ${site.name} belongs to no order`);
      }
      jobs += runs.size;
      for (const [id, count] of runs) if (count > 1) twice.push(`the Job of ${id} ran ${count} times at ${site.name}`);
      for (const order of this.all) if (order.site === site && order.kind === "job" && order.state === "succeeded" && (runs.get(order.id!) ?? 0) === 0) lost.push(`the Job of ${order.id} succeeded and never ran`);
    }
    return { lost, twice, jobs };
  }
}
