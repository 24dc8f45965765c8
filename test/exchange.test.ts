// The relay's side of a request against real HTTP/1.1 and HTTP/2 clients, read by the library and by our own codec: what a stream delivers is what the client gets,
// whatever falls into one turn.
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import { connect, createServer as createHttp2, type Http2Server } from "node:http2";
import { connect as connectTcp, createServer as createTcp, type AddressInfo, type Server as TcpServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { Fault } from "../shared/kit/errors.ts";
import type { LinkStream, StreamSink } from "../shared/link/link-stream.ts";
import { HeadBudget } from "../relay/http/head-budget.ts";
import { H1Peer } from "../relay/http/h1-peer.ts";
import { Exchange } from "../relay/kube/exchange.ts";
import { H1Exchange } from "../relay/kube/h1-exchange.ts";
import { statusAnswer } from "../relay/kube/status-body.ts";

type Kind = "library" | "own" | "h2";
type Played = Required<Pick<StreamSink, "onHead" | "onOctets" | "onEnd" | "onFail">>;

const servers: (Server | Http2Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Calls {
  finished: number;
  reset: string | null;
  taken: number;
}

/** A server whose every request is played by `play`; what the exchange asks of its stream is written down. */
async function serve(kind: Kind, play: (exchange: Played, calls: Calls) => void): Promise<number> {
  const calls: Calls = { finished: 0, reset: null, taken: 0 };
  const stream = { finish: () => (calls.finished += 1), reset: (code: string) => (calls.reset ??= code), take: (octets: number) => (calls.taken += octets), write: () => true } as unknown as LinkStream;
  const onRequest = (request: never, response: never): void => {
    const exchange = new Exchange(request, response, true);
    exchange.start(stream);
    play(exchange, calls);
  };
  const onSocket = (socket: unknown): void => {
    const onH1Request = (request: ConstructorParameters<typeof H1Exchange>[0]): void => {
      const exchange = new H1Exchange(request, true);
      exchange.start(stream);
      play(exchange, calls);
    };
    new H1Peer(socket as TLSSocket, { onRequest: onH1Request, handOver: () => {}, refusal: (fault) => statusAnswer(fault, true) }, new HeadBudget());
  };
  const server = kind === "library" ? createServer(onRequest as never) : kind === "h2" ? createHttp2(onRequest as never) : createTcp(onSocket);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function getH1(port: number): Promise<{ status: number; body: string; isComplete: boolean }> {
  return new Promise((resolve, reject) => {
    get({ port, host: "127.0.0.1", path: "/k8s/a/", agent: false }, (answer: IncomingMessage) => {
      let body = "";
      answer.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
      answer.on("close", () => resolve({ status: answer.statusCode!, body, isComplete: answer.complete }));
      answer.on("error", () => {});
    }).on("error", reject);
  });
}

function getH2(port: number): Promise<{ status: number; body: string; isComplete: boolean }> {
  const client = connect(`http://127.0.0.1:${port}`);
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    const request = client.request({ ":path": "/k8s/a/" });
    let status = 0;
    let body = "";
    let isComplete = true;
    request.on("response", (headers) => (status = Number(headers[":status"])));
    request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
    request.on("error", () => (isComplete = false));
    request.on("close", () => {
      client.close();
      resolve({ status, body, isComplete: isComplete && request.rstCode === 0 });
    });
    request.end();
  });
}

const chunks = ["a".repeat(2_048), "b".repeat(1_701), "c".repeat(19_611)];
const whole = chunks.join("");

test("own: a refusal of HEAD has no body, which would pass for the answer to the next request", async () => {
  const port = await serve("own", (exchange) => exchange.onFail(new Fault("API_SERVER_DOWN", { what: "the API server is down" }), "upstream-down"));
  const socket = connectTcp(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  socket.write("HEAD /k8s/a/ HTTP/1.1\r\n\r\nHEAD /k8s/a/ HTTP/1.1\r\nconnection: close\r\n\r\n");
  await once(socket, "end");
  socket.destroy();
  expect(text).toMatch(/^(?:HTTP\/1\.1 502 [^{}]*\r\n\r\n){2}$/);
});

for (const [kind, ask] of [["library", getH1], ["own", getH1], ["h2", getH2]] as const) {
  test(`${kind}: head, several chunks and the end in one turn arrive whole`, async () => {
    const port = await serve(kind, (exchange) => {
      exchange.onHead({ status: 200, headers: ["content-type", "text/plain"] });
      for (const chunk of chunks) exchange.onOctets(Buffer.from(chunk));
      exchange.onEnd();
    });
    expect(await ask(port)).toEqual({ status: 200, body: whole, isComplete: true });
  });

  test(`${kind}: chunks in turns of their own arrive whole`, async () => {
    const port = await serve(kind, (exchange) => {
      exchange.onHead({ status: 200, headers: [] });
      exchange.onOctets(Buffer.from(chunks[0]!));
      setImmediate(() => {
        exchange.onOctets(Buffer.from(chunks[1]!));
        exchange.onOctets(Buffer.from(chunks[2]!));
        exchange.onEnd();
      });
    });
    expect(await ask(port)).toEqual({ status: 200, body: whole, isComplete: true });
  });

  test(`${kind}: a stream that fails in the middle of an event is no clean end`, async () => {
    const port = await serve(kind, (exchange) => {
      exchange.onHead({ status: 200, headers: [] });
      exchange.onOctets(Buffer.from('{"half":'));
      setTimeout(() => exchange.onFail(new Fault("LINK_LOST", { what: "cut" }), "unspecified"), 20);
    });
    expect((await ask(port)).isComplete).toBe(false);
  });

  test(`${kind}: a watch that fails between two events ends cleanly`, async () => {
    const port = await serve(kind, (exchange) => {
      exchange.onHead({ status: 200, headers: [] });
      exchange.onOctets(Buffer.from("{}\n"));
      setTimeout(() => exchange.onFail(new Fault("LINK_LOST", { what: "cut" }), "unspecified"), 20);
    });
    expect(await ask(port)).toEqual({ status: 200, body: "{}\n", isComplete: true });
  });

  test(`${kind}: a watch that a bug of ours ends between two events is no clean end: the event that was next may be lost`, async () => {
    const port = await serve(kind, (exchange) => {
      exchange.onHead({ status: 200, headers: [] });
      exchange.onOctets(Buffer.from("{}\n"));
      exchange.onFail(new Fault("BUG", { what: "a sink threw" }), "bug");
    });
    await expect(ask(port).then(({ isComplete }) => isComplete, () => false)).resolves.toBe(false);
  });

  test(`${kind}: a stream that fails before its head is a Status with our words`, async () => {
    const port = await serve(kind, (exchange) => exchange.onFail(new Fault("API_SERVER_DOWN", { what: "the API server is down" }), "upstream-down"));
    const answer = await ask(port);
    expect(answer.status).toBe(502);
    expect((JSON.parse(answer.body) as { message: string }).message).toContain("the API server is down");
  });

  test(`${kind}: a client that goes away resets the stream`, async () => {
    let calls: Calls | null = null;
    const port = await serve(kind, (exchange, seen) => {
      calls = seen;
      exchange.onHead({ status: 200, headers: [] });
      exchange.onOctets(Buffer.from("x\n"));
    });
    const gone = new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (calls?.reset === "cancelled") {
          clearInterval(look);
          resolve();
        }
      }, 5);
    });
    if (kind !== "h2") {
      const request = get({ port, host: "127.0.0.1", path: "/k8s/a/", agent: false }, (answer) => answer.once("data", () => request.destroy()));
      request.on("error", () => {});
    } else {
      const client = connect(`http://127.0.0.1:${port}`);
      client.request({ ":path": "/k8s/a/" }).once("data", () => client.destroy()).on("error", () => {});
    }
    await gone;
  });
}
