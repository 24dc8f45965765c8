// A cluster in memory, as far as commands need one: objects that are applied, read and deleted, Jobs that end by themselves. It outlives every agent, answers late,
// is away for a while, and what was asked of it may have been done although nobody heard the answer. Writes down each thing that changed: what the checker counts.
import { Fault } from "../../shared/kit/errors.ts";
import type { KubeObject } from "../../shared/api.ts";
import type { KubeAnswer, KubeCall } from "../../agent/kube/objects.ts";
import type { SiteCluster } from "../../agent/kube/site-cluster.ts";
import type { SimProcess, World } from "./world.ts";

/** A thing that was done to the cluster by a command. */
export interface Effect {
  readonly atMs: number;
  readonly kind: "applied" | "started" | "removed" | "scaled" | "restarted";
  /** What it was done to. */
  readonly path: string;
  /** Which command asked for it, by what it wrote into the object; null for removals. */
  readonly mark: string | null;
}

/** What the last scale and the last restart left. */
interface Marked extends KubeObject {
  readonly left?: Readonly<Record<string, string>>;
  readonly spec?: { readonly replicas?: number };
}

interface Stored {
  readonly body: KubeObject;
  readonly version: number;
  readonly uid: string;
}

/** Where a command's own mark stands in what it applies; a Job says its command by an annotation of the product's. */
export const MARK = "sim/command";
/** Deployments that every cluster has, for orders that change what is there. */
export const WORKLOADS = ["w-1", "w-2", "w-3"] as const;
const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";
/** A scale is known by its number, which no other order of a run has; a restart by its object and the stamp that it wrote; whoever looks for one of these by its name. */
export const scaleMark = (replicas: number): string => `scale ${replicas}`;
export const restartMark = (name: string, stamp: string): string => `restart ${name} ${stamp}`;
export const workMark = (name: string): string => `work on ${name}`;
/** The part of a workload that an order changes: two of them can change different ones. */
export const partOf = (name: string, part: "scale" | "restart"): string => `${pathOf({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "default" } })}/${part}`;
const COMMAND_ID = "bowline.dev/command-id";

export class SimCluster {
  readonly #world: World;
  readonly #objects = new Map<string, Stored>();
  readonly effects: Effect[] = [];
  readonly onEffect: (effect: Effect) => void;
  /** A command of this mark begins to do something, in this process. */
  readonly onAttempt: (process: SimProcess, mark: string) => void;
  awayUntilMs = 0;
  #version = 0;

  constructor(world: World, told: { readonly onEffect: SimCluster["onEffect"]; readonly onAttempt: SimCluster["onAttempt"] }) {
    this.#world = world;
    this.onEffect = told.onEffect;
    this.onAttempt = told.onAttempt;
    for (const name of WORKLOADS) {
      const body = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "default" } };
      this.#objects.set(pathOf(body), { body, version: 0, uid: `uid-${name}` });
    }
  }

  /** Mark of the order that left what is there now as it is; "" when none did. */
  leftBy(path: string): string {
    const [, object, part] = /^(.*?)(?:\/(scale|restart))?$/.exec(path)!;
    const found = this.#objects.get(object!)?.body ?? null;
    if (part === undefined) return markOf(found);
    return (found as Marked | null)?.left?.[part] ?? "";
  }

  /** As the agent of this process sees it. */
  forAgent(process: SimProcess): SiteCluster {
    return {
      objects: {
        call: (call) => {
          if (call.method === "POST") this.onAttempt(process, markOf(call.body as KubeObject, COMMAND_ID));
          return this.#call(process, call);
        },
        pathOf: (object) => {
          const mark = object.kind === "Deployment" ? workMark(object.metadata.name) : markOf(object, MARK);
          if (mark !== "") this.onAttempt(process, mark); // what is deleted is only named
          return Promise.resolve(pathOf(object));
        },
      },
      facts: () => Promise.resolve({ kubernetes: { version: "v1.0", reachable: true, why: null }, nodes: [], nodesTotal: 0, unwell: [], unwellTotal: 0, workloadsTotal: this.#objects.size }),
      serve: (stream) => stream.reset("refused", new Fault("POLICY_REFUSED", { what: "no streams in a simulation" })),
      close: () => Promise.resolve(),
    };
  }

  #call(process: SimProcess, call: KubeCall): Promise<KubeAnswer> {
    const world = this.#world;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(call.signal.reason as Error);
      if (call.signal.aborted) return abort();
      call.signal.addEventListener("abort", abort, { once: true });
      const away = (mayHaveArrived: boolean): void => process.run(() => reject(new Fault("API_SERVER_DOWN", { what: "the API server does not answer", why: "it is away", facts: mayHaveArrived ? { mayHaveArrived } : {} })));
      // It is on its way: the death of its sender stops it no more.
      world.after(world.between(1, 40), () => {
        if (world.nowMs < this.awayUntilMs && world.chance(0.9)) return world.after(world.between(1, 2_000), () => away(false));
        const answer = this.#answer(call);
        world.after(world.between(1, 40), () => {
          if (world.nowMs < this.awayUntilMs) return away(true);
          process.run(() => {
            call.signal.removeEventListener("abort", abort);
            resolve(answer);
          });
        });
      });
    });
  }

  #answer({ method, path: whole, body }: KubeCall): KubeAnswer {
    const path = whole.split("?")[0]!;
    const found = this.#objects.get(path);
    if (path.endsWith("/scale")) return this.#scale(path.slice(0, -"/scale".length), body as Marked | undefined);
    const stamp = (body as { spec?: { template?: { metadata?: { annotations?: Record<string, string> } } } } | undefined)?.spec?.template?.metadata?.annotations?.[RESTARTED_AT];
    if (method === "PATCH" && stamp !== undefined) return this.#restart(path, stamp);
    switch (method) {
      case "GET":
        return found === undefined ? refused(404, "NotFound") : { status: 200, body: this.#shown(found) };
      case "PATCH":
        return this.#apply(path, body as KubeObject, found);
      case "POST":
        return this.#create(path, body as KubeObject);
      case "DELETE":
        if (found === undefined) return refused(404, "NotFound");
        if (!isMeant(found, body)) return refused(409, "Conflict");
        this.#objects.delete(path);
        this.#effect("removed", path, null);
        return { status: 200, body: {} };
    }
  }

  #apply(path: string, body: KubeObject, found: Stored | undefined): KubeAnswer {
    const isSame = found !== undefined && JSON.stringify(found.body) === JSON.stringify(body);
    const version = (this.#version += 1);
    const stored = isSame ? found : { body, version, uid: found?.uid ?? `uid-${version}` };
    this.#objects.set(path, stored);
    this.#effect("applied", path, markOf(body, MARK));
    return { status: found === undefined ? 201 : 200, body: this.#shown(stored) };
  }

  #scale(path: string, body: Marked | undefined): KubeAnswer {
    const found = this.#objects.get(path);
    if (found === undefined) return refused(404, "NotFound");
    const replicas = body?.spec?.replicas;
    if (replicas === undefined) return { status: 200, body: { spec: { replicas: (found.body as Marked).spec?.replicas ?? 0 } } };
    return this.#leave(path, { part: "scale", mark: scaleMark(replicas), kind: "scaled", more: { spec: { replicas } } });
  }

  #restart(path: string, stamp: string): KubeAnswer {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return this.#objects.has(path) ? this.#leave(path, { part: "restart", mark: restartMark(name, stamp), kind: "restarted", more: {} }) : refused(404, "NotFound");
  }

  #leave(path: string, { part, mark, kind, more }: { readonly part: string; readonly mark: string; readonly kind: "scaled" | "restarted"; readonly more: object }): KubeAnswer {
    const found = this.#objects.get(path)!;
    const stored = { ...found, body: { ...found.body, ...more, left: { ...(found.body as Marked).left, [part]: mark } }, version: (this.#version += 1) };
    this.#objects.set(path, stored);
    this.#effect(kind, `${path}/${part}`, mark);
    return { status: 200, body: this.#shown(stored) };
  }

  #create(collection: string, body: KubeObject): KubeAnswer {
    const path = `${collection}/${body.metadata.name}`;
    if (this.#objects.has(path)) return refused(409, "AlreadyExists");
    const version = (this.#version += 1);
    const stored = { body, version, uid: `uid-${version}` };
    this.#objects.set(path, stored);
    this.#effect("started", path, markOf(body, COMMAND_ID));
    const endMs = this.#world.between(100, 30_000);
    const type = this.#world.chance(0.8) ? "Complete" : "Failed";
    this.#world.after(endMs, () => {
      if (this.#objects.get(path) !== stored) return;
      this.#objects.set(path, { ...stored, body: { ...body, status: { conditions: [{ type, status: "True", message: "as it ended" }] } }, version: (this.#version += 1) });
    });
    return { status: 201, body: this.#shown(stored) };
  }

  #shown({ body, version, uid }: Stored): unknown {
    return structuredClone({ ...body, metadata: { ...body.metadata, resourceVersion: String(version), uid } });
  }

  #effect(kind: Effect["kind"], path: string, mark: string | null): void {
    const effect = { atMs: this.#world.nowMs, kind, path, mark };
    this.effects.push(effect);
    this.onEffect(effect);
  }
}

/** What an object's annotation says. */
function markOf(object: KubeObject | null, name = MARK): string {
  return (object?.metadata["annotations"] as Record<string, string> | undefined)?.[name] ?? "";
}

export function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  return `/${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}/namespaces/${metadata.namespace ?? "default"}/${kind.toLowerCase()}s/${metadata.name}`;
}

/** A delete may name the very object that it means. */
function isMeant(found: Stored, body: unknown): boolean {
  const uid = (body as { preconditions?: { uid?: string } } | undefined)?.preconditions?.uid;
  return uid === undefined || uid === found.uid;
}

function refused(status: number, reason: string): KubeAnswer {
  return { status, body: { kind: "Status", status: "Failure", reason, message: reason } };
}
