// Random schedules over the relay's store: orders, links that come and go, receipts and refusals of any link at any time, lost agent databases, claims and results.
// After every step each command has exactly the letter that its state asks for, what has ended stays ended, and in the end everything ends. Prints its seed.
import { expect, test } from "vitest";
import type { LinkVerdict } from "../../relay/store/links.ts";
import { seededRandom, type Random } from "../../shared/kit/random.ts";
import { isTerminal, type RelayState } from "../../shared/rules/command-state.ts";
import type { LaneName } from "../../shared/rules/lanes.ts";
import { RelayBench } from "../kit/relay-store.ts";

const runs = 15;
const steps = 100;
const firstSeed = 20_261_125;

/** Ends after which the body is kept for a retry. */
const RETRIABLE: ReadonlySet<RelayState> = new Set(["failed", "rejected", "expired", "outcome-unknown"]);

type Link = LinkVerdict & { readonly fence: number };

class Schedule {
  readonly relay: RelayBench;
  readonly random: Random;
  readonly ids: string[] = [];
  readonly ended = new Map<string, string>();
  readonly links: Link[] = [];
  #epoch = 1;
  #letters = 0;

  constructor(relay: RelayBench, random: Random) {
    this.relay = relay;
    this.random = random;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)]!;
  }

  get #link(): Link {
    return this.pick(this.links.slice(-3));
  }

  async step(): Promise<void> {
    const { relay } = this;
    const choice = this.random();
    relay.nowMs += Math.floor(this.random() * 2_000);
    if (choice < 0.2) await this.#submit();
    else if (choice < 0.4) await relay.lease(this.#link.fence, 1 + Math.floor(this.random() * 5));
    else if (choice < 0.6) await this.#settle();
    else if (choice < 0.7) await this.#begin();
    else if (choice < 0.8) await this.#answerDoubts(this.#link);
    else if (choice < 0.88 && this.ids.length > 0) await relay.claim(this.#link.fence, this.pick(this.ids));
    else if (choice < 0.94 && this.ids.length > 0) await relay.result(this.#link.fence, this.pick(this.ids), this.pick(["succeeded", "failed", "expired"]), `r-${(this.#letters += 1)}`);
    else if (choice < 0.955 && this.ids.length > 0) await this.#takeBack();
    else if (choice < 0.975) await relay.store.call("unblockCommands", { site: relay.site, nowMs: relay.nowMs });
    else await relay.store.call("expireCommands", { nowMs: relay.nowMs });
  }

  async #submit(): Promise<void> {
    const id = `c-${this.ids.length}`;
    const keys = [...new Set([this.pick(["k1", "k2", "k3"]), this.pick(["k1", "k2", "k3", "k4"])])].map((key) => ({ key, isOwn: this.random() < 0.7 }));
    await this.relay.submit(id, {
      keys,
      lane: this.pick<LaneName>(["interactive", "deploy", "bulk"]),
      repeatability: this.pick(["idempotent", "verifiable", "neither"]),
      collapseKey: this.random() < 0.2 ? "one" : null,
      deadlineMs: this.relay.nowMs + this.pick([20_000, 60_000, 10_000_000]),
    });
    this.ids.push(id);
  }

  async #settle(): Promise<void> {
    if (this.ids.length === 0) return;
    const status = this.pick(["committed", "committed", "committed", "storage", "trust", "unsupported"] as const);
    await this.relay.settle(this.#link.fence, this.pick(this.ids), status);
  }

  async #takeBack(): Promise<void> {
    const name = this.random() < 0.8 ? "cancelCommand" : "abandonCommand";
    const id = this.pick(this.ids);
    const hasEnded = this.ended.has(id);
    const refusal = await this.relay.store.call(name, { id, operator: "ann", nowMs: this.relay.nowMs }).then(() => null, (error: { code: string }) => error.code);
    expect([id, refusal]).toEqual([id, hasEnded ? "STATE_REFUSED" : null]);
  }

  async #begin(): Promise<void> {
    if (this.random() < 0.2) this.#epoch += 1;
    this.links.push(await this.relay.link({ agentEpoch: `e-${this.#epoch}` }));
  }

  async #answerDoubts({ fence, inDoubt }: Link): Promise<void> {
    const held = inDoubt.filter(() => this.random() < 0.5);
    const missed = await this.relay.store.call("settleInDoubt", { site: this.relay.site, fence, inDoubt, held, nowMs: this.relay.nowMs });
    if (missed !== null) this.#epoch += 1; // as the agent does it; the link is over
  }

  async check(): Promise<void> {
    const commands = (await this.relay.rows("SELECT id, state, body FROM commands")) as { id: string; state: RelayState; body: Uint8Array | null }[];
    const letters = (await this.relay.rows("SELECT id, state FROM outbox")) as { id: string; state: string }[];
    const letterOf = new Map(letters.map(({ id, state }) => [id, state]));
    const away = new Set(commands.filter(({ state }) => ["offered", "stored", "running"].includes(state)).map(({ id }) => `cancel-${id}`));
    expect(letters.filter(({ id }) => id.startsWith("cancel-") && !away.has(id))).toEqual([]);
    for (const { id, state, body } of commands) {
      expect([id, state, letterOf.get(id)]).toEqual([id, state, state === "queued" ? "waiting" : state === "offered" ? "offered" : undefined]);
      expect([id, state, body === null]).toEqual([id, state, isTerminal(state) && !RETRIABLE.has(state)]);
      const before = this.ended.get(id);
      if (before !== undefined) expect([id, state]).toEqual([id, before]);
      if (isTerminal(state)) this.ended.set(id, state);
    }
    const held = await this.relay.rows("SELECT DISTINCT command FROM command_targets ORDER BY command");
    expect(held.map(({ command }) => command)).toEqual(commands.filter(({ state }) => !isTerminal(state)).map(({ id }) => id).sort());
  }

  /** The network is kind from here on: everything that is open is delivered and ends. */
  async converge(): Promise<void> {
    const { relay } = this;
    const settled = async (link: Link): Promise<string | null> => relay.store.call("settleInDoubt", { site: relay.site, fence: link.fence, inDoubt: link.inDoubt, held: [], nowMs: relay.nowMs });
    let link = await relay.link({ agentEpoch: `e-${this.#epoch}` });
    if ((await settled(link)) !== null) link = await relay.link({ agentEpoch: "the last one" });
    expect(await settled(link)).toBeNull();
    for (let round = 0; round < 200; round += 1) {
      for (const id of await relay.leased(link.fence)) await relay.settle(link.fence, id);
      const there = (await relay.rows("SELECT id FROM commands WHERE state IN ('stored', 'running')")) as { id: string }[];
      for (const { id } of there) await relay.result(link.fence, id, "succeeded", `end-${id}`);
      const open = await relay.rows("SELECT id FROM commands WHERE state IN ('queued', 'blocked', 'offered', 'stored', 'running')");
      if (open.length === 0) return;
    }
    expect(await relay.rows("SELECT id, state, why, blocked_reason FROM commands WHERE state IN ('queued', 'blocked', 'offered', 'stored', 'running')")).toEqual([]);
  }
}

test.each(Array.from({ length: runs }, (_value, index) => firstSeed + index))("seed %i: each command has the letter of its state, and everything ends once", async (seed) => {
  const relay = await RelayBench.open();
  try {
    const schedule = new Schedule(relay, seededRandom(seed));
    schedule.links.push(await relay.link());
    for (let step = 0; step < steps; step += 1) {
      await schedule.step();
      await schedule.check();
    }
    await schedule.converge();
    await schedule.check();
  } finally {
    await relay.close();
  }
});
