// Requests that ask for another protocol: exec, attach and port-forward. Admits them like any other, then hands the socket to the
// protocol that was asked for. A refusal leaves as an ordinary HTTP answer on the same socket.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Audit } from "./audit.ts";
import type { Services } from "./serve.ts";
import { StatusError } from "./status.ts";

export async function serveUpgrade(services: Services, audit: Audit, request: IncomingMessage, socket: Duplex, _head: Buffer): Promise<void> {
  const entry = audit.begin(services.world.clock.wallMs(), request.method ?? "GET", request.url ?? "/", request.headers);
  socket.once("close", () => audit.end(entry, "aborted"));
  const refusal = new StatusError(400, "Upgrade request required");
  entry.status = refusal.code;
  refuseOnSocket(socket, refusal);
}

export function refuseOnSocket(socket: Duplex, refusal: StatusError): void {
  const body = `${JSON.stringify(refusal.status)}\n`;
  socket.end(`HTTP/1.1 ${refusal.code} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}
