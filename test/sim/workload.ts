// What people ask in a simulated run: orders for sites at any time, asked again under their key until they are accepted, some of them taken back. Knows of the relay
// only what a caller of its API knows.
import type { CommandRequest, CommandSpec, KubeObject } from "../../shared/api.ts";
import { MARK, partOf, pathOf, WORKLOADS } from "./sim-cluster.ts";
import type { Checker } from "./checker.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { World } from "./world.ts";

const askAgainMs = [300, 5_000] as const;
/** Parts of the orders that are of a kind; the others are applies. */
const PARTS = { script: 0.1, job: 0.2, delete: 0.12, scale: 0.1, restart: 0.08 } as const;

/** What orders are about. */
export interface Objects {
  /** Few, so that orders meet. */
  readonly names: readonly string[];
  /** Characters of one object. */
  readonly sizes: readonly number[];
  /** Part of the orders that have a short time. */
  readonly short: number;
}

/** Most orders are small, and some take a while on a thin line. */
export const usualObjects: Objects = { names: ["a", "b", "c", "d"], sizes: [0, 0, 0, 200, 200, 20_000, 150_000], short: 0.3 };

export interface WorkloadOptions {
  readonly world: World;
  readonly relay: SimRelay;
  readonly checker: Checker;
  readonly sites: readonly string[];
  readonly orders: number;
  readonly objects: Objects;
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
    for (let index = 0; index < options.orders; index += 1) world.at(world.between(0, options.untilMs), () => void this.#order(index));
  }

  async #order(index: number): Promise<void> {
    const { world, relay, checker, sites } = this.#options;
    const key = `o-${index}`;
    const site = world.pick(sites);
    const request = this.#request(site, index);
    const octets = JSON.stringify(request).length;
    this.asking += 1;
    for (;;) {
      try {
        const row = await relay.submit(request, key);
        checker.accepted.set(row.id, { id: row.id, site, key, paths: pathsOf(request.spec), isDelete: request.spec.kind === "delete", octets });
        world.note("operator", `${key} for ${site} is ${row.id.slice(0, 8)}, ${request.spec.kind}`);
        this.asking -= 1;
        return this.#takeBack(row.id);
      } catch (error) {
        world.note("operator", `${key}: ${(error as Error).message}`);
        await world.pause(world.between(...askAgainMs));
      }
    }
  }

  #request(site: string, index: number): CommandRequest {
    const { world, objects } = this.#options;
    return {
      site,
      spec: this.#spec(index),
      ...(world.chance(objects.short) ? { expiresInMs: Math.round(world.pick([8_000, 40_000, 200_000])) } : {}),
      ...(world.chance(0.15) ? { orderingKey: world.pick(["x", "y"]) } : {}),
      ...(world.chance(0.1) ? { collapseKey: world.pick(["m", "n"]) } : {}),
    };
  }

  #spec(index: number): CommandSpec {
    const { world } = this.#options;
    const key = `o-${index}`;
    let choice = world.random();
    const isOf = (kind: keyof typeof PARTS): boolean => (choice -= PARTS[kind]) < 0;
    const object = { apiVersion: "apps/v1", kind: "Deployment", name: world.pick(WORKLOADS), namespace: "default" };
    if (isOf("scale")) return { kind: "scale", object, replicas: index + 1 };
    if (isOf("restart")) return { kind: "restart", object };
    const inJob = { name: `job-${key}`, namespace: "default", image: "image", env: {}, timeoutMs: 600_000 };
    if (isOf("script")) return { kind: "script", ...inJob, script: "echo", shell: "sh", args: [] };
    if (isOf("job")) return { kind: "job", ...inJob, command: [] };
    const objects = this.#objects(key);
    if (isOf("delete")) return { kind: "delete", objects: objects.map(({ apiVersion, kind, metadata: { name } }) => ({ apiVersion, kind, name, namespace: "default" })) };
    return { kind: "apply", objects, forceConflicts: false };
  }

  #objects(key: string): KubeObject[] {
    const { world, objects } = this.#options;
    const names = objects.names.filter(() => world.chance(Math.min(0.35, 2 / objects.names.length)));
    return (names.length === 0 ? [world.pick(objects.names)] : names).map((name) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", annotations: { [MARK]: key } }, data: { text: "x".repeat(world.pick(objects.sizes)) } }));
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
  if (spec.kind === "scale" || spec.kind === "restart") return [partOf(spec.object.name, spec.kind)];
  return spec.kind === "delete" ? spec.objects.map(({ apiVersion, kind, name }) => pathOf({ apiVersion, kind, metadata: { name, namespace: "default" } })) : [];
}
