// Both ends on real stores, with real letters and no sockets: a link is a few calls, and whatever may leave leaves at once. For what becomes of a command when
// one of the two stores is put back from a copy.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { LetterDesk } from "../../agent/letter-desk.ts";
import * as agentModule from "../../agent/store/operations.ts";
import type { AgentStore } from "../../agent/store/store.ts";
import { leaseLetters, settleLetter, type DeliverOptions } from "../../relay/command/deliver.ts";
import { takeLetter } from "../../relay/status/intake.ts";
import type { LinkBegin, LinkVerdict } from "../../relay/store/links.ts";
import type { RelayStore } from "../../relay/store/store.ts";
import type { CommandBody, CommandOutcome } from "../../shared/api.ts";
import { makeSigningKeys } from "../../shared/kit/keys.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import { openStoreInline, query, type Operation, type Store } from "../../shared/kit/store.ts";
import type { CourierSide } from "../../shared/outbox/courier.ts";
import { parseLetterOctets } from "../../shared/outbox/letter.ts";
import { firstTrustDocument } from "../../shared/trust/trust-document.ts";
import { RelayBench } from "./relay-store.ts";
import { makeTempDir } from "./temp-dir.ts";

export const room = { letters: 32, octets: 1_048_576, octetsMax: 8_388_608 };
export const done: CommandOutcome = { state: "succeeded", what: "1 object applied", code: null, objects: [{ ref: "ConfigMap/a", result: "created", why: "" }] };

/** So many commands that have come and gone: through the wire it would take a commit each. */
function* knowOf(args: { readonly count: number; readonly nowMs: number }): Operation<void> {
  for (let index = 0; index < args.count; index += 1) {
    yield* query(
      "INSERT INTO commands (id, relay_epoch, ord, lane, kind, cls, body_hash, state, nbf_ms, deadline_ms, stored_ms, attempts, unclean_restarts, has_effect, ended_ms, outcome) VALUES (?, 1, ?, 'deploy', 'apply', 'write', '', 'purged', 0, ?, ?, 1, 0, 0, ?, ?)",
      `known-${index}`,
      1_000 + index,
      args.nowMs,
      args.nowMs,
      args.nowMs,
      JSON.stringify({ ...done, objects: [] }),
    );
  }
}

const module = { ...agentModule, operations: { ...agentModule.operations, knowOf } } as const;

export class BothStores {
  readonly relay: RelayBench;
  readonly clock: ManualClock;
  readonly agent: AgentStore;
  readonly desk: LetterDesk;
  /** Ids of commands, each time that one started. */
  readonly started: string[] = [];
  link!: { readonly fence: number; readonly side: CourierSide };
  /** What the agent has seen of the relay. */
  seen = { relayEpoch: 0, fence: 0 };
  readonly #dir = makeTempDir("both-stores");
  readonly #commandKey = makeSigningKeys();
  readonly #siteKey = makeSigningKeys();

  private constructor(relay: RelayBench) {
    this.relay = relay;
    this.clock = new ManualClock(relay.nowMs);
    this.agent = openStoreInline<typeof module.operations>({ file: join(this.#dir, "agent.db"), module }) as unknown as AgentStore;
    const document = firstTrustDocument(makeSigningKeys(), this.#commandKey.publicKey, this.clock.wallMs());
    const siteClock = { estimate: () => ({ nowMs: this.clock.wallMs(), errorMs: 1 }), shownMs: () => this.clock.wallMs() };
    this.desk = new LetterDesk({ store: this.agent, clock: this.clock, siteClock, log: silentLog, siteId: relay.site, signKey: this.#siteKey, standing: () => ({ document, epoch: 1 }), onCommand: () => {}, onCancel: () => {} });
  }

  static async open(): Promise<BothStores> {
    return new BothStores(await RelayBench.open());
  }

  async close(): Promise<void> {
    await Promise.all([this.relay.close(), this.agent.close()]);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  pass(ms: number): void {
    this.clock.advance(ms);
    this.relay.nowMs = this.clock.wallMs();
  }

  /** A new link: both ends say what is in doubt, what of the other's they hold, and what they were given. */
  async dial(rest: Partial<LinkBegin> = {}): Promise<LinkVerdict> {
    const { agent, relay, seen } = this;
    const agentInDoubt = await agent.call("ownInDoubt", null);
    const order = await agent.call("greatestOrder", { relayEpoch: seen.relayEpoch });
    const verdict = await relay.link({ agentInDoubt, given: { ...seen, order, trustVersion: 1 }, ...rest });
    const { fence, site, inDoubt, held } = verdict;
    this.seen = { relayEpoch: Math.max(seen.relayEpoch, site.relayEpoch), fence: site.relayEpoch > seen.relayEpoch ? fence : Math.max(seen.fence, fence) };
    if (site.restoredMs !== null) await agent.call("postRecords", { relayEpoch: this.seen.relayEpoch, nowMs: this.clock.wallMs() });
    this.useLink(fence);
    await agent.call("settleOwnDoubts", { inDoubt: agentInDoubt, held });
    await relay.store.call("settleInDoubt", { site: relay.site, fence, inDoubt, held: await this.desk.held(inDoubt, fence), nowMs: relay.nowMs });
    return verdict;
  }

  useLink(fence: number): void {
    this.link = { fence, side: this.desk.side({ fence, relayEpoch: this.seen.relayEpoch, poke: () => {} }) };
  }

  get deliver(): DeliverOptions {
    return { store: this.relay.store as unknown as RelayStore, clock: this.clock, log: silentLog, commandKey: this.#commandKey };
  }

  /** Everything that may leave leaves, each way, and is receipted. */
  async exchange(): Promise<void> {
    await this.fromRelay();
    const site = { id: this.relay.site, signKey: this.#siteKey.publicKey, fence: this.link.fence };
    for (const { id, bytes } of await this.link.side.lease(room)) await this.link.side.settle(id, await takeLetter(this.deliver, site, parseLetterOctets(bytes)));
  }

  async fromRelay(): Promise<string[]> {
    const site = { id: this.relay.site, fence: this.link.fence };
    const letters = await leaseLetters(this.deliver, site, room);
    for (const { id, bytes } of letters) await settleLetter(this.deliver, site, id, await this.link.side.intake(parseLetterOctets(bytes)));
    return letters.map(({ id }) => id);
  }

  /** An apply of one ConfigMap. */
  async submit(id: string, name = id): Promise<void> {
    const asked: CommandBody = { operator: "ann", tier: "admin", spec: { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name } }], forceConflicts: false } };
    const body = Buffer.from(JSON.stringify(asked));
    await this.relay.submit(id, { body, keys: [{ key: `ConfigMap ${name}`, isOwn: true }], bodyHash: createHash("sha256").update(body).digest("hex") });
  }

  async start(): Promise<void> {
    for (;;) {
      const command = await this.agent.call("claimCommand", { nowMs: this.clock.wallMs(), errorMs: 1 });
      if (command === null) return;
      this.started.push(command.id);
    }
  }

  settle(id: string, outcome = done): Promise<void> {
    return this.agent.call("settleCommand", { id, outcome, startedMs: this.clock.wallMs(), nowMs: this.clock.wallMs() });
  }

  knowOf(count: number): Promise<void> {
    return (this.agent as unknown as Store<typeof module.operations>).call("knowOf", { count, nowMs: this.clock.wallMs() });
  }

  /** Brings a command into a state by the steps that lead there. */
  async bring(id: string, state: "queued" | "offered" | "stored" | "running"): Promise<void> {
    await this.submit(id);
    if (state === "queued") return;
    // Its letter is under way: leased, and its receipt never comes.
    if (state === "offered") return void (await leaseLetters(this.deliver, { id: this.relay.site, fence: this.link.fence }, room));
    await this.exchange();
    if (state === "stored") return;
    await this.start();
    await this.exchange();
  }

  /** To its end at both ends, and long enough after it that the site keeps a tombstone alone. */
  async endAndPurge(id: string): Promise<void> {
    await this.dial();
    await this.exchange();
    await this.start();
    await this.settle(id);
    await this.exchange();
    this.pass(2 * 3_600_000);
    await this.agent.call("purgeCommands", { nowMs: this.clock.wallMs(), errorMs: 1 });
  }
}
