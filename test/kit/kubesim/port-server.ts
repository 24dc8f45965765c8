// The server inside every simulated pod. Speaks HTTP when the first bytes look like it: `/` answers `hello from <pod>`, `/echo` the body
// it got, `/bytes/N` N bytes; anything else is echoed as it came. It runs on streams, not on sockets.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

const chunkBytes = 65_536;
const looksLikeHttp = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /;
const echoPort = 7;

/** Names the pod behind a stream for the request handler. */
const podNames = new WeakMap<object, string>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = podNames.get(request.socket) ?? "pod";
  const bytes = /^\/bytes\/(\d+)/.exec(request.url ?? "");
  if (request.url?.startsWith("/echo") === true) {
    response.writeHead(200, { "Content-Type": "application/octet-stream" });
    request.pipe(response);
  } else if (bytes !== null) {
    let left = Number(bytes[1]);
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": String(left) });
    for (; left > 0; left -= chunkBytes) {
      if (!response.write(Buffer.alloc(Math.min(left, chunkBytes), "x"))) await new Promise((resolve) => response.once("drain", resolve));
    }
    response.end();
  } else {
    request.resume();
    const body = `hello from ${name}\n`;
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": String(body.length) });
    response.end(body);
  }
}

export class PortServer {
  readonly #http: Server = createServer((request, response) => void answer(request, response));

  serve(stream: Duplex, podName: string, port: number): void {
    podNames.set(stream, podName);
    stream.on("error", () => undefined);
    stream.once("data", (first: Buffer) => {
      stream.pause();
      stream.unshift(first);
      if (port !== echoPort && looksLikeHttp.test(first.toString("latin1", 0, 10))) this.#http.emit("connection", stream);
      else stream.pipe(stream);
      stream.resume();
    });
    stream.once("end", () => stream.end());
  }

  close(): void {
    this.#http.close();
  }
}
