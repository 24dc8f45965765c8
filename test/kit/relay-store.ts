// The relay's store in this thread, with one approved site and short words for what a link does to it. For tests of its operations; time is a number that each
// test moves.
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LinkBegin, LinkVerdict } from "../../relay/store/links.ts";
import type { CommandRow, NewCommand } from "../../relay/store/commands.ts";
import type { LeasedCommand, SiteLetter } from "../../relay/store/delivery.ts";
import * as relayModule from "../../relay/store/operations.ts";
import type { CommandOutcome } from "../../shared/api.ts";
import { sha256 } from "../../shared/kit/keys.ts";
import { openStoreInline, query, type Operation, type SqlRow, type Store } from "../../shared/kit/store.ts";
import { StoreEngine } from "../../shared/kit/store-engine.ts";
import type { RelayState, TerminalState } from "../../shared/rules/command-state.ts";
import { makeTempDir } from "./temp-dir.ts";

function* rows(args: { readonly sql: string; readonly params: readonly (string | number | null)[] }): Operation<SqlRow[]> {
  return yield* query(args.sql, ...args.params);
}

const module = { ...relayModule, operations: { ...relayModule.operations, rows } } as const;

export const dayMs = 86_400_000;

export class RelayBench {
  readonly dir = makeTempDir("relay-store");
  store: Store<typeof module.operations>;
  nowMs = 1_700_000_000_000;
  readonly site = "s_1";
  #dial = 1;
  #fence = 1;

  private constructor() {
    this.store = this.#open();
  }

  static async open(): Promise<RelayBench> {
    const bench = new RelayBench();
    await bench.approve("s_1", "anvil");
    return bench;
  }

  #open(): Store<typeof module.operations> {
    return openStoreInline<typeof module.operations>({ file: join(this.dir, "relay.db"), module });
  }

  /** As a relay that was killed and started again. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = this.#open();
  }

  /** Copies the database, as a backup does; what comes back is how to put that copy in its place. */
  async backup(): Promise<() => Promise<void>> {
    const file = join(this.dir, "relay.db");
    await this.store.close(); // the last one out leaves no log beside the file
    copyFileSync(file, `${file}.copy`);
    this.store = this.#open();
    return async () => {
      await this.store.close();
      copyFileSync(`${file}.copy`, file);
      this.store = this.#open();
    };
  }

  async close(): Promise<void> {
    await this.store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async approve(site: string, name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const { nowMs } = this;
    await this.store.call("putJoinToken", { id: `t-${site}`, secret: Buffer.alloc(32), name, labels: "{}", tier: "admin", binding: "exporter", uses: 1, operator: "ann", nowMs, expiresMs: nowMs + 3_600_000 });
    await this.store.call("joinSite", { token: `t-${site}`, site, signKey: `key of ${site}`, boxKey: "box", name, labels, boot: "joining", dial: 1, fence: 1, nowMs });
    await this.store.call("approveSite", { id: site, name, statement: Buffer.alloc(1), operator: "ann", nowMs });
  }

  /** A new link; its fence. */
  async link(rest: Partial<LinkBegin> = {}): Promise<LinkVerdict & { readonly fence: number }> {
    this.#dial += 1;
    this.#fence += 1;
    const fence = rest.fence ?? this.#fence;
    const verdict = await this.store.call("admitLink", { id: this.site, boot: "b", dial: this.#dial, fence, agentEpoch: "e-1", agentVersion: "1", freeOctets: 1, clockErrorMs: null, agentInDoubt: [], given: { relayEpoch: 0, fence: 0, order: 0, trustVersion: 1 }, nowMs: this.nowMs, ...rest });
    return { ...verdict, fence };
  }

  /** A command for the site, of its own key unless told otherwise. */
  command(id: string, rest: Partial<NewCommand> = {}): NewCommand {
    const { nowMs } = this;
    return {
      id,
      siteName: "anvil",
      kind: "apply",
      repeatability: "idempotent",
      lane: "deploy",
      what: `apply ${id}`,
      keys: [{ key: id, isOwn: true }],
      collapseKey: null,
      body: Buffer.from(`body of ${id}`),
      bodyHash: sha256(rest.body ?? `body of ${id}`).toString("hex"),
      operator: "ann",
      deadlineMs: nowMs + 7 * dayMs,
      runMs: 3_600_000,
      nowMs,
      idempotencyKey: null,
      requestHash: "request",
      ...rest,
    };
  }

  submit(id: string, rest: Partial<NewCommand> = {}): Promise<CommandRow> {
    return this.store.call("submitCommand", this.command(id, rest));
  }

  /** Many calls in one transaction: a thousand durable commits would take seconds. What each gave, or its fault's code. */
  async inOneGroup(calls: readonly { readonly name: keyof typeof module.operations; readonly args: unknown }[]): Promise<unknown[]> {
    await this.store.close();
    const engine = new StoreEngine({ file: join(this.dir, "relay.db"), module, mustExist: true });
    try {
      return engine.runGroup(calls).map((outcome) => (outcome.ok ? outcome.value : outcome.fault.code));
    } finally {
      engine.close();
      this.store = this.#open();
    }
  }

  lease(fence: number, letters = 32): Promise<LeasedCommand[]> {
    return this.store.call("leaseCommands", { site: this.site, fence, letters, octets: 1_048_576, octetsMax: 8_388_608, kid: "00".repeat(16), nowMs: this.nowMs });
  }

  async leased(fence: number, letters = 32): Promise<string[]> {
    return (await this.lease(fence, letters)).map(({ id }) => id);
  }

  settle(fence: number, id: string, status: "committed" | "storage" | "trust" | "unsupported" | "policy" | "malformed" = "committed"): Promise<void> {
    return this.store.call("settleLetter", { site: this.site, id, fence, status, nowMs: this.nowMs });
  }

  take(fence: number, id: string, letter: SiteLetter): Promise<boolean> {
    return this.store.call("takeSiteLetter", { site: this.site, id, fence, letter, nowMs: this.nowMs });
  }

  claim(fence: number, command: string): Promise<boolean> {
    return this.take(fence, `claim-${command}`, { kind: "claim", command, startedMs: this.nowMs });
  }

  result(fence: number, command: string, state: TerminalState = "succeeded", letter = `result-${command}`): Promise<boolean> {
    const outcome: CommandOutcome & { state: TerminalState } = { state, what: `it ${state}`, code: null, objects: [] };
    return this.take(fence, letter, { kind: "result", command, header: `header of ${command}`, startedMs: this.nowMs, endedMs: this.nowMs, outcome });
  }

  /** Submits a command and brings it into a state by the steps that lead there. */
  async bring(fence: number, id: string, state: RelayState): Promise<void> {
    await this.submit(id);
    if (state === "queued") return;
    await this.leased(fence);
    if (state === "blocked") return this.settle(fence, id, "storage");
    if (state === "stored" || state === "running") await this.settle(fence, id);
    if (state === "running") await this.claim(fence, id);
  }

  async state(id: string): Promise<string> {
    return (await this.store.call("commandRow", { id })).state;
  }

  rows(sql: string, ...params: (string | number | null)[]): Promise<SqlRow[]> {
    return this.store.call("rows", { sql, params });
  }

  async events(kind: string): Promise<string[]> {
    return (await this.store.call("eventsOf", { site: this.site, limit: 500 })).filter((event) => event.kind === kind).map(({ what }) => what);
  }
}
