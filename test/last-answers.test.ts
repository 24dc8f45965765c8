// Clients that are answered for the last time on a bare socket, over real TLS: each is told in four parts, and its descriptor is free after a moment whatever it does.
// Also whom the relay asks whether they are still there, and how many sockets one address gets. The relay's server and routes, with hand-made parts behind them.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect as connectTcp, Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { Acceptor } from "../relay/agents/accept.ts";
import { problemOctets } from "../relay/http/answers.ts";
import type { Api } from "../relay/http/api.ts";
import { routes } from "../relay/http/routes.ts";
import { RelayServer } from "../relay/http/server.ts";
import type { GatewayPorts } from "../relay/kube/gateway.ts";
import { handleKubeUpgrade } from "../relay/kube/upgrade.ts";
import { statusAnswer } from "../relay/kube/status-body.ts";
import { issueCertificate, makeAuthority, type CertificatePair } from "../shared/kit/certificates.ts";
import { systemClock } from "../shared/kit/clock.ts";
import { Fault } from "../shared/kit/errors.ts";
import { lingerMs } from "../shared/kit/linger.ts";
import { silentLog } from "../shared/kit/log.ts";

let ca: string;
let pair: CertificatePair;
beforeAll(async () => {
  const authority = await makeAuthority("test", 1, Date.now());
  ca = authority.cert;
  pair = await issueCertificate(authority, ["localhost", "127.0.0.1"], 1, Date.now());
});

const closers: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const close of closers.splice(0)) close();
});

interface Stage {
  readonly port: number;
  readonly acceptor: Acceptor;
  /** The relay's ends, in the order in which they came. */
  readonly ends: readonly Socket[];
  /** What each of them was told of TCP's probes. */
  readonly probes: readonly unknown[][];
}

async function stage(options: { readonly codec?: "own" | "library"; readonly perAddressMax?: number } = {}): Promise<Stage> {
  const spy = vi.spyOn(Socket.prototype, "setKeepAlive");
  const refused = (): never => {
    throw new Fault("TOKEN_UNKNOWN", { what: "the operator token is not one of this relay's", hint: "bowline login" });
  };
  const gateway = { authenticate: refused, siteOpener: refused, requestId: () => "r-1" } as unknown as GatewayPorts;
  const acceptor = new Acceptor({ store: {} as never, identity: {} as never, clock: systemClock, random: () => 0.5, log: silentLog, binding: "exporter", refusal: problemOctets, onLinked: () => {} });
  const parts = {
    api: { covers: (url: string) => url.startsWith("/api/") } as unknown as Api,
    kubeRequest: () => {},
    kubeH1Request: () => {},
    refusal: (fault: Fault) => statusAnswer(fault, true),
    kubeUpgrade: (...asked: [IncomingMessage, Socket, Buffer]) => void handleKubeUpgrade(gateway, ...asked),
    linkUpgrade: acceptor.upgrade.bind(acceptor),
    unready: () => null,
  };
  const server = new RelayServer({ ...pair, codec: "own", ...options }, routes(parts));
  closers.push(() => server.close());
  const port = await server.listen("127.0.0.1", 0);
  return { port, acceptor, ends: spy.mock.contexts as Socket[], probes: spy.mock.calls };
}

/** A client that never closes its side. */
async function client(port: number, maxVersion?: "TLSv1.2"): Promise<TLSSocket> {
  const socket = connectTls({ host: "127.0.0.1", port, ca, ALPNProtocols: ["http/1.1"], allowHalfOpen: true, ...(maxVersion === undefined ? {} : { maxVersion }) } as ConnectionOptions);
  closers.push(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

async function answerTo(socket: TLSSocket, text: string): Promise<string> {
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
  socket.write(text);
  await once(socket, "end");
  return answer;
}

const upgrade = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;
const linkUpgrade = upgrade("/link", "Sec-WebSocket-Protocol: bowline.1\r\n");
const long = `GET /api/v1/sites HTTP/1.1\r\nHost: relay\r\na: ${"b".repeat(600_000)}\r\n\r\n`;

test.each<[string, string, number, string, string, ("own" | "library")?]>([
  ["exec with a bad token", upgrade("/k8s/a/api/v1/namespaces/d/pods/p/exec"), 401, "TOKEN_UNKNOWN", ""],
  ["an upgrade to nowhere", upgrade("/links"), 404, "NOT_FOUND", "upgrades are taken at"],
  ["a link of another protocol", upgrade("/link", "Sec-WebSocket-Protocol: bowline.99\r\n"), 400, "VERSION_UNSUPPORTED", "bowline.1"],
  ["a link with a key that is none", linkUpgrade.replace("AAAAAAAAAAAAAAAAAAAAAA==", "x"), 400, "HANDSHAKE_REFUSED", "Sec-WebSocket-Key"],
  ["a link that upgrades to something else", linkUpgrade.replace("Upgrade: websocket", "Upgrade: h2c"), 400, "HANDSHAKE_REFUSED", "Upgrade header"],
  ["a link of a WebSocket version that nobody speaks", linkUpgrade.replace("Version: 13", "Version: 7"), 400, "HANDSHAKE_REFUSED", "Sec-WebSocket-Version"],
  ["CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "METHOD_REFUSED", "no proxy", "library"],
  ["a head over the library's bound", long, 431, "HEAD_TOO_LARGE", "512 KiB"],
])("%s is answered in four parts, and its socket is gone after a moment though the client keeps its side", async (_what, text, status, code, words, codec = "own") => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { port, ends } = await stage({ codec });
  const answer = await answerTo(await client(port), text);
  expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect(answer).toContain(code);
  expect(answer).toContain(words);
  const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as { hint?: string; details?: { causes: { reason: string; message: string }[] } };
  expect(body.hint ?? body.details!.causes.find(({ reason }) => reason === "BowlineTry")!.message).not.toBe("");
  const [end] = ends;
  expect(end!.destroyed).toBe(false);
  const closed = once(end!, "close");
  vi.advanceTimersByTime(lingerMs);
  await closed;
});

test("octets that are no HTTP are answered the same way by the library's server", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { port, ends } = await stage({ codec: "library" });
  const answer = await answerTo(await client(port), "\u0000\u0001 garbage\r\n\r\n");
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*HEAD_MALFORMED/s);
  const closed = once(ends[0]!, "close");
  vi.advanceTimersByTime(lingerMs);
  await closed;
});

test("a relay that is stopping tells agents so, and to come back", async () => {
  const { port, acceptor } = await stage();
  acceptor.drain(new Fault("DRAINING", { what: "stopping" }));
  const answer = await answerTo(await client(port), linkUpgrade);
  expect(answer).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: [1-8]\r\n.*"code":"DRAINING"/s);
});

test("a link over TLS 1.2 is refused with what to try", async () => {
  const { port } = await stage();
  expect(await answerTo(await client(port, "TLSv1.2"), linkUpgrade)).toMatch(/^HTTP\/1\.1 426 .*TLSv1\.2.*--tls-binding none/s);
});

test("clients that say nothing are asked whether they are there; agents' links are not, they have pings of their own", async () => {
  const { port, probes } = await stage();
  const first = await client(port);
  await answerTo(first, upgrade("/k8s/a/api/v1/namespaces/d/pods/p/exec"));
  expect(probes).toEqual([[true, 30_000]]);
  const link = await client(port);
  link.write(linkUpgrade);
  await once(link, "data"); // the 101
  expect(probes).toEqual([[true, 30_000], [true, 30_000], [false]]);
});

test("one address gets so many sockets and no more, TLS or not, and gets new ones for those that end", async () => {
  const { port } = await stage({ perAddressMax: 2 });
  const open = (): Socket => {
    const socket = connectTcp(port, "127.0.0.1");
    closers.push(() => socket.destroy());
    return socket.on("error", () => {});
  };
  const [silent, other, third] = [open(), open(), open()];
  await once(third!, "close"); // those that came first stay
  expect([silent!.closed, other!.closed]).toEqual([false, false]);
  silent!.destroy();
  for (;;) {
    // The relay hears of an end a moment after it happened.
    const socket = connectTls({ host: "127.0.0.1", port, ca });
    closers.push(() => socket.destroy());
    socket.on("error", () => {});
    const isIn = await Promise.race([once(socket, "secureConnect").then(() => true, () => false), once(socket, "close").then(() => false)]);
    if (isIn) break;
  }
});
