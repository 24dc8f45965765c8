// Subresources that are no streams: scale, eviction (within disruption budgets), tokens, bindings, and the HTTP proxy to a pod or Service, which answers
// `hello from <name>` and, at /echo, what it was sent.
import { randomBytes } from "node:crypto";
import { readBody, readObject, readPatch } from "./body.ts";
import { deleteObject, deleteOptions } from "./delete.ts";
import { mergePatched, jsonPatched } from "./patch.ts";
import { encoded, plainFormat } from "./present.ts";
import type { Exchange } from "./reply.ts";
import type { ResourceRoute } from "./route.ts";
import { selectorObjectPredicate } from "./selectors.ts";
import { badRequest, conflict, noSuchPath, StatusError, statusOf } from "./status.ts";
import { branch, count, isTree, text, timeText, without, type KubeObject, type Tree } from "./tree.ts";
import { isReady } from "./workloads.ts";
import { update, type WriteRequest } from "./write.ts";
import type { World } from "./world.ts";

async function answer(exchange: Exchange, code: number, body: Tree): Promise<void> {
  exchange.reply.head(code, { "Content-Type": "application/json" });
  await exchange.reply.end(encoded(body, plainFormat));
}

function scaleOf(object: KubeObject): Tree {
  const labels = Object.entries(branch(object, "spec", "selector", "matchLabels")).map(([key, value]) => `${key}=${String(value)}`);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: count(object, "spec", "replicas") ?? 0 },
    status: { replicas: count(object, "status", "replicas") ?? 0, selector: labels.sort().join(",") },
  };
}

async function serveScale(world: World, exchange: Exchange, request: WriteRequest, name: string): Promise<void> {
  const { kind, namespace } = request;
  const object = world.store.get(kind, namespace, name);
  if (exchange.method === "GET") return answer(exchange, 200, scaleOf(object));
  let wanted: unknown;
  if (exchange.method === "PUT") wanted = await readObject(exchange, world.settings.bodyBytesMax);
  else {
    const { form, body } = await readPatch(exchange, kind.isCustom, world.settings.bodyBytesMax);
    wanted = form === "json" ? jsonPatched(scaleOf(object), body) : mergePatched(scaleOf(object), body);
  }
  const replicas = count(wanted, "spec", "replicas");
  const revision = text(wanted, "metadata", "resourceVersion");
  if (replicas === undefined || replicas < 0) throw badRequest("spec.replicas: Invalid value: must be greater than or equal to 0");
  const current = world.store.get(kind, namespace, name);
  if (exchange.method === "PUT" && revision !== "" && revision !== current.metadata.resourceVersion) {
    throw conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
  }
  const next = { ...without(current, "status"), spec: { ...branch(current, "spec"), replicas } };
  const { object: written } = update(world, { ...request, subresource: "" }, name, next);
  return answer(exchange, 200, scaleOf(written));
}

/** Refuses what would leave a disruption budget with too few ready pods; a pod that is not ready may go. */
function requireBudget(world: World, namespace: string | undefined, pod: KubeObject): void {
  const budgets = world.store.list(world.kinds.find("policy", "v1", "poddisruptionbudgets")!, namespace).filter((budget) => selectorObjectPredicate(branch(budget, "spec")["selector"])(pod));
  if (budgets.length > 1) throw new StatusError(500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  const budget = budgets[0];
  if (budget === undefined || !isReady(pod)) return;
  const guarded = world.store.list(world.kinds.find("", "v1", "pods")!, namespace).filter(selectorObjectPredicate(branch(budget, "spec")["selector"]));
  const healthy = guarded.filter(isReady).length;
  const most = count(budget, "spec", "maxUnavailable");
  const least = count(budget, "spec", "minAvailable") ?? (most === undefined ? 0 : guarded.length - most);
  if (healthy - 1 >= least) return;
  const cause = { reason: "DisruptionBudget", message: `The disruption budget ${budget.metadata.name} needs ${least} healthy pods and has ${healthy} currently` };
  throw new StatusError(429, "Cannot evict pod as it would violate the pod's disruption budget.", { details: { causes: [cause] } });
}

async function serveEviction(world: World, exchange: Exchange, request: WriteRequest, name: string): Promise<void> {
  const body = await readObject(exchange, world.settings.bodyBytesMax);
  requireBudget(world, request.namespace, world.store.get(request.kind, request.namespace, name));
  deleteObject(world, request.kind, request.namespace, name, deleteOptions(request.query, branch(body, "deleteOptions")));
  return answer(exchange, 201, { ...statusOf(201, "", undefined, ""), status: "Success" });
}

async function serveToken(world: World, exchange: Exchange, request: WriteRequest, name: string): Promise<void> {
  const body = await readObject(exchange, world.settings.bodyBytesMax);
  world.store.get(request.kind, request.namespace, name);
  const seconds = count(body, "spec", "expirationSeconds") ?? 3600;
  const claims = Buffer.from(JSON.stringify({ sub: `system:serviceaccount:${request.namespace}:${name}` })).toString("base64url");
  const token = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.${randomBytes(24).toString("base64url")}`;
  const status = { token, expirationTimestamp: timeText(world.clock.wallMs() + seconds * 1000) };
  return answer(exchange, 201, { kind: "TokenRequest", apiVersion: "authentication.k8s.io/v1", metadata: { name, namespace: request.namespace }, spec: { ...branch(body, "spec"), expirationSeconds: seconds }, status });
}

async function serveProxy(world: World, exchange: Exchange, request: WriteRequest, route: ResourceRoute): Promise<void> {
  const name = route.name!.split(":").find((part) => !/^(https?|\d+|)$/.test(part)) ?? route.name!;
  world.store.get(request.kind, request.namespace, name);
  const body = await readBody(exchange, world.settings.bodyBytesMax);
  exchange.reply.head(200, { "Content-Type": "text/plain; charset=utf-8" });
  await exchange.reply.end(route.rest.startsWith("echo") ? Buffer.concat([Buffer.from(`${exchange.method} /${route.rest}\n`), body]) : `hello from ${name}\n`);
}

/** Ephemeral containers are added by a patch of the pod that its own address would refuse. */
async function serveEphemeral(world: World, exchange: Exchange, request: WriteRequest, name: string): Promise<void> {
  const { kind, namespace } = request;
  const pod = world.store.get(kind, namespace, name);
  if (exchange.method === "GET") return answer(exchange, 200, pod);
  const { form, body } = exchange.method === "PUT" ? { form: "merge", body: await readObject(exchange, world.settings.bodyBytesMax) } : await readPatch(exchange, false, world.settings.bodyBytesMax);
  const wanted = form === "json" ? jsonPatched(pod, body) : mergePatched(pod, body);
  if (!isTree(wanted)) throw badRequest("the patch leaves no object");
  const spec = { ...branch(pod, "spec"), ephemeralContainers: branch(wanted, "spec")["ephemeralContainers"] };
  return answer(exchange, 200, world.store.replace(kind, { ...pod, spec }));
}

export async function serveSubresource(world: World, exchange: Exchange, request: WriteRequest, route: ResourceRoute): Promise<void> {
  const { kind } = route;
  const name = route.name!;
  const is = (kindName: string, subresource: string, ...methods: string[]): boolean => kind.kind === kindName && route.subresource === subresource && methods.includes(exchange.method);
  if (kind.hasScale && route.subresource === "scale" && ["GET", "PUT", "PATCH"].includes(exchange.method)) return serveScale(world, exchange, request, name);
  if (is("Pod", "eviction", "POST")) return serveEviction(world, exchange, request, name);
  if (is("Pod", "ephemeralcontainers", "GET", "PUT", "PATCH")) return serveEphemeral(world, exchange, request, name);
  if (is("ServiceAccount", "token", "POST")) return serveToken(world, exchange, request, name);
  if ((kind.kind === "Pod" || kind.kind === "Service") && route.subresource === "proxy") return serveProxy(world, exchange, request, route);
  if (is("Pod", "binding", "POST")) {
    const body = await readObject(exchange, world.settings.bodyBytesMax);
    world.store.amend(kind, request.namespace, name, (pod) => ({ ...pod, spec: { ...branch(pod, "spec"), nodeName: text(body, "target", "name") } }));
    return answer(exchange, 201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
  }
  if (["exec", "attach", "portforward"].includes(route.subresource) && kind.kind === "Pod") throw new StatusError(400, "Upgrade request required");
  throw noSuchPath();
}
