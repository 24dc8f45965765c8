// Commands of one kind after the other against an API server in memory, through the agent's own catalog and its own calls: what a claim keeps is kept between two runs
// of one command, as after a kill, and forgotten for the next command.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeCatalog, type Catalog, type Effect, type RunArgs } from "../../agent/command/catalog.ts";
import { openCluster, type Cluster } from "../../agent/kube/cluster.ts";
import { KubeObjects, statusFault, type KubeAnswer, type KubeCall } from "../../agent/kube/objects.ts";
import { impersonationOf } from "../../agent/kube/policy.ts";
import type { CommandOutcome, CommandSpec } from "../../shared/api.ts";
import { systemClock, type Clock } from "../../shared/kit/clock.ts";
import { parseCommandSpec } from "../../shared/rules/command-spec.ts";
import { startKubesim, type Kubesim, type KubesimOptions } from "./kubesim/kubesim.ts";
import { makeTempDir } from "./temp-dir.ts";

/** Waits of a command pass so many times faster here; the API server keeps its own time. */
const haste = 50;
const hurried: Clock = { wallMs: () => systemClock.wallMs(), monoMs: () => systemClock.monoMs() * haste, after: (delayMs, wake) => systemClock.after(delayMs / haste, wake) };

export class CommandBench {
  readonly dir = makeTempDir("commands");
  readonly sim: Kubesim;
  readonly #cluster: Cluster;
  readonly #catalog: Catalog;
  readonly calls: KubeCall[] = [];
  /** May answer in the API server's place. */
  strike: (call: KubeCall) => KubeAnswer | Promise<KubeAnswer | null> | null = () => null;
  /** What the claim of the command keeps. */
  resolved: string | null = null;
  leaves: string | null = null;
  gavePlace = 0;
  #commands = 0;

  private constructor(sim: Kubesim, cluster: Cluster) {
    this.sim = sim;
    this.#cluster = cluster;
    const objects = new KubeObjects(cluster.access, cluster.pool, systemClock);
    const call = async (asked: KubeCall): Promise<KubeAnswer> => {
      this.calls.push(asked);
      return (await this.strike(asked)) ?? objects.call(asked);
    };
    const self = () => Promise.resolve({ name: "plant-07", version: "0.1.0" });
    this.#catalog = makeCatalog({ objects: { call, pathOf: (...args) => objects.pathOf(...args) }, impersonationOf, statusFault }, hurried, self);
  }

  static async open(options: KubesimOptions = {}): Promise<CommandBench> {
    const sim = await startKubesim({ port: 0, ...options });
    const dir = makeTempDir("commands-kubeconfig");
    const kubeconfig = join(dir, "kubeconfig");
    writeFileSync(kubeconfig, sim.kubeconfig());
    const cluster = await openCluster({ kubeconfig, serviceHost: null, servicePort: null });
    rmSync(dir, { recursive: true, force: true });
    return new CommandBench(sim, cluster);
  }

  async close(): Promise<void> {
    await this.#cluster.close();
    await this.sim.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** A new command, to its outcome; a Fault that it ends with rejects. */
  run(spec: unknown): Promise<CommandOutcome> {
    this.#commands += 1;
    this.resolved = null;
    this.leaves = null;
    return this.again(spec);
  }

  /** The same command once more, as after a restart. */
  again(spec: unknown): Promise<CommandOutcome> {
    return this.#catalog.run(this.#args(parseCommandSpec(spec)));
  }

  /** As after the loss of the agent's disk: nothing of the command is known but its order. */
  forget(): void {
    this.resolved = null;
    this.leaves = null;
  }

  cleanUp(): Promise<void> {
    return this.#catalog.cleanUp(this.commandId, this.leaves!, new AbortController().signal);
  }

  get commandId(): string {
    return `command-${this.#commands}`;
  }

  #args(spec: CommandSpec): RunArgs {
    const hasBegun = (): boolean => this.leaves !== null;
    const resolved = (): string | null => this.resolved;
    const effect: Effect = {
      mayHaveBegun: false,
      get hasBegun() {
        return hasBegun();
      },
      get resolved() {
        return resolved();
      },
      resolve: async (what) => void (this.resolved = what),
      waits: () => void (this.gavePlace += 1),
      begun: async (leaves) => void (this.leaves = leaves),
    };
    return { commandId: this.commandId, body: { operator: "ann", tier: "admin", spec }, signal: new AbortController().signal, effect, startedMs: Date.now() };
  }
}
