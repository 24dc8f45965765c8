// One client's socket against clients that send in the worst way: a head octet by octet, questions whose answers nobody reads, bodies that nobody wanted.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, expect, test, vi } from "vitest";
import { HeadBudget } from "./head-budget.ts";
import { H1Peer } from "./h1-peer.ts";
import type { H1Request } from "./h1-request.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const close of closers.splice(0)) close();
});

/** A peer on a real socket, and the client's end of it. */
async function pair(onRequest: (request: H1Request) => void): Promise<{ readonly peer: H1Peer; readonly client: Socket }> {
  const handlers = { onRequest, handOver: () => {}, refusal: () => Buffer.from("HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n") };
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      resolve({ peer: new H1Peer(socket as TLSSocket, handlers, new HeadBudget()), client });
    });
    let client: Socket;
    server.listen(0, "127.0.0.1", () => (client = connect((server.address() as AddressInfo).port, "127.0.0.1")));
    closers.push(() => {
      server.close();
      client.destroy();
    });
  });
}

function refuse(request: H1Request): void {
  request.send(Buffer.from(`HTTP/1.1 503 x\r\nx-path: ${request.url}\r\ncontent-length: 0\r\n\r\n`));
  request.finish();
}

async function textUntil(client: Socket, words: string): Promise<string> {
  let text = "";
  client.setEncoding("latin1");
  for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    text += chunk;
    if (text.includes(words)) return text;
  }
  throw new Error(`the socket ended without ${words}: ${text}`);
}

test("a head that comes octet by octet costs a few looks at each octet, not one at all of them for each", async () => {
  const { peer } = await pair(refuse);
  const octets = 50_000;
  let looked = 0;
  // What may walk over octets or copy them; each counts what it walks over.
  for (const name of ["indexOf", "includes"] as const) {
    const real = Buffer.prototype[name] as (...parts: unknown[]) => number;
    vi.spyOn(Buffer.prototype, name).mockImplementation(function count(this: Buffer, ...parts: unknown[]) {
      looked += this.length - ((parts[1] as number | undefined) ?? 0);
      return real.apply(this, parts) as never;
    });
  }
  const set = Buffer.prototype.set as (this: Buffer, from: ArrayLike<number>, at?: number) => void;
  vi.spyOn(Buffer.prototype, "set").mockImplementation(function count(this: Buffer, ...parts: unknown[]) {
    const [from, at] = parts as [ArrayLike<number>, number | undefined];
    looked += from.length;
    set.call(this, from, at);
  });
  const concat = Buffer.concat.bind(Buffer);
  vi.spyOn(Buffer, "concat").mockImplementation((parts) => {
    const whole = concat(parts as Buffer[]);
    looked += whole.length;
    return whole;
  });
  peer.socket.emit("data", Buffer.from("GET /k8s/a/ HTTP/1.1\r\na: "));
  for (let index = 0; index < octets; index += 1) peer.socket.emit("data", Buffer.from("b"));
  expect(peer.waiting(performance.now())?.hasPart).toBe(true);
  expect(looked).toBeLessThan(16 * octets);
});

test("the end of a head is found wherever its octets are split", async () => {
  const head = "GET /k8s/a/ HTTP/1.1\r\nhost: x\r\n\r\n";
  for (let at = 1; at < head.length; at += 1) {
    let asked = 0;
    const { peer } = await pair(() => (asked += 1));
    peer.socket.emit("data", Buffer.from(head.slice(0, at)));
    expect(asked).toBe(0);
    peer.socket.emit("data", Buffer.from(head.slice(at)));
    expect(asked).toBe(1);
  }
});

test.each([
  ["is here", "hello", ""],
  ["comes later", "", "hello"],
  ["comes in two halves", "he", "llo"],
])("a request that is refused before anybody took its body, which %s, leaves the socket for the next one", async (_what, withHead, later) => {
  const { client } = await pair(refuse);
  client.write(`POST /k8s/a/first HTTP/1.1\r\ncontent-length: 5\r\n\r\n${withHead}`);
  await textUntil(client, "x-path: /k8s/a/first");
  client.write(`${later}GET /k8s/a/next HTTP/1.1\r\n\r\n`);
  await textUntil(client, "x-path: /k8s/a/next");
});

test("a slow client gets the whole of an answer that closes its socket, however long after", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const octets = 20_000_000;
  const { peer, client } = await pair((request) => {
    request.send(Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${octets}\r\n\r\n`));
    request.send(Buffer.alloc(octets, "x"));
    request.finish();
  });
  client.pause();
  client.write("GET /k8s/a/ HTTP/1.1\r\nconnection: close\r\n\r\n");
  while (!peer.socket.writableEnded) await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(60_000);
  let got = 0;
  client.on("data", (chunk) => (got += chunk.length));
  client.resume();
  await once(client, "end");
  expect(got).toBeGreaterThan(octets);
});

test("a client that asks and does not read is not asked on: its answers do not pile up, and all come when it reads", async () => {
  let asked = 0;
  const questions = 20_000;
  const answer = Buffer.from(`HTTP/1.1 401 x\r\ncontent-length: 1000\r\n\r\n${"x".repeat(1_000)}`);
  const { peer, client } = await pair((request) => {
    asked += 1;
    request.send(answer);
    request.finish();
  });
  client.pause();
  client.write("GET /k8s/a/ HTTP/1.1\r\n\r\n".repeat(questions));
  while (!peer.socket.writableNeedDrain) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(peer.socket.writableLength).toBeLessThan(peer.socket.writableHighWaterMark + 2 * answer.length);
  expect(asked).toBeLessThan(questions);
  let octets = 0;
  client.on("data", (chunk) => (octets += chunk.length));
  client.resume();
  while (octets < questions * answer.length) await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toBe(questions);
});
