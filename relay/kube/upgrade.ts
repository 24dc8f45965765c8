// Upgrades at the relay: exec, attach, cp and port-forward over SPDY/3.1 or WebSocket. Authorise, open one stream, and after the API server's
// 101 copy octets both ways without looking at them. A refusal or any other answer passes through as an ordinary response, which is what
// makes newer kubectl fall back to SPDY. Refuses upgrades with a body or with octets sent ahead. Called by relay/http.
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { endThenDestroy } from "../../shared/kit/linger.ts";
import { findHeader, forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import { keepable } from "../../shared/wire/keepable.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { ResponseHead } from "../../shared/wire/message.ts";
import { factsOf, readRequest, type GatewayPorts } from "./gateway.ts";
import { statusAnswer } from "./status-body.ts";

/** Kubernetes' way to carry a bearer token where a browser cannot set headers (apiserver websocket protocol.go). */
const BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

export async function handleKubeUpgrade(ports: GatewayPorts, request: IncomingMessage, socket: Socket, ahead: Buffer): Promise<void> {
  socket.on("error", () => socket.destroy());
  try {
    if (ahead.length > 0) throw new Fault("UPGRADE_REFUSED", { what: "the upgrade request has octets behind it", why: "nothing may be sent before the 101 answer", hint: "wait for the answer before the first octets" });
    const length = request.headers["content-length"];
    if (request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0")) {
      throw new Fault("UPGRADE_REFUSED", { what: "the upgrade request has a body", why: "where the body ends and the upgraded stream begins would be open to reading", hint: "send the upgrade without a body" });
    }
    const { authorization, protocols } = credentials(request);
    const operator = await ports.authenticate(authorization);
    const { site, head } = readRequest(ports, factsOf(request), operator, true);
    const open = await ports.siteOpener(site, operator);
    if (socket.destroyed) return;
    const bridge = new UpgradeBridge(socket);
    bridge.start(open({ ...head, headers: withProtocols(head.headers, protocols) }, bridge));
  } catch (error) {
    refuseUpgrade(socket, asFault(error));
  }
}

/** The operator's token and the protocols that go on, with a token among them taken out. */
function credentials(request: IncomingMessage): { authorization: string | null; protocols: string | null } {
  const offered = request.headers["sec-websocket-protocol"] ?? null;
  if (offered === null) return { authorization: request.headers.authorization ?? null, protocols: null };
  const names = offered.split(",").map((name) => name.trim());
  const bearer = names.find((name) => name.startsWith(BEARER_PROTOCOL));
  const rest = names.filter((name) => name !== bearer).join(", ");
  const hidden = bearer === undefined ? null : `Bearer ${Buffer.from(bearer.slice(BEARER_PROTOCOL.length), "base64url").toString("utf8")}`;
  return { authorization: request.headers.authorization ?? hidden, protocols: rest };
}

function withProtocols(headers: readonly string[], protocols: string | null): string[] {
  const out: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) if (headers[index] !== "sec-websocket-protocol") out.push(headers[index]!, headers[index + 1]!);
  if (protocols !== null && protocols !== "") out.push("sec-websocket-protocol", protocols);
  return out;
}

function refuseUpgrade(socket: Socket, fault: Fault): void {
  endThenDestroy(socket, statusAnswer(fault, true));
}

function headText(status: number, flat: readonly string[]): Buffer {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let index = 0; index + 1 < flat.length; index += 2) text += `${flat[index]}: ${flat[index + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

class UpgradeBridge implements StreamSink {
  readonly #socket: Socket;
  #stream!: LinkStream;
  #heldOctets = 0;
  #isUpgraded = false;
  #hasHead = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(stream: LinkStream): void {
    this.#stream = stream;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("data", (chunk: Buffer) => {
      if (!this.#isUpgraded) return void this.#failEarly(); // octets before the 101: nobody's honest client
      if (!stream.write(chunk)) socket.pause();
    });
    socket.on("end", () => (this.#isUpgraded ? stream.finish() : stream.reset("cancelled")));
    socket.on("drain", () => {
      const octets = this.#heldOctets;
      this.#heldOctets = 0;
      stream.take(octets);
    });
    socket.on("close", () => stream.reset("cancelled"));
  }

  onHead(head: ResponseHead): void {
    this.#hasHead = true;
    const flat = forwardedResponseHeaders(head.headers);
    if (head.status === 101) {
      this.#isUpgraded = true;
      flat.push("connection", "Upgrade", "upgrade", findHeader(head.headers, "upgrade") ?? "");
    } else {
      this.#stream.finish();
      flat.push("connection", "close");
    }
    this.#socket.write(headText(head.status, flat));
  }

  onOctets(chunk: Uint8Array): void {
    if (this.#socket.write(keepable(chunk))) this.#stream.take(chunk.length);
    else this.#heldOctets += chunk.length;
  }

  onEnd(): void {
    const socket = this.#socket;
    socket.end();
    // No upgrade came of it: this was the last answer, and once the socket has taken it nothing holds the client here.
    if (!this.#isUpgraded) socket.once("finish", () => endThenDestroy(socket));
  }

  onStop(): void {
    this.#stream.finish();
  }

  onWritable(): void {
    this.#socket.resume();
  }

  onFail(fault: Fault): void {
    if (this.#hasHead) this.#socket.destroy();
    else refuseUpgrade(this.#socket, fault);
  }

  #failEarly(): void {
    this.#stream.reset("cancelled");
    refuseUpgrade(this.#socket, new Fault("UPGRADE_REFUSED", { what: "octets came before the upgrade was answered", why: "nothing may be sent before the 101 answer", hint: "wait for the answer before the first octets" }));
  }
}
