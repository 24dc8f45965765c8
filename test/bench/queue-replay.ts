// A site that returns: ten thousand results in an agent's outbox, and a relay that knows the commands. Both databases are filled by the product's own operations before
// their processes start; then the agent links, and what is measured is how long it takes until its outbox is empty.
import { join } from "node:path";
import * as agentModule from "../../agent/store/operations.ts";
import { askStatus } from "../../agent/local.ts";
import * as relayModule from "../../relay/store/operations.ts";
import { openStoreInline, query, type Operation } from "../../shared/kit/store.ts";
import { sha256 } from "../../shared/kit/keys.ts";
import { StoreEngine } from "../../shared/kit/store-engine.ts";
import { until } from "../e2e/place.ts";
import type { Ground } from "./ground.ts";

const dayMs = 86_400_000;
/** Below what either end may have open. */
const batch = 900;
/** Counting an outbox walks it: asked more often, the question would be what is measured. */
const lookMs = 250;

interface Named {
  readonly name: string;
  readonly args: unknown;
}

function* run(args: { readonly sql: string }): Operation<unknown[]> {
  return yield* query(args.sql);
}

function fill(file: string, module: { readonly operations: object; readonly migrations: readonly string[]; readonly applicationId: number }, groups: Iterable<readonly Named[]>): void {
  const engine = new StoreEngine({ file, mustExist: true, module: { ...module, operations: { ...module.operations, run } } as never });
  for (const calls of groups) {
    const failed = engine.runGroup(calls).find((outcome) => !outcome.ok);
    if (failed !== undefined && !failed.ok) throw failed.fault;
  }
  engine.close();
}

const idOf = (index: number): string => sha256(`replay ${index}`).toString("hex").slice(0, 36);
const ranges = (count: number): (readonly number[])[] => Array.from({ length: Math.ceil(count / batch) }, (_none, at) => Array.from({ length: Math.min(batch, count - at * batch) }, (_more, index) => at * batch + index));
const outcome = { state: "succeeded", what: "1 object applied", code: null, objects: [{ ref: "default/ConfigMap/cm", result: "created", why: "" }] } as const;

/** The relay accepted them, and the site has said that it holds them. While they are put in, those before count as ended: a queue takes a thousand. */
function* atRelay(siteName: string, count: number, nowMs: number): Iterable<readonly Named[]> {
  const body = Buffer.alloc(600, 32);
  for (const indexes of ranges(count)) {
    yield indexes.map((index) => ({ name: "submitCommand", args: { id: idOf(index), siteName, kind: "apply", repeatability: "idempotent", lane: "deploy", what: "apply ConfigMap/cm", keys: [], collapseKey: null, body, bodyHash: "0".repeat(64), operator: "admin", deadlineMs: nowMs + dayMs, runMs: 1_000, nowMs, idempotencyKey: null, requestHash: "r" } }));
    yield [{ name: "run", args: { sql: "UPDATE commands SET state = 'succeeded' RETURNING id" } }];
  }
  yield [
    { name: "run", args: { sql: "UPDATE commands SET state = 'stored' RETURNING id" } },
    { name: "run", args: { sql: "DELETE FROM outbox RETURNING id" } },
  ];
}

/** The site took them, ran them and reported none. */
function* atAgent(count: number, nowMs: number): Iterable<readonly Named[]> {
  for (const indexes of ranges(count)) {
    yield indexes.map((index) => ({ name: "storeCommand", args: { id: idOf(index), relayEpoch: 1, ord: index + 1, after: null, lane: "deploy", kind: "apply", cls: "write", header: "{}", body: Buffer.alloc(600, 32), bodyHash: sha256(Buffer.alloc(600, 32)).toString("hex"), keys: [], nbfMs: 0, deadlineMs: nowMs + dayMs, kid: "bench", seq: index + 1, floor: 0, fence: 0, nowMs } }));
    yield indexes.map(() => ({ name: "claimCommand", args: { nowMs, errorMs: 1 } }));
    yield indexes.map((index) => ({ name: "settleCommand", args: { id: idOf(index), outcome, startedMs: nowMs, nowMs } }));
  }
}

export interface Replayed {
  readonly seconds: number;
  readonly letters: number;
  /** Octets of their bodies. */
  readonly octets: number;
  /** Commands that the relay shows as succeeded. */
  readonly succeeded: number;
}

export async function replay(ground: Ground, name: string, count: number): Promise<Replayed> {
  const { place } = ground;
  const nowMs = Date.now();
  await ground.startRelay();
  const agent = await place.site(name, ground.kubeconfig);
  await agent.stop();
  await ground.relay.stop();
  fill(join(place.relayData, "relay.db"), relayModule, atRelay(name, count, nowMs));
  const file = join(place.agentData(name), "agent.db");
  fill(file, agentModule, atAgent(count, nowMs));
  const store = openStoreInline<typeof agentModule.operations & { run: typeof run }>({ file, module: { ...agentModule, operations: { ...agentModule.operations, run } }, mustExist: true });
  const [waiting] = (await store.call("run", { sql: "SELECT COUNT(*) AS letters, SUM(octets) AS octets FROM outbox" })) as { letters: number; octets: number }[];
  await store.close();
  await ground.startRelay();
  const back = await ground.measured(() => Promise.resolve(place.agent(name, ground.kubeconfig, ["--report-every", "10m"])));
  await back.said(/"msg":"linked"/);
  const begunMs = performance.now();
  await until("the outbox is empty", async () => ((await pause(lookMs), await askStatus(place.agentData(name))).lettersWaiting === 0), 600_000);
  const seconds = (performance.now() - begunMs) / 1_000;
  await back.stop();
  await ground.relay.stop();
  return { seconds, ...waiting!, succeeded: await succeededAt(join(place.relayData, "relay.db"), name) };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function succeededAt(file: string, name: string): Promise<number> {
  const store = openStoreInline<typeof relayModule.operations & { run: typeof run }>({ file, module: { ...relayModule, operations: { ...relayModule.operations, run } }, mustExist: true });
  const [row] = (await store.call("run", { sql: `SELECT COUNT(*) AS n FROM commands WHERE state = 'succeeded' AND site = (SELECT id FROM sites WHERE name = '${name}')` })) as { n: number }[];
  await store.close();
  return row!.n;
}
