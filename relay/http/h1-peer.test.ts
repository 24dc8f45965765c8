// One client's socket under our own HTTP/1.1 codec, over real TCP: requests in turn, bodies, early answers, what is handed to the library, and what is refused.
import { createServer as createHttp } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { Fault } from "../../shared/kit/errors.ts";
import { HeadBudget } from "./head-budget.ts";
import { H1Peer } from "./h1-peer.ts";
import type { H1Request } from "./h1-request.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Stage {
  readonly port: number;
  readonly peers: H1Peer[];
  readonly budget: HeadBudget;
  readonly seen: string[];
}

/** A server of peers; `onRequest` plays the relay, the library answers what is handed over. */
async function stage(onRequest: (request: H1Request) => void): Promise<Stage> {
  const seen: string[] = [];
  const library = createHttp((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
    request.on("end", () => response.end(`library ${request.method} ${request.url} ${body}`));
  });
  const peers: H1Peer[] = [];
  const budget = new HeadBudget();
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    const handlers = { onRequest, handOver: (taken: TLSSocket) => library.emit("connection", taken), refusal: (fault: Fault) => Buffer.from(`HTTP/1.1 ${fault.httpStatus} x\r\ncontent-length: 0\r\nx-code: ${fault.code}\r\n\r\n`) };
    peers.push(new H1Peer(socket as TLSSocket, handlers, budget));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    for (const peer of peers) peer.socket.destroy();
    library.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, peers, budget, seen };
}

/** Answers each request with its method, path and body. */
function echo(request: H1Request): void {
  let body = "";
  const answer = (): void => {
    const text = `${request.method} ${request.url} ${body}`;
    request.send(Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`, "latin1"));
    request.finish();
  };
  request.accept({ onBody: (chunk) => (body += Buffer.from(chunk).toString("latin1")), onBodyEnd: answer, onDrain: () => {}, onGone: () => {} });
  if (!request.hasBody) answer();
}

class Client {
  readonly socket: Socket;
  text = "";
  readonly closed: Promise<void>;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    closers.push(() => this.socket.destroy());
    this.socket.setEncoding("latin1");
    this.socket.on("data", (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve(this.#wake())));
  }

  async until(words: string, times = 1): Promise<void> {
    while (this.text.split(words).length - 1 < times) {
      if (this.socket.closed) throw new Error(`closed without ${words}: ${this.text}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

test("requests of one socket are answered in turn, whole, octet by octet and all at once", async () => {
  const { port } = await stage(echo);
  const text = `${get("/k8s/a/1")}POST /k8s/a/2 HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello${get("/k8s/a/3")}PUT /k8s/a/4 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
  const atOnce = new Client(port);
  atOnce.socket.write(text);
  await atOnce.until("HTTP/1.1 200", 4);
  await atOnce.until("PUT /k8s/a/4 abc");
  const slow = new Client(port);
  for (const octet of text) {
    slow.socket.write(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await slow.until("PUT /k8s/a/4 abc");
  expect(slow.text).toBe(atOnce.text);
  expect(atOnce.text.match(/(?:GET|POST|PUT) \S+ [a-z]*/g)).toEqual(["GET /k8s/a/1 ", "POST /k8s/a/2 hello", "GET /k8s/a/3 ", "PUT /k8s/a/4 abc"]);
});

test("a request that waits holds back those behind it, and they are not lost", async () => {
  const waiting: H1Request[] = [];
  const { port } = await stage((request) => waiting.push(request));
  const client = new Client(port);
  client.socket.write(get("/k8s/a/1") + get("/k8s/a/2"));
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  client.socket.write(get("/k8s/a/3"));
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(waiting.map(({ url }) => url)).toEqual(["/k8s/a/1"]);
  echo(waiting[0]!);
  await client.until("GET /k8s/a/1");
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  echo(waiting[1]!);
  while (waiting.length < 3) await new Promise((resolve) => setImmediate(resolve));
  echo(waiting[2]!);
  await client.until("GET /k8s/a/3");
});

test("the same header lines are judged once", async () => {
  const blocks: unknown[] = [];
  const { port } = await stage((request) => {
    blocks.push(request.block);
    echo(request);
  });
  const client = new Client(port);
  for (const [index, more] of ["a: b\r\n", "a: b\r\n", "a: c\r\n"].entries()) {
    client.socket.write(get("/k8s/a/", more));
    await client.until("HTTP/1.1 200", index + 1);
  }
  expect(blocks[0]).toBe(blocks[1]);
  expect(blocks[2]).not.toBe(blocks[1]);
});

test.each(["/api/v1/sites", "/healthz", "/"])("a socket that asks for %s is the library's from there on, body and all", async (path) => {
  const { port } = await stage(echo);
  const client = new Client(port);
  client.socket.write(get("/k8s/a/1"));
  await client.until("GET /k8s/a/1");
  client.socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel`);
  client.socket.write("lo");
  await client.until(`library POST ${path} hello`);
  client.socket.write(get("/k8s/a/2"));
  await client.until("library GET /k8s/a/2");
});

test("HTTP/1.0 is the library's", async () => {
  const { port } = await stage(echo);
  const client = new Client(port);
  client.socket.write("GET /k8s/a/ HTTP/1.0\r\n\r\n");
  await client.until("library GET /k8s/a/");
  await client.closed;
});

test("Connection: close ends the socket behind the answer", async () => {
  const { port } = await stage(echo);
  const client = new Client(port);
  client.socket.write(get("/k8s/a/", "Connection: close\r\n"));
  await client.closed;
  expect(client.text).toContain("GET /k8s/a/");
});

test("100-continue is answered when somebody wants the body", async () => {
  const { port } = await stage(echo);
  const client = new Client(port);
  client.socket.write("POST /k8s/a/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  await client.until("HTTP/1.1 100 Continue\r\n\r\n");
  client.socket.write("ok");
  await client.until("POST /k8s/a/ ok");
});

test("an early answer reaches a client that still sends, and the next request on the socket works", async () => {
  const { port } = await stage((request) => {
    if (request.method === "GET") return echo(request);
    request.accept({ onBody: () => {}, onBodyEnd: () => {}, onDrain: () => {}, onGone: () => {} });
    request.send(Buffer.from("HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n"));
    request.finish();
  });
  const client = new Client(port);
  client.socket.write("POST /k8s/a/ HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc");
  await client.until("413");
  client.socket.write(`def${get("/k8s/a/next")}`);
  await client.until("GET /k8s/a/next");
});

test.each([
  ["a bare LF head", "GET /k8s/a/ HTTP/1.1\nHost: x\n\n", "HEAD_MALFORMED"],
  ["a folded line", "GET /k8s/a/ HTTP/1.1\r\na: b\r\n c\r\n\r\n", "HEAD_MALFORMED"],
  ["two lengths", "GET /k8s/a/ HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx", "HEADER_REFUSED"],
  ["length beside chunked", "GET /k8s/a/ HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "HEADER_REFUSED"],
  ["garbage", "\u0016\u0003\u0001\r\n\r\n", "HEAD_MALFORMED"],
  ["absolute form", "GET http://b/k8s/a/ HTTP/1.1\r\n\r\n", "HEAD_MALFORMED"],
  ["a head over 1 MiB", `GET /k8s/a/ HTTP/1.1\r\na: ${"b".repeat(1_048_577)}\r\n\r\n`, "HEAD_TOO_LARGE"],
])("%s is refused with its code, and the socket ends", async (_what, text, code) => {
  let asked = 0;
  const { port } = await stage(() => (asked += 1));
  const client = new Client(port);
  client.socket.write(text, "latin1");
  await client.until(code);
  await client.closed;
  expect(asked).toBe(0);
});

test("a malformed chunk ends socket and request: what came before must not look complete", async () => {
  let gone = 0;
  let ended = 0;
  const { port } = await stage((request) => request.accept({ onBody: () => {}, onBodyEnd: () => (ended += 1), onDrain: () => {}, onGone: () => (gone += 1) }));
  const client = new Client(port);
  client.socket.write("POST /k8s/a/ HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
  await client.closed;
  await new Promise((resolve) => setImmediate(resolve));
  expect([gone, ended]).toEqual([1, 0]);
});

test("a client that goes away is told once, in the middle of a body and while it waits", async () => {
  for (const text of ["POST /k8s/a/ HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc", get("/k8s/a/")]) {
    let client: Client | null = null;
    let times = 0;
    const told = new Promise<H1Request>((resolve) => {
      const onRequest = (request: H1Request): void => {
        request.accept({ onBody: () => {}, onBodyEnd: () => {}, onDrain: () => {}, onGone: () => ((times += 1), resolve(request)) });
        client!.socket.destroy();
      };
      void stage(onRequest).then(({ port }) => {
        client = new Client(port);
        client.socket.write(text);
      });
    });
    expect((await told).isGone).toBe(true);
    expect(times).toBe(1);
  }
});

test("half heads hold bounded memory, which is free again when they are gone", async () => {
  const { port, budget } = await stage(echo);
  const half = `GET /k8s/a/ HTTP/1.1\r\na: ${"b".repeat(1_000_000)}`;
  const clients = Array.from({ length: 10 }, () => new Client(port));
  for (const client of clients) client.socket.write(half);
  await Promise.any(clients.map((client) => client.until("TOO_MANY")));
  for (const client of clients) client.socket.destroy();
  while (!budget.take("127.0.0.1", 8_388_608)) await new Promise((resolve) => setImmediate(resolve));
  budget.giveBack("127.0.0.1", 8_388_608);
  const after = new Client(port);
  after.socket.write(get("/k8s/a/after"));
  await after.until("GET /k8s/a/after");
});

test("what a peer waits for, and since when, can be asked", async () => {
  const { port, peers } = await stage(() => {});
  const client = new Client(port);
  client.socket.write("GET /k8s/a/ HT");
  while (peers[0]?.waiting(performance.now())?.hasPart !== true) await new Promise((resolve) => setImmediate(resolve));
  expect(peers[0]!.waiting(performance.now() + 60_000)!.forMs).toBeGreaterThan(59_000);
  client.socket.write("TP/1.1\r\n\r\n");
  while (peers[0]!.waiting(performance.now()) !== null) await new Promise((resolve) => setImmediate(resolve));
});
