// The judge of a simulated run: what delivery.md section 8 says must never be, looked for after every commit and every effect, and once more at the end. Shares no code
// with the product: it reads tables by their names, the cluster's own book of what was done to it, and the octets on the wire.
import { statSync } from "node:fs";
import type { CallOutcome } from "../../shared/kit/store-engine.ts";
import type { Effect } from "./sim-cluster.ts";
import { MARK, restartMark, scaleMark, workMark } from "./sim-cluster.ts";
import type { LiveRelay } from "./sim-relay.ts";
import type { SimSite } from "./sim-site.ts";
import { WireWatch } from "./wire-watch.ts";
import { epochMs, type World } from "./world.ts";

const TERMINAL = new Set(["succeeded", "failed", "rejected", "expired", "superseded", "cancelled", "outcome-unknown", "abandoned"]);
/** States in which the site has said that it holds the command. */
const THERE = new Set(["stored", "running"]);
/** Ends that say that nothing was done. */
const WITHOUT_EFFECT = new Set(["superseded", "expired", "rejected"]);
/** Octets of a database before anything was asked, of what is kept of one command with its letters, events and tombstone, and of a log beside what a group writes. */
const fileOctetsEmpty = 2 * 1_048_576;
const octetsEachCommand = 16_384;
const logOctetsMost = 4 * 1_048_576;
const COMMAND = "SELECT c.id, c.site, c.ord, c.state, c.deadline_ms, c.kind, s.agent_epoch FROM commands c JOIN sites s ON s.id = c.site";

interface RelayRow {
  readonly id: string;
  readonly site: string;
  readonly ord: number;
  readonly state: string;
  readonly deadline_ms: number;
  readonly kind: string;
  readonly agent_epoch: string | null;
}

/** An order that the relay accepted. */
export interface Accepted {
  readonly id: string;
  readonly site: string;
  readonly key: string;
  /** What it changes, by path; empty for a Job. */
  readonly paths: readonly string[];
  readonly isDelete: boolean;
  /** Octets of the order as it was given. */
  readonly octets: number;
}

/** What of a command's body says which effects are its own. */
interface ClaimedSpec {
  readonly kind: string;
  readonly objects?: readonly { readonly name?: string; readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> } }[];
  readonly object?: { readonly name: string };
  readonly replicas?: number;
}

interface Claim {
  readonly id: string;
  readonly ord: number;
  readonly epoch: number;
  readonly deadlineMs: number;
}

export class Checker {
  readonly #world: World;
  readonly #sites: ReadonlyMap<string, SimSite>;
  readonly #relay: () => LiveRelay | null;
  readonly #relayFile: string;
  readonly wire = new WireWatch();
  readonly violations: string[] = [];
  /** Orders of the relay are drawn a second time then: what was done is in no one order any more. */
  isRestored = false;
  readonly accepted = new Map<string, Accepted>();
  /** State of each command as the relay's file last had it. */
  readonly states = new Map<string, RelayRow>();
  #lastRead: LiveRelay | null = null;
  readonly #claims = new Map<string, Claim>();
  readonly #markOf = new Map<string, string>();
  /** The delete that was claimed last for what has this name: those of one name are in order, so it is the one that is under way. */
  readonly #deleting = new Map<string, string>();
  /** What a process has begun. */
  readonly #begun = new Set<string>();
  readonly #started = new Map<string, number>();
  readonly #applied = new Map<string, Set<string>>();
  /** Greatest order whose effect began on a path. */
  readonly #frontier = new Map<string, number>();

  constructor(world: World, sites: readonly SimSite[], relay: { readonly live: () => LiveRelay | null; readonly file: string }) {
    this.#world = world;
    this.#relayFile = relay.file;
    this.#sites = new Map(sites.map((site) => [site.ground.id, site]));
    this.#relay = relay.live;
  }

  #violate(invariant: number | string, what: string): void {
    this.violations.push(`invariant ${invariant}: ${what}`);
    this.#world.note("CHECKER", `invariant ${invariant}: ${what}`);
  }

  // What the relay's file says.

  relayCommitted(name: string, args: unknown, outcome: CallOutcome): void {
    if (!outcome.ok) return;
    if (name === "settleLetter" && (args as { status: string }).status !== "committed") this.wire.refused(this.#nameOf((args as { site: string }).site), "relay", (args as { id: string }).id);
    const relay = this.#relay();
    if (relay !== null) this.#readRelay(relay);
  }

  /** All of a relay that has started, then what was changed: a run may have ten thousand commands. */
  #readRelay(relay: LiveRelay): void {
    const changed = relay.store.changed();
    const isNew = this.#lastRead !== relay;
    this.#lastRead = relay;
    if (!isNew && changed.length === 0) return;
    const rows = isNew ? relay.store.rows<RelayRow>(COMMAND) : relay.store.rows<RelayRow>(`${COMMAND} WHERE c.id IN (SELECT value FROM json_each(?))`, JSON.stringify(changed));
    const seen = new Set<string>();
    for (const row of rows) {
      seen.add(row.id);
      const before = this.states.get(row.id);
      if (before?.state === row.state) continue;
      this.states.set(row.id, row);
      this.#world.note("relay", `${row.id.slice(0, 8)} ${before?.state ?? "new"} -> ${row.state}`);
      if (before !== undefined && TERMINAL.has(before.state)) this.#violate(1, `${row.id} was ${before.state} and became ${row.state}`);
      if (THERE.has(row.state)) this.#requireHeld(row);
    }
    for (const id of isNew ? this.states.keys() : changed) if (!seen.has(id)) this.#violate(1, `${id} is gone from the relay's file`);
  }

  /** 11: what was receipted is never unknown to the same epoch. */
  #requireHeld(row: RelayRow): void {
    const site = this.#sites.get(row.site);
    const live = site?.live ?? null;
    if (live === null || site!.isPutBack || row.agent_epoch !== this.#epochOf(site!)) return;
    if (live.store.rows("SELECT 1 FROM commands WHERE id = ?", row.id).length === 0) this.#violate(11, `${row.id} is ${row.state} at the relay and unknown at ${site!.name}`);
  }

  #epochOf(site: SimSite): string {
    return site.live!.store.rows<{ value: string }>("SELECT value FROM facts WHERE name = 'agentEpoch'")[0]!.value;
  }

  /** The relay's file is copied. What comes back is for when the copy takes its place: what the relay learned since, it never knew. */
  relayCopied(): () => void {
    const copied = new Map(this.states);
    return () => {
      this.isRestored = true;
      this.states.clear();
      for (const [id, row] of copied) this.states.set(id, row);
      for (const id of this.accepted.keys()) if (!copied.has(id)) this.accepted.delete(id);
    };
  }

  #nameOf(siteId: string): string {
    return this.#sites.get(siteId)?.name ?? siteId;
  }

  // What a site's file says.

  agentStarted(site: SimSite): void {
    for (const row of this.states.values()) if (row.site === site.ground.id && THERE.has(row.state)) this.#requireHeld(row);
  }

  agentCommitted(site: SimSite, name: string, args: unknown, outcome: CallOutcome): void {
    if (!outcome.ok) return;
    if (name === "ownReturn" || name === "ownRefused") this.wire.refused(site.name, "agent", (args as { id: string }).id);
    if (name === "claimCommand" && outcome.value !== null) this.#claimed(site, outcome.value as { id: string; body: Uint8Array });
  }

  #claimed(site: SimSite, { id, body }: { readonly id: string; readonly body: Uint8Array }): void {
    const row = site.live!.store.rows<{ ord: number; deadline_ms: number; state: string; started_ms: number }>("SELECT ord, deadline_ms, state, started_ms FROM commands WHERE id = ?", id)[0]!;
    this.#world.note(site.name, `claims ${id.slice(0, 8)} (order ${row.ord})`);
    const key = `${site.name} ${id}`;
    const before = this.#claims.get(key);
    if (before !== undefined && before.epoch === site.epoch) this.#violate(2, `${id} was claimed twice at ${site.name}`);
    this.#claims.set(key, { id, ord: row.ord, epoch: site.epoch, deadlineMs: row.deadline_ms });
    const { spec } = JSON.parse(Buffer.from(body).toString("utf8")) as { spec: ClaimedSpec };
    const mark = (text: string): void => void this.#markOf.set(`${site.name} ${text}`, id);
    if (spec.object !== undefined) mark(workMark(spec.object.name));
    if (spec.replicas !== undefined) mark(scaleMark(spec.replicas));
    if (spec.kind === "restart") mark(restartMark(spec.object!.name, new Date(row.started_ms).toISOString()));
    for (const object of spec.objects ?? []) {
      if (spec.kind === "delete") this.#deleting.set(`${site.name} ${object.name}`, id);
      else mark(object.metadata?.annotations?.[MARK] ?? "");
    }
  }

  // What was done to a cluster.

  /** 6: a process begins with a command before its deadline or not at all; what it has begun it may try again later. The relay's clock is right in this world. */
  attempt(site: SimSite, process: string, mark: string): void {
    const claim = this.#claimOf(site, mark);
    if (claim === undefined) return this.#violate(2, `"${mark}" is begun at ${site.name} without a claim`);
    const begun = `${process} ${claim.id}`;
    if (this.#begun.has(begun)) return;
    this.#begun.add(begun);
    const lateMs = epochMs + this.#world.nowMs - claim.deadlineMs;
    if (lateMs > 0) this.#violate(6, `${claim.id} was begun ${Math.round(lateMs)} ms after its deadline`);
  }

  #claimOf(site: SimSite, mark: string): Claim | undefined {
    return this.#claims.get(`${site.name} ${this.#markOf.get(`${site.name} ${mark}`) ?? mark}`);
  }

  effect(site: SimSite, effect: Effect): void {
    // Jobs are removed by the agent itself, a day after their end.
    if (effect.kind === "removed" && effect.path.includes("/jobs/")) return;
    const name = effect.path.slice(effect.path.lastIndexOf("/") + 1);
    const claim = effect.kind === "removed" ? this.#claims.get(`${site.name} ${this.#deleting.get(`${site.name} ${name}`) ?? ""}`) : this.#claimOf(site, effect.mark!);
    const id = claim?.id ?? "";
    this.#world.note(site.name, `${effect.kind} ${effect.path} by ${id.slice(0, 8)}`);
    // 2: a claim that a lost disk took with it was durable all the same.
    if (claim === undefined) return this.#violate(2, `${effect.path} was ${effect.kind} at ${site.name} by "${effect.mark}" without a claim`);
    if (effect.kind === "started") return this.#jobStarted(site, id);
    const first = `${site.name} ${effect.path}`;
    const done = this.#applied.get(first) ?? new Set();
    this.#applied.set(first, done);
    if (done.has(id)) return; // an idempotent one may run again
    done.add(id);
    // Orders for one object are in order, whatever part of it they change.
    const object = first.replace(/\/(scale|restart)$/, "");
    const frontier = this.#frontier.get(object) ?? -1;
    if (claim.ord < frontier && site.epoch === 0 && !this.isRestored) this.#violate(5, `${effect.path} at ${site.name}: order ${claim.ord} after order ${frontier}`);
    this.#frontier.set(object, Math.max(frontier, claim.ord));
  }

  #jobStarted(site: SimSite, id: string): void {
    const count = (this.#started.get(id) ?? 0) + 1;
    this.#started.set(id, count);
    if (count > 1) this.#violate(3, `the Job of ${id} was started ${count} times at ${site.name}`);
  }

  message(site: SimSite, from: "agent" | "relay", message: Uint8Array, cable: number): void {
    for (const id of this.wire.twice(site.name, from, message, cable)) this.#violate("wire", `${id} left ${from} twice on cable ${cable} of ${site.name}`);
  }

  // The end: faults are over, and time enough has passed.

  /** Commands that have not ended, and letters that have not arrived. */
  open(): string[] {
    const commands = [...this.accepted.values()].filter(({ id }) => !TERMINAL.has(this.states.get(id)?.state ?? "")).map(({ id }) => `${id} is ${this.states.get(id)?.state ?? "unknown to the relay"}`);
    const letters = [...this.#sites.values()].flatMap((site) => (site.live?.store.rows<{ id: string }>("SELECT id FROM outbox WHERE id LIKE 'result-%'") ?? []).map(({ id }) => `${id} waits at ${site.name}`));
    return [...commands, ...letters];
  }

  end(): void {
    for (const what of this.open()) this.#violate(12, what);
    for (const order of this.accepted.values()) this.#judgeEnd(order);
    for (const site of this.#sites.values()) if (site.epoch === 0 && !this.isRestored) this.#judgeObjects(site);
    const all = [...this.accepted.values()];
    this.#judgeFile(this.#relayFile, all);
    for (const site of this.#sites.values()) this.#judgeFile(site.file, all.filter((order) => order.site === site.name));
  }

  /** 10: a file holds what was asked and what is kept of it, and its log no more than is written in one go. */
  #judgeFile(file: string, orders: readonly Accepted[]): void {
    const octets = orders.reduce((sum, order) => sum + order.octets, 0);
    const [has, log] = [file, `${file}-wal`].map(sizeOf) as [number, number];
    const most = fileOctetsEmpty + octets + orders.length * octetsEachCommand;
    if (has > most) this.#violate(10, `${file} has ${has} octets, ${most} are enough for ${orders.length} commands`);
    if (log > logOctetsMost + octets) this.#violate(10, `the log of ${file} has ${log} octets`);
  }

  /** What is said of a command fits what was done. */
  #judgeEnd({ id, site, paths, isDelete }: Accepted): void {
    const state = this.states.get(id)?.state ?? "";
    const wasDone = (this.#started.get(id) ?? 0) > 0 || paths.some((path) => this.#applied.get(`${site} ${path}`)?.has(id) === true);
    if (WITHOUT_EFFECT.has(state) && wasDone) this.#violate(9, `${id} is ${state} and was done`);
    const isWhole = paths.length === 0 ? wasDone : paths.every((path) => this.#applied.get(`${site} ${path}`)?.has(id) === true);
    if (state === "succeeded" && !isWhole && !isDelete) this.#violate(9, `${id} succeeded and was not done`);
  }

  /** 4: an object is as the last one that changed it left it. */
  #judgeObjects(site: SimSite): void {
    const orders = [...this.accepted.values()].filter((order) => order.site === site.name).sort((left, right) => this.states.get(left.id)!.ord - this.states.get(right.id)!.ord);
    const paths = new Set(orders.flatMap((order) => order.paths));
    for (const path of paths) {
      let allowed = new Set([""]);
      for (const order of orders) {
        if (!order.paths.includes(path)) continue;
        const { state } = this.states.get(order.id)!;
        const left = order.isDelete ? "" : order.id;
        if (state === "succeeded") allowed = new Set([left]);
        else if (this.#applied.get(`${site.name} ${path}`)?.has(order.id) === true) allowed.add(left);
      }
      const mark = site.cluster.leftBy(path);
      if (!allowed.has(mark === "" ? "" : (this.#markOf.get(`${site.name} ${mark}`) ?? mark))) this.#violate(4, `${path} at ${site.name} is as "${mark}" left it, not as ${[...allowed].join(" or ")}`);
    }
  }

  get startedJobs(): number {
    return [...this.#started.values()].reduce((sum, count) => sum + count, 0);
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
