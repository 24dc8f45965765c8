// One site of a simulated run: its machine, its line, its cluster, and the product's own agent on it, started, killed, started again.
import { join } from "node:path";
import { Agent } from "../../agent/agent.ts";
import * as agentModule from "../../agent/store/operations.ts";
import { silentLog } from "../../shared/kit/log.ts";
import type { Ground, GroundSite } from "./ground.ts";
import type { Effect } from "./sim-cluster.ts";
import { SimCluster } from "./sim-cluster.ts";
import type { SimRelay, Tamper } from "./sim-relay.ts";
import { SimLine, type HearMessage } from "./sim-socket.ts";
import { SimStore, type Observe } from "./sim-store.ts";
import { SimProcess, type MachineClock, type World } from "./world.ts";

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

  start(): void {
    if (this.#live !== null) return;
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
        folder: { dir: this.#dir, keys: ground.keys, siteId: ground.id, agentEpoch, store: this.#events.tamper(store.store) },
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
          freeOctets: () => 10 * 1_073_741_824,
        },
      });
      this.#live = { process, store };
      this.#events.started(this);
      agent.run().catch((error: unknown) => world.note(ground.name, `ended by itself: ${String(error)}`));
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

  /** The database is lost, the keys are not. */
  async loseDisk(): Promise<void> {
    this.kill("its database is lost");
    this.epoch += 1;
    await this.#ground.freshAgent(this.ground, this.#dir, `epoch-${this.name}-${this.epoch}`, this.epoch * 100_000);
  }
}
