// kubesim: a small Kubernetes API server in memory, for fast tests and the demo. Real kubectl and helm work against it in ordinary use.
// It proves nothing about real clusters; it answers in their words. `startKubesim` opens it, `stop` leaves nothing behind.
import { createServer as createPlain, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createSecure } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock, type Clock } from "../../../shared/kit/clock.ts";
import { seededRandom } from "../../../shared/kit/random.ts";
import { Scope } from "../../../shared/kit/scope.ts";
import { Audit, type AuditEntry } from "./audit.ts";
import { bootstrap } from "./bootstrap.ts";
import { startControllers } from "./controllers.ts";
import { FaultRules, type FaultRule } from "./faults.ts";
import type { User } from "./identity.ts";
import { KindRegistry } from "./kinds.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { PodRuntime } from "./pods.ts";
import { PortServer } from "./port-server.ts";
import { pathOf, queryOf, Reply, type Exchange } from "./reply.ts";
import { serve, type Services } from "./serve.ts";
import { ObjectStore } from "./store.ts";
import { isTree, type KubeObject, type Tree } from "./tree.ts";
import { serveUpgrade } from "./upgrade.ts";
import { defaultSettings, type Settings, type World } from "./world.ts";
import { create, update } from "./write.ts";

export interface KubesimOptions {
  /** 0: any free port. */
  readonly port?: number;
  readonly host?: string;
  /** PEM; without it kubesim speaks plain HTTP. `ca` goes into the kubeconfig. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Bearer tokens and who they are; a bare name is a member of system:masters. Without it every token is taken. kubectl sends tokens over TLS only. */
  readonly tokens?: Readonly<Record<string, string | User>>;
  readonly nodes?: readonly string[];
  readonly seed?: number;
  readonly clock?: Clock;
  readonly faults?: readonly FaultRule[];
  readonly settings?: Partial<Omit<Settings, "tokens" | "nodes">>;
}

export interface Kubesim {
  readonly url: string;
  readonly port: number;
  readonly caPem: string;
  readonly world: World;
  /** A kubeconfig that reaches it, with the first token of the list. */
  kubeconfig(): string;
  audit(): readonly AuditEntry[];
  readonly auditBook: Audit;
  /** Requests under way now. */
  openRequests(): number;
  objects(kind: string, namespace?: string): readonly KubeObject[];
  find(kind: string, namespace: string | undefined, name: string): KubeObject | null;
  /** Creates or replaces an object as a client would; its status, where given, is kept. */
  put(object: Tree): KubeObject;
  /** Resolves with the object once it is there and `holds` is true of it. */
  until(kind: string, namespace: string | undefined, name: string, holds?: (object: KubeObject) => boolean): Promise<KubeObject>;
  remove(kind: string, namespace: string | undefined, name: string): void;
  /** Makes `count` objects of a kind with `bytesEach` of payload each. */
  fill(kind: string, namespace: string, count: number, bytesEach: number): void;
  /** Puts so many bytes of made lines before what the container logs. */
  bulkLog(namespace: string, pod: string, bytes: number, container?: string): void;
  fault(rule: FaultRule): () => void;
  clearFaults(): void;
  /** Watches from before now get 410. */
  compact(): void;
  /** Destroys every open socket, as a restart of the API server would. */
  dropSockets(): void;
  stop(): Promise<void>;
}

/** Heads up to 1 MiB: exec command lines are long. No request time limits: watches last. */
const serverOptions: ServerOptions = { maxHeaderSize: 1024 * 1024, keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 60_000, insecureHTTPParser: false };

function settingsOf(options: KubesimOptions): Settings {
  const tokens = options.tokens === undefined ? null : new Map(Object.entries(options.tokens).map(([token, user]) => [token, typeof user === "string" ? { name: user, groups: ["system:masters"] } : user]));
  return { ...defaultSettings, ...options.settings, tokens, ...(options.nodes === undefined ? {} : { nodes: options.nodes }) };
}

/** The server's open sockets, upgraded ones too: what a stop has to end. */
function socketsOf(server: Server): ReadonlySet<Duplex> {
  const sockets = new Set<Duplex>();
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

function exchangeOf(world: World, audit: Audit, request: IncomingMessage, response: ServerResponse): Exchange {
  const target = request.url ?? "/";
  const entry = audit.begin(world.clock.wallMs(), request.method ?? "GET", target, request.headers);
  const reply = new Reply(response, entry, world.clock);
  response.once("close", () => audit.end(entry, reply.isAnswered ? "complete" : "aborted"));
  return { request, method: request.method ?? "GET", path: pathOf(target), query: queryOf(target), reply, entry };
}

export async function startKubesim(options: KubesimOptions = {}): Promise<Kubesim> {
  const clock = options.clock ?? systemClock;
  const random = seededRandom(options.seed ?? 1);
  const scope = new Scope("kubesim");
  const world: World = { store: new ObjectStore(clock, random), kinds: new KindRegistry(), clock, random, scope, settings: settingsOf(options) };
  const audit = new Audit();
  const faults = new FaultRules();
  for (const rule of options.faults ?? []) faults.add(rule);
  const pods = new PodRuntime(world);
  const ports = new PortServer();
  const services: Services = { world, faults, pods, ports };
  const stopControllers = startControllers(world, pods);
  bootstrap(world);

  const handler = (request: IncomingMessage, response: ServerResponse): void => void serve(services, exchangeOf(world, audit, request, response));
  const { tls } = options;
  const server = tls === undefined ? createPlain(serverOptions, handler) : createSecure({ ...serverOptions, cert: tls.cert, key: tls.key, ALPNProtocols: ["http/1.1"] }, handler);
  const sockets = socketsOf(server);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => void serveUpgrade(services, audit, request, socket, head));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, options.host ?? "127.0.0.1", () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const caPem = tls?.ca ?? tls?.cert ?? "";
  const dropSockets = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  scope.onEnd(
    () =>
      new Promise<void>((resolve) => {
        stopControllers();
        pods.stopAll();
        ports.close();
        server.close(() => resolve());
        dropSockets();
      }),
  );
  return {
    url,
    port,
    caPem,
    world,
    kubeconfig: () => kubeconfigText(url, caPem, Object.keys(options.tokens ?? {})[0] ?? "any"),
    audit: () => audit.entries(),
    auditBook: audit,
    openRequests: () => audit.openCount,
    ...objectAccess(world),
    bulkLog: (namespace, pod, bytes, container = "") => void (pods.container(namespace, pod, container, "log").log.bulkBytes = bytes),
    fault: (rule) => faults.add(rule),
    clearFaults: () => faults.clear(),
    compact: () => world.store.compact(),
    dropSockets,
    stop: () => scope.end(),
  };
}

function objectAccess(world: World): Pick<Kubesim, "objects" | "find" | "put" | "until" | "remove" | "fill"> {
  const kindNamed = (name: string) => {
    const kind = world.kinds.named(name);
    if (kind === null) throw new TypeError(`kubesim serves no ${name}`);
    return kind;
  };
  const put = (object: Tree): KubeObject => {
    const kind = world.kinds.ofObject(String(object["apiVersion"]), String(object["kind"]));
    if (kind === null) throw new TypeError(`kubesim serves no ${String(object["kind"])} of ${String(object["apiVersion"])}`);
    const metadata = (isTree(object["metadata"]) ? object["metadata"] : {}) as { name: string; namespace?: string };
    const namespace = kind.namespaced ? (metadata.namespace ?? "default") : undefined;
    const request = { kind, namespace, subresource: "", query: new URLSearchParams(), defaultWriter: "kubesim" };
    const found = world.store.find(kind, namespace, metadata.name);
    const written = found === null ? create(world, request, object) : update(world, request, metadata.name, object);
    if (!isTree(object["status"])) return written.object;
    return world.store.replace(kind, { ...written.object, status: object["status"] });
  };
  return {
    objects: (kind, namespace) => world.store.list(kindNamed(kind), namespace),
    find: (kind, namespace, name) => world.store.find(kindNamed(kind), namespace, name),
    put,
    until: (kindName, namespace, name, holds = () => true) =>
      new Promise((resolve) => {
        const kind = kindNamed(kindName);
        const look = (): boolean => {
          const found = world.store.find(kind, namespace, name);
          if (found === null || !holds(found)) return false;
          resolve(found);
          return true;
        };
        if (look()) return;
        const unsubscribe = world.store.subscribe(() => void (look() && unsubscribe()));
      }),
    remove: (kind, namespace, name) => void world.store.remove(kindNamed(kind), namespace, name),
    fill: (kindName, namespace, count, bytesEach) => {
      const kind = kindNamed(kindName);
      const filler = "x".repeat(bytesEach);
      for (let index = 0; index < count; index += 1) {
        const name = `fill-${String(index).padStart(6, "0")}`;
        world.store.insert(kind, { apiVersion: kind.group === "" ? kind.version : `${kind.group}/${kind.version}`, kind: kind.kind, metadata: { name, ...(kind.namespaced ? { namespace } : {}) }, data: { filler } });
      }
    },
  };
}
