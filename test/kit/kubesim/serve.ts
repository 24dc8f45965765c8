// From one exchange to its answer: who asks, what they name, whether they may, faults, and the handler. Every refusal leaves as a
// Status. The server (kubesim.ts) makes the exchange; nothing here touches sockets.
import { readObject, readOptions, readPatch } from "./body.ts";
import { deleteObject, deleteOptions } from "./delete.ts";
import { aggregated, aggregationOf, coreVersions, groupList, oneGroup, resourceList } from "./discovery.ts";
import { befall, type FaultRules } from "./faults.ts";
import { callerOf, effectiveUser, requireAllowed, type Caller } from "./identity.ts";
import { openapiProto } from "./openapi-proto.ts";
import { openapiV2, openapiV3, openapiV3Index } from "./openapi.ts";
import { servePodLog } from "./pod-log.ts";
import type { PodRuntime } from "./pods.ts";
import type { PortServer } from "./port-server.ts";
import { encoded, formatOf, plainFormat, presented } from "./present.ts";
import { pageOf, readList, readOne } from "./read.ts";
import { ClientGone, type Exchange } from "./reply.ts";
import { review } from "./reviews.ts";
import { routeOf, verbOf, type ResourceRoute } from "./route.ts";
import { methodNotAllowed, noSuchPath, StatusError } from "./status.ts";
import { serveSubresource } from "./subresources.ts";
import { branch, type KubeObject, type Tree } from "./tree.ts";
import { watch } from "./watch.ts";
import { create, patch, update, type WriteRequest, type Written } from "./write.ts";
import type { World } from "./world.ts";

export interface Services {
  readonly world: World;
  readonly faults: FaultRules;
  readonly pods: PodRuntime;
  readonly ports: PortServer;
}

async function answerJson(exchange: Exchange, body: Tree, contentType = "application/json", code = 200): Promise<void> {
  exchange.reply.head(code, { "Content-Type": contentType });
  await exchange.reply.end(encoded(body, plainFormat));
}

async function serveDiscovery(world: World, exchange: Exchange): Promise<void> {
  const { path } = exchange;
  const bare = path.replace(/\/$/, "");
  const parts = bare.split("/").slice(1);
  const { kinds, settings } = world;
  if (bare === "/api" || bare === "/apis") {
    const version = aggregationOf(exchange.request.headers.accept);
    if (version === null) return answerJson(exchange, bare === "/api" ? coreVersions : groupList(kinds));
    return answerJson(exchange, aggregated(kinds, bare === "/api", version), `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`);
  }
  if (bare === "/version") {
    const [major = "", minor = ""] = settings.gitVersion.replace(/^v/, "").split(".");
    return answerJson(exchange, { major, minor, gitVersion: settings.gitVersion, gitCommit: "0".repeat(40), gitTreeState: "clean", buildDate: "2025-01-01T00:00:00Z", goVersion: "go1.24.0", compiler: "gc", platform: "linux/amd64" });
  }
  if (["/healthz", "/livez", "/readyz"].some((root) => bare === root || bare.startsWith(`${root}/`))) {
    exchange.reply.head(200, { "Content-Type": "text/plain; charset=utf-8" });
    return exchange.reply.end("ok");
  }
  if (bare === "/openapi/v2") return serveOpenapiV2(world, exchange);
  if (bare === "/openapi/v3") return answerJson(exchange, openapiV3Index(kinds));
  if (bare.startsWith("/openapi/v3/")) {
    const document = openapiV3(kinds, bare.slice("/openapi/v3/".length), settings.gitVersion);
    if (document !== null) return answerJson(exchange, document);
  }
  const found = parts[0] === "api" && parts.length === 2 ? resourceList(kinds, "", parts[1]!) : parts[0] === "apis" && parts.length === 3 ? resourceList(kinds, parts[1]!, parts[2]!) : parts[0] === "apis" && parts.length === 2 ? oneGroup(kinds, parts[1]!) : null;
  if (found === null) throw noSuchPath();
  return answerJson(exchange, found);
}

/** Clients ask for `spec.v2@v1.0`, which is no valid media type; the answer names it with a dot, as the real server does. */
const protobufV2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

async function serveOpenapiV2(world: World, exchange: Exchange): Promise<void> {
  const document = openapiV2(world.kinds, world.settings.gitVersion);
  const accept = exchange.request.headers.accept ?? "";
  if (!/spec\.v2[@.]v1\.0\+protobuf/.test(accept)) return answerJson(exchange, document);
  exchange.reply.head(200, { "Content-Type": protobufV2 });
  await exchange.reply.end(openapiProto(document));
}

function warningHeaders(warnings: readonly string[]): Record<string, string> {
  return warnings.length === 0 ? {} : { Warning: warnings.map((warning) => `299 - ${JSON.stringify(warning)}`).join(", ") };
}

async function answerWritten(services: Services, exchange: Exchange, route: ResourceRoute, written: Written): Promise<void> {
  const format = formatOf(exchange.request.headers.accept, exchange.query);
  exchange.reply.head(written.isNew ? 201 : 200, { "Content-Type": format.media, ...warningHeaders(written.warnings) });
  await exchange.reply.end(encoded(presented(route.kind, written.object, format, services.world.clock.wallMs()), format));
}

async function serveDelete({ world }: Services, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const options = deleteOptions(exchange.query, await readOptions(exchange, world.settings.bodyBytesMax));
  if (route.name !== undefined) return answerJson(exchange, deleteObject(world, route.kind, route.namespace, route.name, options));
  const { objects, metadata } = pageOf(world, route.kind, route.namespace, exchange.query);
  for (const object of objects) {
    // An earlier deletion of this same request may have taken it along.
    if (world.store.find(route.kind, object.metadata.namespace, object.metadata.name) !== null) deleteObject(world, route.kind, object.metadata.namespace, object.metadata.name, options);
  }
  return answerJson(exchange, { kind: `${route.kind.kind}List`, apiVersion: objects[0]?.apiVersion ?? "v1", metadata, items: objects as KubeObject[] });
}

async function serveResource(services: Services, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { world } = services;
  const { method, query, request } = exchange;
  const defaultWriter = (request.headers["user-agent"] ?? "unknown").split("/")[0]!;
  const writeRequest: WriteRequest = { kind: route.kind, namespace: route.namespace, subresource: route.subresource, query, defaultWriter };
  const isOwn = route.subresource === "" || (route.subresource === "status" && route.kind.hasStatus);
  if (route.kind.kind === "Pod" && route.subresource === "log" && method === "GET") return servePodLog(world, services.pods, exchange, route);
  if (route.kind.kind === "Namespace" && route.subresource === "finalize" && method === "PUT") return answerWritten(services, exchange, route, { object: world.store.get(route.kind, undefined, route.name!), isNew: false, warnings: [] });
  if (!isOwn) return serveSubresource(world, exchange, writeRequest, route);
  switch (exchange.entry.verb) {
    case "watch":
      return watch(world, exchange, route);
    case "list":
      return readList(world, exchange, route);
    case "get":
      return readOne(world, exchange, route);
    case "create":
      if (route.name !== undefined) throw methodNotAllowed();
      return answerWritten(services, exchange, route, create(world, writeRequest, await readObject(exchange, world.settings.bodyBytesMax)));
    case "update":
      if (route.name === undefined) throw methodNotAllowed();
      return answerWritten(services, exchange, route, update(world, writeRequest, route.name, await readObject(exchange, world.settings.bodyBytesMax)));
    case "patch":
      if (route.name === undefined) throw methodNotAllowed();
      return answerWritten(services, exchange, route, patch(world, writeRequest, route.name, await readPatch(exchange, route.kind.isCustom, world.settings.bodyBytesMax)));
    case "delete":
    case "deletecollection":
      return serveDelete(services, exchange, route);
    default:
      throw methodNotAllowed();
  }
}

/** Fills the audit entry and decides whether the caller may. Shared with the upgraded requests. */
export function identify(world: World, exchange: Omit<Exchange, "reply">): { caller: Caller; route: ReturnType<typeof routeOf> } {
  const { entry, request, path } = exchange;
  const caller = callerOf(request.headers, request.rawHeaders, world.settings);
  entry.user = caller.user.name;
  entry.impersonated = caller.impersonated;
  const route = routeOf(path, world.kinds);
  if (route?.shape === "resource") {
    entry.verb = request.headers.upgrade === undefined ? verbOf(exchange.method, route, exchange.query) : "create";
    entry.resource = route.kind.plural;
    entry.namespace = route.namespace ?? "";
    entry.name = route.name ?? "";
  } else if (route !== null) {
    entry.verb = "create";
    entry.resource = route.kind.plural;
  }
  const attributes = { verb: entry.verb, group: route?.kind.group ?? "", resource: entry.resource, subresource: route?.shape === "resource" ? route.subresource : "", namespace: entry.namespace, name: entry.name, path };
  requireAllowed(world.settings, effectiveUser(caller), attributes);
  return { caller, route };
}

async function serveAdmitted(services: Services, exchange: Exchange): Promise<void> {
  const { world } = services;
  const { caller, route } = identify(world, exchange);
  const fault = services.faults.take(exchange);
  if (fault !== null && (await befall(fault, exchange, world.clock))) return;
  if (route === null) {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") throw noSuchPath();
    return serveDiscovery(world, exchange);
  }
  if (route.shape === "resource") return serveResource(services, exchange, route);
  if (exchange.method !== "POST") throw methodNotAllowed();
  const body = await readObject(exchange, world.settings.bodyBytesMax);
  return answerJson(exchange, review(world, route.kind, caller, { ...body, spec: branch(body, "spec") }), "application/json", 201);
}

export async function serve(services: Services, exchange: Exchange): Promise<void> {
  try {
    await serveAdmitted(services, exchange);
  } catch (error) {
    if (error instanceof ClientGone || exchange.reply.signal.aborted) return;
    if (exchange.reply.hasHead) return exchange.reply.abort();
    const refusal = error instanceof StatusError ? error : new StatusError(500, `Internal error occurred: ${(error as Error).stack ?? String(error)}`);
    // The body was not read to its end: its socket can serve no other request.
    if (refusal.code === 413) return exchange.reply.answerEarly(413, { "Content-Type": "application/json" }, `${JSON.stringify(refusal.status)}\n`);
    exchange.reply.head(refusal.code, { "Content-Type": "application/json", ...refusal.headers });
    await exchange.reply.end(`${JSON.stringify(refusal.status)}\n`);
  }
}
