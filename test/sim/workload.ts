// What people ask in a simulated run: orders for sites at any time, asked again under their key until they are accepted, some of them taken back. Knows of the relay
// only what a caller of its API knows.
import type { CommandRequest, CommandSpec, KubeObject } from "../../shared/api.ts";
import { MARK, pathOf } from "./sim-cluster.ts";
import type { Checker } from "./checker.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { World } from "./world.ts";

const askAgainMs = [300, 5_000] as const;
/** A run's objects: few, so that orders meet. */
const OBJECTS = ["a", "b", "c", "d"];
/** Characters of one of them: most orders are small, and some take a while on a thin line. */
const SIZES = [0, 0, 0, 200, 200, 20_000, 150_000];

export interface WorkloadOptions {
  readonly world: World;
  readonly relay: SimRelay;
  readonly checker: Checker;
  readonly sites: readonly string[];
  readonly orders: number;
  /** Orders are given until then (ms). */
  readonly untilMs: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  /** Orders that were not accepted yet. */
  asking = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    const { world } = options;
    for (let index = 0; index < options.orders; index += 1) world.at(world.between(0, options.untilMs), () => void this.#order(`o-${index}`));
  }

  async #order(key: string): Promise<void> {
    const { world, relay, checker, sites } = this.#options;
    const site = world.pick(sites);
    const request = this.#request(site, key);
    this.asking += 1;
    for (;;) {
      try {
        const row = await relay.submit(request, key);
        checker.accepted.set(row.id, { id: row.id, site, key, paths: pathsOf(request.spec), isDelete: request.spec.kind === "delete" });
        world.note("operator", `${key} for ${site} is ${row.id.slice(0, 8)}, ${request.spec.kind}`);
        this.asking -= 1;
        return this.#takeBack(row.id);
      } catch (error) {
        world.note("operator", `${key}: ${(error as Error).message}`);
        await world.pause(world.between(...askAgainMs));
      }
    }
  }

  #request(site: string, key: string): CommandRequest {
    const { world } = this.#options;
    return {
      site,
      spec: this.#spec(key),
      ...(world.chance(0.3) ? { expiresInMs: Math.round(world.pick([8_000, 40_000, 200_000])) } : {}),
      ...(world.chance(0.15) ? { orderingKey: world.pick(["x", "y"]) } : {}),
      ...(world.chance(0.1) ? { collapseKey: world.pick(["m", "n"]) } : {}),
    };
  }

  #spec(key: string): CommandSpec {
    const choice = this.#options.world.random();
    const inJob = { name: `job-${key}`, namespace: "default", image: "image", env: {}, timeoutMs: 600_000 };
    if (choice < 0.12) return { kind: "script", ...inJob, script: "echo", shell: "sh", args: [] };
    if (choice < 0.35) return { kind: "job", ...inJob, command: [] };
    const objects = this.#objects(key);
    if (choice < 0.5) return { kind: "delete", objects: objects.map(({ apiVersion, kind, metadata: { name } }) => ({ apiVersion, kind, name, namespace: "default" })) };
    return { kind: "apply", objects, forceConflicts: false };
  }

  #objects(key: string): KubeObject[] {
    const { world } = this.#options;
    const names = OBJECTS.filter(() => world.chance(0.35));
    return (names.length === 0 ? [world.pick(OBJECTS)] : names).map((name) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", annotations: { [MARK]: key } }, data: { text: "x".repeat(world.pick(SIZES)) } }));
  }

  #takeBack(id: string): void {
    const { world, relay } = this.#options;
    const choice = world.random();
    const verb = choice < 0.1 ? "cancelCommand" : choice < 0.12 ? "abandonCommand" : null;
    if (verb === null) return;
    world.after(world.between(0, 30_000), () => {
      relay
        .ask(async ({ core }) => {
          const row = await core.operations.store.call(verb, { id, operator: "ann", nowMs: core.operations.clock.wallMs() });
          core.operations.poke(row.site);
        })
        .then(
          () => world.note("operator", `${verb} ${id.slice(0, 8)}`),
          (error: unknown) => world.note("operator", `${verb} ${id.slice(0, 8)}: ${(error as Error).message}`),
        );
    });
  }
}

/** What an order changes by name. */
function pathsOf(spec: CommandSpec): string[] {
  if (spec.kind === "apply") return spec.objects.map(pathOf);
  return spec.kind === "delete" ? spec.objects.map(({ apiVersion, kind, name }) => pathOf({ apiVersion, kind, metadata: { name, namespace: "default" } })) : [];
}
