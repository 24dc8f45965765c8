// The agent's requests to an API server that behaves badly, over real TCP: what an answer is, when it is broken, and what may be sent again. The stream is a
// stand-in that writes down what it is told; the real one is tested with the link.
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { KubeAccess } from "../agent/kube/access.ts";
import { serveKubeRequest } from "../agent/kube/exchange.ts";
import { UpstreamPool } from "../agent/kube/upstream.ts";
import { Fault } from "../shared/kit/errors.ts";
import type { LinkStream, StreamSink } from "../shared/link/link-stream.ts";
import type { RequestHead, ResponseHead } from "../shared/wire/message.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Told {
  head: ResponseHead | null;
  body: string;
  taken: number;
  stop: string | null;
  reset: { code: string; fault: Fault | undefined } | null;
  sink: StreamSink;
  /** Resolves when the answer has ended, well or badly. */
  ended: Promise<Told>;
}

interface Api {
  readonly sockets: Socket[];
  readonly pool: UpstreamPool;
  ask(request?: Partial<RequestHead>, hasEnded?: boolean): Told;
  refreshes: number;
}

/** An API server that plays `onRequest` for each socket's octets (all that came so far). */
async function api(onOctets: (text: string, socket: Socket, index: number) => void): Promise<Api> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => onOctets((text += chunk), socket, index));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const pool = new UpstreamPool(() => new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  }));
  const result: Api = { sockets, pool, refreshes: 0, ask: (request = {}, hasEnded = true) => ask(result, port, request, hasEnded) };
  closers.push(() => {
    pool.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return result;
}

function ask(on: Api, port: number, request: Partial<RequestHead>, hasEnded: boolean): Told {
  const access = { origin: `http://127.0.0.1:${port}`, authority: `127.0.0.1:${port}`, basePath: "", authorization: () => `Bearer t${on.refreshes}`, refresh: () => Promise.resolve((on.refreshes += 1) > 0) } as unknown as KubeAccess;
  let settle: (told: Told) => void = () => {};
  const told: Told = { head: null, body: "", taken: 0, stop: null, reset: null, sink: null as never, ended: new Promise((resolve) => (settle = resolve)) };
  const stream = {
    set sink(sink: StreamSink) {
      told.sink = sink;
    },
    respond: (head: ResponseHead) => (told.head = head),
    write: (chunk: Uint8Array) => ((told.body += Buffer.from(chunk).toString("latin1")), true),
    finish: () => setImmediate(() => settle(told)),
    stop: (code: string) => (told.stop = code),
    reset: (code: string, fault?: Fault) => ((told.reset = { code, fault }), settle(told)),
    take: (octets: number) => (told.taken += octets),
  } as unknown as LinkStream;
  const head: RequestHead = { flags: { interactive: false, upgrade: false, ends: hasEnded }, method: "GET", target: "/api", operator: "ann", tier: "admin", requestId: "r-1", source: "", headers: ["accept", "*/*"], ...request };
  serveKubeRequest({ access, upstreams: on.pool }, stream, head);
  return told;
}

const answer = (text: string, more = ""): string => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n${more}\r\n${text}`;
const whenWhole = (text: string, run: () => void): void => void (text.includes("\r\n\r\n") && run());

test("the request carries the client's headers, our token and the operator's identity, last", async () => {
  let seen = "";
  const on = await api((text, socket) => whenWhole(text, () => ((seen = text), socket.write(answer("ok", "Warning: a\r\nWarning: b\r\nSet-Cookie: x\r\n")))));
  const told = await on.ask().ended;
  expect(seen).toMatch(/^GET \/api HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\naccept: \*\/\*\r\nauthorization: Bearer t0\r\naudit-id: r-1\r\nimpersonate-user: bowline:ann\r\nimpersonate-group: bowline:admin\r\n\r\n$/);
  expect([told.head?.status, told.body]).toEqual([200, "ok"]);
  expect(told.head?.headers).toEqual(["content-length", "2", "warning", "a", "warning", "b"]);
});

test("a socket is used again after a whole answer, and not after Connection: close", async () => {
  const on = await api((text, socket, index) => whenWhole(text, () => socket.write(index === 0 && text.split("GET").length === 2 ? answer("one") : answer("two", "Connection: close\r\n"))));
  await on.ask().ended;
  expect((await on.ask().ended).body).toBe("two");
  expect(on.sockets).toHaveLength(1);
  await on.ask().ended;
  expect(on.sockets).toHaveLength(2);
});

test.each([
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"],
  ["until the socket's end", "HTTP/1.1 200 OK\r\n\r\nabcde", "abcde"],
  ["no content", "HTTP/1.1 204 No Content\r\n\r\n", ""],
  ["hints in front", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"],
])("an answer with %s is read whole", async (_what, text, body) => {
  const on = await api((asked, socket) => whenWhole(asked, () => (text.includes("200 OK\r\n\r\n") ? socket.end(text) : socket.write(text))));
  const told = await on.ask().ended;
  expect([told.body, told.reset]).toEqual([body, null]);
});

test("HEAD has a length and no body", async () => {
  const on = await api((asked, socket) => whenWhole(asked, () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")));
  const told = await on.ask({ method: "HEAD" }).ended;
  expect([told.head?.status, told.body, told.reset]).toEqual([200, "", null]);
});

test.each([
  ["ends inside its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "upstream-broke"],
  ["ends inside a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "upstream-broke"],
  ["ends before its last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "upstream-broke"],
  ["has a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "upstream-broke"],
  ["has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "upstream-broke"],
  ["is no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "upstream-broke"],
  ["switches protocols unasked", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "upstream-broke"],
  ["does not come", "", "upstream-down"],
])("an answer that %s is never a whole one", async (_what, text, code) => {
  const on = await api((asked, socket) => whenWhole(asked, () => socket.end(text)));
  const told = await on.ask({ method: "POST" }).ended;
  expect(told.reset?.code).toBe(code);
  expect(told.reset?.fault?.message).toContain("the API server");
});

test("a kept socket that has died meanwhile is replaced for a GET, and never for a POST", async () => {
  // Each socket answers its first request; at the second it dies without a word.
  const on = await api((text, socket) => whenWhole(text, () => (text.match(/ HTTP\/1\.1/g)!.length === 1 ? socket.write(answer("ok")) : socket.destroy())));
  await on.ask().ended;
  expect((await on.ask().ended).body).toBe("ok");
  expect(on.sockets).toHaveLength(2);
  const told = await on.ask({ method: "POST", headers: ["content-length", "0"] }).ended;
  expect(told.reset?.code).toBe("upstream-down");
  expect(on.sockets).toHaveLength(2);
});

test("a refused token is read anew and the request sent once more, once", async () => {
  const on = await api((text, socket) => whenWhole(text, () => socket.write(text.includes("Bearer t0") ? "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno" : answer("yes"))));
  expect((await on.ask().ended).body).toBe("yes");
  const stuck = await api((text, socket) => whenWhole(text, () => socket.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")));
  const told = await stuck.ask().ended;
  expect([told.head, told.reset?.fault?.code, stuck.refreshes]).toEqual([null, "API_SERVER_AUTH", 1]);
  const application = await stuck.ask({ target: "/api/v1/namespaces/a/services/b/proxy/login" }).ended;
  expect([application.head?.status, application.body]).toEqual([401, "no"]);
});

test("an upload goes out by its length or in chunks, and its credit comes back", async () => {
  for (const [headers, expected] of [[["content-length", "6"], "\r\n\r\nabcdef"], [[], "\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"]] as const) {
    const on = await api((text, socket) => void (text.endsWith(expected) && socket.write(answer("ok"))));
    const told = on.ask({ method: "POST", headers }, false);
    told.sink.onOctets(Buffer.from("abc"));
    told.sink.onOctets(Buffer.from("def"));
    told.sink.onEnd();
    expect((await told.ended).body).toBe("ok");
    expect(told.taken).toBe(6);
  }
});

test("an upload that is shorter or longer than it promised never looks complete", async () => {
  for (const sent of ["abc", "abcdefg"]) {
    let ended = false;
    const on = await api((_text, socket) => void socket.on("close", () => (ended = true)));
    const told = on.ask({ method: "POST", headers: ["content-length", "6"] }, false);
    told.sink.onOctets(Buffer.from(sent));
    told.sink.onEnd();
    expect((await told.ended).reset?.fault?.code).toBe("HEADER_REFUSED");
    expect(ended || on.sockets.every((socket) => !socket.destroyed)).toBe(true);
  }
});

test("an early answer stops the upload and the socket is not used again", async () => {
  const on = await api((text, socket) => whenWhole(text, () => socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")));
  const told = on.ask({ method: "POST", headers: ["content-length", "1000"] }, false);
  told.sink.onOctets(Buffer.from("abc"));
  await told.ended;
  expect([told.head?.status, told.stop]).toEqual([413, "unreadable"]);
  await on.ask().ended;
  expect(on.sockets).toHaveLength(2);
});

test("octets behind an answer end the socket: nobody can say whose they are", async () => {
  const on = await api((text, socket) => whenWhole(text, () => socket.write(`${answer("ok")}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`)));
  expect((await on.ask().ended).body).toBe("ok");
  expect((await on.ask().ended).body).toBe("ok");
  expect(on.sockets).toHaveLength(2);
});

test("a client that gives up ends the request at the API server", async () => {
  const closed = new Promise<void>((resolve) => {
    void api((text, socket) => {
      socket.on("close", () => resolve());
      whenWhole(text, () => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    }).then(async (on) => {
      const told = on.ask();
      while (told.body === "") await new Promise((turn) => setImmediate(turn));
      told.sink.onFail(new Fault("CANCELLED", { what: "gone" }), "cancelled");
    });
  });
  await closed;
});
