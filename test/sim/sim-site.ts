// One site of a simulated run: its machine, its line, its cluster, and the product's own agent on it, started, killed, started again.
import { copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "../../agent/agent.ts";
import { makeAnew } from "../../agent/quarantine.ts";
import * as agentModule from "../../agent/store/operations.ts";
import { disproofOf, parseWitness, type Renewal, type WitnessPlace } from "../../agent/witness.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { openStoreInline } from "../../shared/kit/store.ts";
import type { Ground, GroundSite } from "./ground.ts";
import type { Effect } from "./sim-cluster.ts";
import { SimCluster } from "./sim-cluster.ts";
import type { SimRelay, Tamper } from "./sim-relay.ts";
import { SimLine, type HearMessage } from "./sim-socket.ts";
import { SimStore, type Observe } from "./sim-store.ts";
import { SimProcess, epochMs, type MachineClock, type World } from "./world.ts";

type AgentStoreOf = SimStore<agentModule.AgentOperations>;

export interface LiveAgent {
  readonly process: SimProcess;
  readonly store: AgentStoreOf;
}

/** What crystals do, in parts of a million; the product allows for 200. */
const driftPpmMost = 150;

export interface SiteEvents {
  readonly observe: (site: SimSite, ...told: Parameters<Observe>) => void;
  readonly effect: (site: SimSite, effect: Effect) => void;
  readonly attempt: (site: SimSite, process: SimProcess, mark: string) => void;
  readonly message: (site: SimSite, ...told: Parameters<HearMessage>) => void;
  readonly started: (site: SimSite) => void;
  readonly tamper: Tamper<AgentStoreOf["store"]>;
}

export class SimSite {
  readonly world: World;
  readonly ground: GroundSite;
  readonly line: SimLine;
  readonly cluster: SimCluster;
  readonly #ground: Ground;
  readonly #dir: string;
  readonly #relay: SimRelay;
  readonly #events: SiteEvents;
  readonly #machine: MachineClock;
  readonly #drift: number;
  #kernelBoot = 1;
  #bootedMs = 0;
  #starts = 0;
  #live: LiveAgent | null = null;
  epoch = 0;
  /** The machine was put back from a copy: what was receipted since is unknown here until the relay has asked for a new epoch. */
  isPutBack = false;
  /** The witness beside the database, as text. */
  #witness: string | null = null;
  #renewal: Renewal | null = null;

  constructor(world: World, options: { readonly ground: Ground; readonly site: GroundSite; readonly dir: string; readonly relay: SimRelay; readonly events: SiteEvents }) {
    this.world = world;
    this.ground = options.site;
    this.#ground = options.ground;
    this.#dir = options.dir;
    this.#relay = options.relay;
    this.#events = options.events;
    this.line = new SimLine(world);
    this.cluster = new SimCluster(world, { onEffect: (effect) => options.events.effect(this, effect), onAttempt: (process, mark) => options.events.attempt(this, process, mark) });
    this.#machine = { wallOffMs: world.chance(0.5) ? 0 : world.between(-1, 1) * world.pick([5_000, 3_600_000, 400 * 86_400_000]) };
    this.#drift = (world.between(-1, 1) * driftPpmMost) / 1e6;
  }

  get name(): string {
    return this.ground.name;
  }

  get file(): string {
    return join(this.#dir, `${this.name}.db`);
  }

  get live(): LiveAgent | null {
    return this.#live;
  }

  get #file(): string {
    return join(this.#dir, `${this.name}.db`);
  }

  get #witnessPlace(): WitnessPlace {
    return { name: "file", everyMs: 1_000, read: async () => this.#witness, write: async (text) => void (this.#witness = text) };
  }

  /** As quarantine.ts does it at a start, without the folder. */
  async #judge(): Promise<void> {
    const witness = this.#witness === null ? null : parseWitness(this.#witness);
    if (this.#renewal === null && witness !== null) {
      const store = openStoreInline<agentModule.AgentOperations>({ file: this.#file, module: agentModule, mustExist: true });
      const why = await disproofOf(store, witness);
      await store.close();
      if (why !== null) this.#renewal = { why, witness: null };
    }
    if (this.#renewal === null) return;
    this.world.note(this.name, `makes its database anew: ${this.#renewal.why}`);
    const making = `${this.#file}.making`;
    await makeAnew({ file: this.#file, making, why: this.#renewal.why, nowMs: epochMs + this.world.nowMs, witnesses: witness === null ? [] : [witness] });
    this.#removeFiles();
    renameSync(making, this.#file);
    this.#renewal = null;
    this.epoch += 1;
    this.isPutBack = false;
  }

  #removeFiles(): void {
    for (const end of ["", "-wal", "-shm"]) rmSync(`${this.#file}${end}`, { force: true });
  }

  #isStarting = false;

  start(): void {
    if (this.#live !== null || this.#isStarting) return;
    this.#isStarting = true;
    void this.#judge().then(() => {
      this.#isStarting = false;
      this.#begin();
    });
  }

  #begin(): void {
    const { world, ground } = this;
    const process = new SimProcess(world, `${ground.name}#${(this.#starts += 1)}`, this.#machine);
    const boot = `${process.name} boot`;
    world.note(ground.name, `starts (${process.name})`);
    process.onDeath(() => {
      this.#live = null;
      world.after(world.between(500, 20_000), () => this.start());
    });
    process.run(() => {
      const store = new SimStore<agentModule.AgentOperations>(process, { file: this.file, module: agentModule, observe: (...told) => this.#events.observe(this, ...told) });
      const agentEpoch = store.rows<{ value: string }>("SELECT value FROM facts WHERE name = 'agentEpoch'")[0]!.value;
      const agent = new Agent({
        settings: { reportEveryMs: 30_000, drainMs: 5_000, kubeconfig: "", storeBytes: 268_435_456 },
        folder: { dir: this.#dir, keys: ground.keys, siteId: ground.id, agentEpoch, witnessTrouble: "", store: this.#events.tamper(store.store) },
        log: silentLog,
        version: "0.0.0",
        ports: {
          clock: process.clock,
          random: world.random,
          machine: { kernelBoot: `kernel ${this.#kernelBoot}`, uptimeMs: () => (world.nowMs - this.#bootedMs) * (1 + this.#drift) },
          boot,
          openRelay: (_relay, signal) => this.line.dial(process, () => this.#accepting(), (...told) => this.#events.message(this, ...told), signal),
          openCluster: () => Promise.resolve(this.cluster.forAgent(process)),
          listen: () => Promise.resolve(),
          openWitnesses: () => [this.#witnessPlace],
          freeOctets: () => 10 * 1_073_741_824,
        },
      });
      this.#live = { process, store };
      this.#events.started(this);
      const ended = (renewal: Renewal | null): void => {
        if (process.isDead || renewal === null) return;
        this.#renewal = renewal;
        this.kill("its database is put aside");
      };
      agent.run().then(ended, (error: unknown) => world.note(ground.name, `ended by itself: ${String(error)}`));
    });
  }

  #accepting(): Parameters<SimLine["dial"]>[1] extends () => infer There ? There : never {
    const live = this.#relay.live;
    return live === null ? null : { process: live.process, accept: (socket) => this.#relay.accept(live, socket) };
  }

  kill(why: string): void {
    if (this.#live === null) return;
    this.world.note(this.name, `killed: ${why}`);
    this.#live.process.kill();
  }

  /** As a power cut: the machine's uptime begins anew. */
  reboot(): void {
    this.kill("the machine reboots");
    this.#kernelBoot += 1;
    this.#bootedMs = this.world.nowMs;
  }

  /** Copies the database as it is now, `isWhole`: and its witness. What comes back kills the agent and puts that copy in its place. */
  backup(isWhole: boolean): (() => void) | null {
    if (this.#live === null) return null;
    const parts = ["", "-wal"].filter((end) => existsSync(`${this.#file}${end}`));
    const copy = `${this.#file}.copy-${Math.round(this.world.nowMs)}`;
    for (const end of parts) copyFileSync(`${this.#file}${end}`, `${copy}${end}`);
    const witness = this.#witness;
    const { epoch } = this;
    return () => {
      if (this.epoch !== epoch || this.#isStarting) return; // another database is in its place
      this.kill("an old copy is put in its place");
      this.epoch += 1;
      this.isPutBack = true;
      if (isWhole) this.#witness = witness;
      this.#removeFiles();
      for (const end of parts) copyFileSync(`${copy}${end}`, `${this.#file}${end}`);
    };
  }

  /** The database is lost, the keys are not. */
  async loseDisk(): Promise<void> {
    this.kill("its database is lost");
    this.#witness = null;
    this.#renewal = null;
    this.isPutBack = false;
    this.epoch += 1;
    await this.#ground.freshAgent(this.ground, this.#dir, `epoch-${this.name}-${this.epoch}`, this.epoch * 100_000);
  }
}
