// A small CONNECT proxy, plain or inside TLS, with Basic credentials when told, and as rude as told: refuses, answers garbage, closes, or hangs. Counts what passes.
// Every name is its own to resolve, as behind a real site's proxy: it leads to loopback and nowhere else.
import { createServer as createPlain, type IncomingMessage } from "node:http";
import { createServer as createSecure } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";

export type Manner = "serve" | "refuse" | "garbage" | "endless" | "close" | "hang";

export interface ConnectProxyOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** `USER:PASSWORD`. */
  readonly credentials?: string;
  readonly manner?: Manner;
}

export class ConnectProxy {
  /** Targets that were asked for, in order, whether or not they were served. */
  readonly asked: string[] = [];
  /** First octets of each tunnel from its client: a TLS ClientHello. */
  readonly hellos: Buffer[] = [];
  served = 0;
  refused = 0;
  octets = 0;
  readonly #options: ConnectProxyOptions;
  readonly #server: ReturnType<typeof createPlain>;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor(options: ConnectProxyOptions = {}) {
    this.#options = options;
    this.#server = options.tls === undefined ? createPlain() : createSecure(options.tls);
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
    this.#server.on("connect", (request: IncomingMessage, socket: Socket, ahead: Buffer) => this.#connect(request, socket, ahead));
  }

  /** Listens; again on the same port after `stop`. */
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  get port(): number {
    return this.#port;
  }

  /** As HTTPS_PROXY wants it, with the credentials given. */
  url(credentials = ""): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://${credentials === "" ? "" : `${credentials}@`}127.0.0.1:${this.#port}`;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #connect(request: IncomingMessage, socket: Socket, ahead: Buffer): void {
    this.#keep(socket);
    this.asked.push(request.url ?? "");
    switch (this.#options.manner ?? "serve") {
      case "refuse":
        this.refused += 1;
        return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      case "garbage":
        return void socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      case "endless":
        return void socket.write(`HTTP/1.1 200 OK\r\n${"X-Filler: filler\r\n".repeat(2_000)}`);
      case "close":
        return void socket.end();
      case "hang":
        return;
      case "serve":
        return this.#serve(request, socket, ahead);
    }
  }

  #serve(request: IncomingMessage, socket: Socket, ahead: Buffer): void {
    const { credentials } = this.#options;
    if (credentials !== undefined && request.headers["proxy-authorization"] !== `Basic ${Buffer.from(credentials).toString("base64")}`) {
      this.refused += 1;
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="site"\r\nContent-Length: 0\r\n\r\n');
    }
    const port = Number(/:(\d+)$/.exec(request.url ?? "")?.[1]);
    const target = connect(port, "127.0.0.1");
    this.#keep(target);
    target.once("connect", () => {
      this.served += 1;
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (ahead.length > 0) target.write(ahead);
      socket.once("data", (chunk: Buffer) => this.hellos.push(chunk));
      for (const side of [socket, target]) side.on("data", (chunk: Buffer) => (this.octets += chunk.length));
      socket.pipe(target).pipe(socket);
    });
    socket.once("close", () => target.destroy());
    target.once("close", () => socket.destroy());
  }

  /** Ends every tunnel and stops listening. */
  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
