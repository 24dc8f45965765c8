// kill -9 at named points, on real processes, again and again: every command ends once, every Job ran once (counted by what the Job itself wrote), no result is missing,
// and both stores tell the same at the end. Whichever process died is started again. `KILLS` says how often each point is passed: 20 to show the claim,
// few in a quick run; `-t "(claim)"` picks the six points that the claim names.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as agentModule from "../../agent/store/operations.ts";
import * as relayModule from "../../relay/store/operations.ts";
import { openStoreInline, query, type Operation } from "../../shared/kit/store.ts";
import { KILL_POINTS, type KillPoint } from "./kill-points.ts";
import { ask, commands, list } from "./kube-rest.ts";
import { Live } from "./live.ts";
import { Place, until, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const kills = Number(process.env["KILLS"] ?? "1");
/** New for each run: what an earlier run left behind must not count. */
const namespace = `bowline-kills-${Date.now().toString(36)}`;
const endMs = 90_000;

const place = new Place();
let cluster: TestCluster;
const running = {} as Record<"agent" | "relay", Started>;
let asked = 0;
/** Orders that end without reaching the site, and how. */
const unsent = new Map<string, "superseded" | "expired">();
/** What the site may have cut to a tombstone. */
let mayBePurged = false;
/** What each point did, for the table at the end. */
const table: string[] = [];
/** Rounds whose Jobs were counted. */
let counted = 0;
const ids: string[] = [];

beforeAll(async () => {
  cluster = await startTestCluster();
  running.relay = await place.relay();
  await place.login();
  running.agent = await place.site("anvil", cluster.kubeconfig);
  await ask(place, "POST", "/k8s/anvil/api/v1/namespaces", { body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } } });
});

afterAll(async () => {
  if (running.agent?.hasEnded === false) await ask(place, "DELETE", `/k8s/anvil/api/v1/namespaces/${namespace}`).catch(() => null);
  await place.close();
  await cluster?.stop();
});

async function restart(side: "agent" | "relay", args: readonly string[] = []): Promise<void> {
  running[side] = side === "relay" ? await place.relay(args) : place.agent("anvil", cluster.kubeconfig, args);
}

/** One order of each kind; a submission that dies with the relay is asked again with the same key. */
async function order(): Promise<void> {
  asked += 1;
  const objects = [1, 2, 3].map((index) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `cm-${asked}-${index}`, namespace }, data: { asked: String(asked) } }));
  await submit(`kill-${asked}-apply`, { kind: "apply", objects, forceConflicts: false });
  await submit(`kill-${asked}-job`, { kind: "job", name: `job-${asked}`, namespace, image: "localhost/busybox:1", command: ["sh", "-c", `echo ran ${asked}`], env: {}, timeoutMs: 60_000 });
}

/** Octets of an order that leaves in many messages. */
const largeOctets = 700_000;

/** What a process is asked, beside an order of each kind, before it comes to some points. */
async function prompt(needs: NonNullable<KillPoint["needs"]>): Promise<void> {
  const configMap = (name: string, text: string): unknown => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { text } });
  const name = `${needs.replaceAll(" ", "-")}-${asked}`;
  if (needs === "a large order") return submit(name, { kind: "apply", objects: [1, 2, 3].map((index) => configMap(`${name}-${index}`, "x".repeat(largeOctets))), forceConflicts: false });
  if (needs === "old records") return;
  await running.agent.stop(); // what waits here can be taken back, or become too late
  const spec = { kind: "apply", objects: [configMap(name, "")], forceConflicts: false };
  if (needs === "a late order") await submit(name, spec, { expiresInMs: 1 });
  else for (const turn of ["older", "newer"]) await submit(`${name}-${turn}`, spec, { collapseKey: name });
  unsent.set(ids.at(needs === "a late order" ? -1 : -2)!, needs === "a late order" ? "expired" : "superseded");
}

function* ageRecords(args: { readonly sql: string }): Operation<void> {
  yield* query(args.sql);
}

/** Makes what has ended look as if that were long ago. Through the product's own store: what anybody else writes into an agent's database is found out. */
async function age(side: "agent" | "relay"): Promise<void> {
  const file = side === "relay" ? join(place.relayData, "relay.db") : join(place.agentData("anvil"), "agent.db");
  const store = openStoreInline<{ ageRecords: typeof ageRecords }>({ file, module: { ...(side === "relay" ? relayModule : agentModule), operations: { ageRecords } } });
  await store.call("ageRecords", { sql: side === "relay" ? "UPDATE command_keys SET expires_ms = 1" : "UPDATE commands SET ended_ms = ended_ms - 7200000 WHERE state = 'reported'" });
  await store.close();
  mayBePurged ||= side === "agent";
}

async function submit(key: string, spec: unknown, more: object = {}): Promise<void> {
  writeFileSync(join(place.dir, `${key}.json`), JSON.stringify(spec)); // to look at when it fails
  await until(`${key} is accepted`, async () => {
    if (running.relay.hasEnded) await restart("relay");
    const headers = { "content-type": "application/json", "idempotency-key": key };
    const live = new Live(place, "/api/v1/commands", { method: "POST", headers, body: JSON.stringify({ site: "anvil", spec, ...more }) });
    const { how } = await live.ended;
    if (how !== "complete") return false;
    if (live.status !== 202) throw new Error(`${key}: ${live.status} ${live.tail}`);
    ids.push((JSON.parse(live.tail) as { id: string }).id);
    return true;
  }, endMs);
}

/** Brings back whoever died, until everything that was asked has ended. */
async function settle(): Promise<void> {
  await until("every command ends", async () => {
    for (const side of ["relay", "agent"] as const) if (running[side].hasEnded) await restart(side);
    const all = await commands(place).catch(() => []);
    return all.length > 0 && all.every(({ id, state }) => state === (unsent.get(id) ?? "succeeded"));
  }, endMs);
}

/** What the Jobs of the rounds since the last look wrote: one line each, in one pod each. */
async function expectOnce(): Promise<void> {
  const pods = await until("the site is linked", async () => list(place, "anvil", `/api/v1/namespaces/${namespace}/pods`).catch(() => null));
  const written: string[] = [];
  for (const { metadata } of pods.items) {
    const round = Number(/^job-(\d+)-/.exec(metadata.labels?.["job-name"] ?? "")?.[1] ?? 0);
    if (round <= counted) continue;
    const log = new Live(place, `/k8s/anvil/api/v1/namespaces/${namespace}/pods/${metadata.name}/log`);
    expect([(await log.ended).how, log.status]).toEqual(["complete", 200]);
    written.push(...log.tail.split("\n").filter((line) => line !== ""));
  }
  const rounds = Array.from({ length: asked - counted }, (_, index) => counted + 1 + index);
  expect(written.sort()).toEqual(rounds.map((round) => `ran ${round}`).sort());
  counted = asked;
  const configMaps = await list(place, "anvil", `/api/v1/namespaces/${namespace}/configmaps`);
  expect(configMaps.items.filter(({ metadata }) => metadata.name.startsWith("cm-"))).toHaveLength(3 * asked);
}

/** The crash argument of a round: a point that every commit passes is met at another commit each time, in the time that an order takes. */
function crashAt({ point, side, isEachCommit }: KillPoint, round: number): string {
  return isEachCommit === true ? `${point}:${(side === "agent" ? 12 : 14) + ((round * 5) % 15)}` : point;
}

const cases = KILL_POINTS.map((point) => [point.side, `${point.point}${point.isClaim === true ? " (claim)" : ""}`, point] as const);

test.each(cases)("the %s, killed at %s", { timeout: kills * endMs + 60_000 }, async (side, name, point) => {
  let deaths = 0;
  for (let round = 0; round < kills; round += 1) {
    await running[side].stop();
    if (point.needs === "old records") await age(side);
    await restart(side, ["--crash-at", crashAt(point, round)]);
    const doomed = running[side];
    if (point.needs !== undefined) await prompt(point.needs);
    await order();
    deaths += (await Promise.race([doomed.ended, new Promise<number>((resolve) => setTimeout(() => resolve(0), 20_000))])) === 137 ? 1 : 0;
    await settle();
  }
  expect(deaths).toBe(kills);
  await expectOnce();
  table.push(`${side.padEnd(5)}  ${name.padEnd(32)} ${String(deaths).padStart(3)} kills, 0 violations`);
});

test("both stores tell the same of every command: one end, one outcome, nothing that contradicts it, nothing that waits", async () => {
  await until("every result is receipted", async () => /waiting +0 letters, 0 commands/.test(await place.ok(["agent", "status", "--data", place.agentData("anvil")]).catch(() => "")));
  await running.agent.stop();
  await running.relay.stop();
  const rows = (file: string): Map<string, { state: string; outcome: unknown }> => {
    const db = new Database(file, { readonly: true });
    const found = db.prepare("SELECT id, state, outcome FROM commands").all() as { id: string; state: string; outcome: string | null }[];
    db.close();
    return new Map(found.map(({ id, state, outcome }) => [id, { state, outcome: outcome === null ? null : (JSON.parse(outcome) as unknown) }]));
  };
  const [atRelay, atSite] = [rows(join(place.relayData, "relay.db")), rows(join(place.agentData("anvil"), "agent.db"))];
  expect([...atRelay.keys()].sort()).toEqual([...ids].sort());
  for (const [id, state] of unsent) expect(atRelay.get(id)).toEqual({ state, outcome: null });
  const sent = ids.filter((id) => !unsent.has(id));
  expect([...atSite.keys()].sort()).toEqual([...sent].sort());
  for (const id of sent) {
    expect(atRelay.get(id)).toMatchObject({ state: "succeeded", outcome: { state: "succeeded" } });
    const isTombstone = mayBePurged && atSite.get(id)!.state === "purged";
    if (isTombstone) expect(atSite.get(id)).toMatchObject({ outcome: { state: "succeeded", objects: [] } });
    else expect(atSite.get(id)).toEqual({ state: "reported", outcome: atRelay.get(id)!.outcome });
  }
  const db = new Database(join(place.relayData, "relay.db"), { readonly: true });
  expect(db.prepare("SELECT kind, what FROM events WHERE kind IN ('evidence', 'orphan', 'alarm', 'cloned')").all()).toEqual([]);
  expect(db.prepare("SELECT COUNT(*) AS n FROM outbox").get()).toEqual({ n: 0 });
  db.close();
  process.stderr.write(`${table.join("\n")}\nkills: ${kills} a point; ${ids.length} commands ended once, ${counted} Jobs wrote once\n`);
  await restart("relay");
  await restart("agent");
});
