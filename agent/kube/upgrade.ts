// Upgrades at the agent: sends the client's upgrade to the API server on a socket of its own, and after the 101 copies octets both ways
// without looking at them. Any other answer goes back as an ordinary response. The socket is never pooled: what it carries after an upgrade,
// or after a refused one, belongs to one client.
import { request as httpRequest, type IncomingMessage, type ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import { keepable } from "../../shared/wire/keepable.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { RequestHead } from "../../shared/wire/message.ts";
import { headBytesMax } from "../../shared/wire/limits.ts";
import type { KubeAccess } from "./access.ts";
import { judgeRequest } from "./policy.ts";
import { credentialsFault, refusesAgent, resetCode, upstreamFault, upstreamHeaders } from "./proxy.ts";

export interface UpgradePorts {
  readonly access: KubeAccess;
  /** A fresh socket to the API server. */
  readonly dial: (signal: AbortSignal) => Promise<Socket>;
}

export function serveKubeUpgrade(ports: UpgradePorts, stream: LinkStream, head: RequestHead): void {
  const headers = upstreamHeaders(ports.access, head, judgeRequest(head));
  // Node would send a POST without a length in chunks, and an upgrade has no body.
  if (head.method !== "GET" && !headers.includes("content-length")) headers.push("content-length", "0");
  headers.push("connection", "Upgrade");
  const bridge = new UpstreamBridge(ports, stream);
  stream.sink = bridge;
  void bridge.begin(head, headers);
}

class UpstreamBridge implements StreamSink {
  readonly #ports: UpgradePorts;
  readonly #stream: LinkStream;
  readonly #abort = new AbortController();
  #request: ClientRequest | null = null;
  #socket: Socket | null = null;
  #answer: IncomingMessage | null = null;
  #heldOctets = 0;

  constructor(ports: UpgradePorts, stream: LinkStream) {
    this.#ports = ports;
    this.#stream = stream;
  }

  async begin(head: RequestHead, headers: string[]): Promise<void> {
    const { access, dial } = this.#ports;
    let socket: Socket;
    try {
      socket = await dial(this.#abort.signal);
    } catch (error) {
      const fault = asFault(error);
      return this.#stream.reset(resetCode(fault), fault);
    }
    if (this.#stream.isOver) return void socket.destroy();
    socket.setNoDelay(true);
    const request = httpRequest({
      createConnection: () => socket,
      host: access.host,
      port: access.port,
      method: head.method,
      path: access.basePath + head.target,
      headers: ["host", access.authority, ...headers] as never,
      maxHeaderSize: headBytesMax,
      setHost: false,
    } as never);
    this.#request = request;
    request.on("upgrade", (answer, upgraded, ahead) => this.#onUpgraded(answer, upgraded as Socket, ahead));
    request.on("response", (answer) => this.#onAnswer(answer, head.target));
    request.on("error", (error) => this.#fail(error));
    request.end();
  }

  #onUpgraded(answer: IncomingMessage, socket: Socket, ahead: Buffer): void {
    const headers = forwardedResponseHeaders(answer.rawHeaders);
    headers.push("upgrade", answer.headers.upgrade ?? "");
    this.#socket = socket;
    this.#stream.respond({ status: 101, headers });
    socket.setTimeout(0);
    socket.on("data", (chunk: Buffer) => {
      if (!this.#stream.write(chunk)) socket.pause();
    });
    socket.on("drain", () => {
      const octets = this.#heldOctets;
      this.#heldOctets = 0;
      this.#stream.take(octets);
    });
    socket.on("end", () => this.#stream.finish());
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#stream.finish());
    if (ahead.length > 0 && !this.#stream.write(ahead)) socket.pause();
  }

  #onAnswer(answer: IncomingMessage, target: string): void {
    const status = answer.statusCode ?? 502;
    this.#answer = answer;
    if (refusesAgent(status, target)) {
      answer.on("error", () => {}).resume(); // its words are about the agent; the socket goes with the stream
      return void credentialsFault(this.#ports.access, false).then((fault) => this.#fail(fault));
    }
    this.#stream.respond({ status, headers: forwardedResponseHeaders(answer.rawHeaders) });
    answer.on("data", (chunk: Buffer) => {
      if (!this.#stream.write(chunk)) answer.pause();
    });
    answer.on("end", () => this.#stream.finish());
    answer.on("error", (error) => this.#fail(error));
    answer.on("close", () => this.#request?.destroy());
  }

  onOctets(chunk: Uint8Array): void {
    if (this.#socket === null || this.#socket.writableEnded) return this.#stream.take(chunk.length); // nothing may come before the 101
    if (this.#socket.write(keepable(chunk))) this.#stream.take(chunk.length);
    else this.#heldOctets += chunk.length;
  }

  onEnd(): void {
    this.#socket?.end();
  }

  onStop(): void {
    this.#stream.finish();
  }

  onWritable(): void {
    (this.#socket ?? this.#answer)?.resume();
  }

  onFail(fault: Fault): void {
    this.#abort.abort(fault);
    this.#request?.destroy();
    this.#socket?.destroy();
  }

  onClose(): void {
    this.#request?.destroy();
    this.#socket?.destroy();
  }

  #fail(error: unknown): void {
    if (this.#stream.isOver) return;
    const hasHead = this.#socket !== null || this.#answer !== null;
    const fault = upstreamFault(error, this.#ports.access.origin, hasHead);
    this.#stream.reset(resetCode(fault), fault);
    this.onClose();
  }
}
