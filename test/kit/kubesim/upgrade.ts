// Requests that ask for another protocol: exec, attach and port-forward. Admits them like any other, then hands the socket to the
// protocol that was asked for. A refusal leaves as an ordinary HTTP answer on the same socket.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer, type WebSocket } from "ws";
import { pause } from "../../../shared/kit/clock.ts";
import type { Audit, AuditEntry } from "./audit.ts";
import { execOverSpdy, spdyExecProtocols } from "./exec-spdy.ts";
import { execOverWebSocket, execProtocols } from "./exec-websocket.ts";
import { execOrder } from "./exec.ts";
import { identify, type Services } from "./serve.ts";
import { forwardPorts, portForwardProtocol } from "./port-forward.ts";
import { pathOf, queryOf } from "./reply.ts";
import type { ResourceRoute } from "./route.ts";
import { badRequest, noSuchPath, StatusError } from "./status.ts";

/** SPDY inside a WebSocket, as newer kubectl forwards ports. */
const wrappedProtocol = `SPDY/3.1+${portForwardProtocol}`;
/** kubectl sends 32 KiB at a time; others may not. */
const messageBytesMax = 16 * 1024 * 1024;

const webSockets = new WebSocketServer({
  noServer: true,
  maxPayload: messageBytesMax,
  perMessageDeflate: false,
  handleProtocols: (offered) => [...execProtocols, wrappedProtocol].find((protocol) => offered.has(protocol)) ?? false,
});

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly entry: AuditEntry;
  readonly route: ResourceRoute;
}

export async function serveUpgrade(services: Services, audit: Audit, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const entry = audit.begin(services.world.clock.wallMs(), request.method ?? "GET", request.url ?? "/", request.headers);
  let isWhole = false;
  socket.on("error", () => undefined);
  socket.once("close", () => audit.end(entry, isWhole ? "complete" : "aborted"));
  try {
    const route = admitted(services, request, entry);
    if (await meetsFault(services, request, socket, entry)) return;
    await dispatch(services, { request, socket, head, entry, route });
    isWhole = true;
    if (!socket.destroyed && socket.writableEnded && socket.readableEnded) socket.destroy();
  } catch (error) {
    if (entry.status === 101) return void socket.destroy();
    const refusal = error instanceof StatusError ? error : new StatusError(500, `Internal error occurred: ${String(error)}`);
    entry.status = refusal.code;
    isWhole = true;
    refuse(socket, refusal);
  }
}

function admitted(services: Services, request: IncomingMessage, entry: AuditEntry): ResourceRoute {
  const target = request.url ?? "/";
  const { route } = identify(services.world, { request, method: request.method ?? "GET", path: pathOf(target), query: queryOf(target), entry });
  if (route?.shape !== "resource" || route.kind.kind !== "Pod" || route.name === undefined) throw noSuchPath();
  if (!["exec", "attach", "portforward"].includes(route.subresource)) throw badRequest("the requested resource takes no upgrade");
  return route;
}

/** Of the faults, an upgrade meets those that come before the 101. */
async function meetsFault({ faults, world }: Services, request: IncomingMessage, socket: Duplex, entry: AuditEntry): Promise<boolean> {
  const fault = faults.take({ method: request.method ?? "GET", entry });
  if (fault === null) return false;
  if (fault.kind === "status") throw new StatusError(fault.code, fault.message ?? `simulated ${fault.code}`, fault.reason === undefined ? {} : { reason: fault.reason });
  if (fault.kind === "delay") await pause(world.clock, fault.delayMs, world.scope.signal);
  if (fault.kind === "hangUp") socket.destroy();
  return fault.kind === "hangUp" || fault.kind === "silence";
}

function refuse(socket: Duplex, refusal: StatusError): void {
  const body = `${JSON.stringify(refusal.status)}\n`;
  socket.end(`HTTP/1.1 ${refusal.code} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}

async function dispatch(services: Services, upgrade: Upgrade): Promise<void> {
  const protocol = (upgrade.request.headers.upgrade ?? "").toLowerCase();
  if (protocol === "websocket" && services.world.settings.takesWebSockets) return overWebSocket(services, upgrade);
  if (protocol === "spdy/3.1") return overSpdy(services, upgrade);
  throw new StatusError(400, `unable to upgrade: unsupported protocol ${JSON.stringify(upgrade.request.headers.upgrade)}`);
}

/** The pod a port-forward goes to; it must run. */
function forwardedPod({ world, pods }: Services, route: ResourceRoute) {
  const pod = world.store.get(route.kind, route.namespace, route.name!);
  if (!pods.isRunning(pod)) throw badRequest(`unable to forward port because pod is not running. Current status=${String((pod["status"] as Record<string, unknown> | undefined)?.["phase"])}`);
  return pod;
}

function accepted(upgrade: Upgrade): Promise<WebSocket> {
  upgrade.entry.status = 101;
  return new Promise((resolve) => webSockets.handleUpgrade(upgrade.request, upgrade.socket, upgrade.head, resolve));
}

async function overWebSocket(services: Services, upgrade: Upgrade): Promise<void> {
  const { request, route } = upgrade;
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  if (route.subresource === "portforward") {
    if (!offered.includes(wrappedProtocol)) throw new StatusError(400, `unable to upgrade: the WebSocket protocol must be ${wrappedProtocol}`);
    const pod = forwardedPod(services, route);
    const socket = await accepted(upgrade);
    return forwardPorts(pod, services.ports, createWebSocketStream(socket, { allowHalfOpen: false }));
  }
  if (!execProtocols.some((each) => offered.includes(each))) throw new StatusError(400, `unable to upgrade: none of the WebSocket protocols ${offered.join(", ")} is spoken`);
  const order = execOrder(services.pods, route, queryOf(request.url ?? ""));
  return execOverWebSocket(services.pods, order, await accepted(upgrade));
}

async function overSpdy(services: Services, { request, socket, head, entry, route }: Upgrade): Promise<void> {
  const offered = String(request.headers["x-stream-protocol-version"] ?? "").split(",").map((each) => each.trim());
  const spoken: readonly string[] = route.subresource === "portforward" ? [portForwardProtocol] : spdyExecProtocols;
  const protocol = spoken.find((each) => offered.includes(each));
  if (protocol === undefined) {
    throw new StatusError(403, `unable to upgrade: unable to negotiate protocol: client supports ${JSON.stringify(offered)}, server accepts ${JSON.stringify(spoken)}`);
  }
  const order = route.subresource === "portforward" ? null : execOrder(services.pods, route, queryOf(request.url ?? ""));
  const pod = route.subresource === "portforward" ? forwardedPod(services, route) : null;
  entry.status = 101;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  if (pod !== null) return forwardPorts(pod, services.ports, socket);
  return execOverSpdy(services.pods, order!, protocol, socket, services.world.clock);
}
