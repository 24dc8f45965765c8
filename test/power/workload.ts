// A relay and an agent at work under a tracer, from their very first start to a clean stop, and everything that somebody outside was told or saw meanwhile: answers of the
// API, states that it shows, what arrives at the cluster. A moment is written down after it was seen, so what is claimed of it is never too early.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CommandSpec } from "../../shared/api.ts";
import type { Kubesim } from "../kit/kubesim/kubesim.ts";
import { ask, commands } from "../e2e/kube-rest.ts";
import { Place, until } from "../e2e/place.ts";
import { databaseOf, type Acknowledged } from "./judge.ts";
import { diskOps, tracedInto, type DiskOp } from "./trace.ts";

/** Waves of orders (an apply, a Job, a delete in each place), and how many come at once in each. */
const waves = 3;
const placesInWave = 3;
/** Octets of payload in some of them: pages enough for several checkpoints (800 KiB each). */
const fillerOctets = 60_000;
const site = "anvil";

export interface Recorded {
  readonly told: readonly Acknowledged[];
  readonly ops: Readonly<Record<"agent" | "relay", readonly DiskOp[]>>;
}

interface Book {
  readonly told: Acknowledged[];
  /** Ids of the deletes, by the object that each removes. */
  readonly deletes: Map<string, string>;
}

/** Whole milliseconds are cut off: the moment after is surely not before. */
const now = (): number => Date.now() + 1;

export async function recordWork(place: Place, cluster: { readonly sim: Kubesim; readonly kubeconfig: string }, env: Readonly<Record<string, string>> = {}): Promise<Recorded> {
  const told: Acknowledged[] = [];
  const book: Book = { told, deletes: new Map() };
  const earlier = cluster.sim.audit().length;
  const traces = { relay: join(place.dir, "trace-relay"), agent: join(place.dir, "trace-agent") };
  for (const dir of Object.values(traces)) mkdirSync(dir);
  const relay = place.start(["relay", "run", "--data", place.relayData, "--listen", "127.0.0.1:0"], env, tracedInto(traces.relay));
  place.relayUrl = (await relay.said(/relay ready at (https:\S+)/, 60_000))[1]!;
  told.push({ atMs: now(), at: "relay", what: "begun", name: "" });
  await place.login();
  const token = (await place.ok(["token", "create", "--name", site])).trim();
  const agent = place.start(["agent", "run", "--token", token, "--data", place.agentData(site), "--kubeconfig", cluster.kubeconfig, "--report-every", "2s"], env, tracedInto(traces.agent));
  const [, code] = await agent.said(/"code":"([A-Z]+-[A-Z]+-\d\d)"/, 60_000);
  told.push({ atMs: now(), at: "agent", what: "begun", name: "" });
  await place.ok(["approve", site, "--code", code!]);
  const [, fence] = await agent.said(/"fence":(\d+),"msg":"linked"/, 60_000);
  told.push({ atMs: now(), at: "relay", what: "fence", name: fence! });
  const [, dial] = await relay.said(/"dial":(\d+),"msg":"site linked"/);
  told.push({ atMs: now(), at: "agent", what: "dial", name: dial! });
  const watch = new Watch(place, told);
  await order(place, cluster, book);
  await watch.end();
  fromAudit(cluster.sim, earlier, book);
  if ((await agent.stop()) !== 0 || (await relay.stop()) !== 0) throw new Error(`a clean stop failed\n${agent.err}\n${relay.err}`);
  return { told: told.sort((left, right) => left.atMs - right.atMs), ops: { relay: diskOps(traces.relay, join(place.relayData, databaseOf("relay"))), agent: diskOps(traces.agent, join(place.agentData(site), databaseOf("agent"))) } };
}

/** One after the other in each place, all places of a wave at once; a wave begins when the one before has ended. */
async function order(place: Place, { sim }: { readonly sim: Kubesim }, book: Book): Promise<void> {
  for (let wave = 0; wave < waves; wave += 1) {
    const names = Array.from({ length: placesInWave }, (_value, index) => `w${wave}-${index}`);
    for (const name of names) sim.put({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `old-${name}`, namespace: "default" } });
    await Promise.all(names.map((name) => orderIn(place, name, book)));
    await until("every order of the wave has ended", async () => (await commands(place)).every(({ state }) => state === "succeeded"), 60_000);
  }
}

async function orderIn(place: Place, name: string, book: Book): Promise<void> {
  const objects = [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { filler: "x".repeat(fillerOctets) } }];
  await submit(place, `${name}-apply`, { kind: "apply", objects, forceConflicts: false }, book);
  await submit(place, `${name}-job`, { kind: "job", name: `job-${name}`, namespace: "default", image: "localhost/busybox:1", command: ["true"], env: {}, timeoutMs: 60_000 }, book);
  await submit(place, `${name}-delete`, { kind: "delete", objects: [{ apiVersion: "v1", kind: "ConfigMap", name: `old-${name}`, namespace: "default" }] }, book);
}

async function submit(place: Place, key: string, spec: CommandSpec, { told, deletes }: Book): Promise<void> {
  const { status, body } = await ask(place, "POST", "/api/v1/commands", { body: { site, spec }, headers: { "idempotency-key": key } });
  if (status !== 202) throw new Error(`${key}: ${status} ${JSON.stringify(body)}`);
  const { id } = body as { id: string };
  told.push({ atMs: now(), at: "relay", what: "accepted", name: id });
  if (spec.kind === "delete") deletes.set(`old-${key.replace("-delete", "")}`, id);
}

/** Asks for the states again and again: what is seen was true at both ends before it was seen. */
class Watch {
  #hasEnded = false;
  readonly #done: Promise<void>;

  constructor(place: Place, told: Acknowledged[]) {
    this.#done = this.#look(place, told);
  }

  async #look(place: Place, told: Acknowledged[]): Promise<void> {
    const seen = new Set<string>();
    while (!this.#hasEnded) {
      const items = await commands(place);
      const atMs = now();
      for (const { id, state } of items) {
        const what = state === "stored" ? "stored" : state === "running" ? "claimed" : state === "queued" || state === "offered" || state === "blocked" ? null : "ended";
        if (what === null || seen.has(`${id} ${what}`)) continue;
        seen.add(`${id} ${what}`);
        for (const at of ["relay", "agent"] as const) told.push({ atMs, at, what, name: id });
      }
    }
  }

  end(): Promise<void> {
    this.#hasEnded = true;
    return this.#done;
  }
}

/** No object is deleted but by a command that was claimed and has written down what it found. */
function fromAudit(sim: Kubesim, earlier: number, { told, deletes }: Book): void {
  for (const { method, name, atMs } of sim.audit().slice(earlier)) {
    const id = deletes.get(name);
    if (method === "DELETE" && id !== undefined) told.push({ atMs: atMs + 1, at: "agent", what: "resolved", name: id });
  }
}
