// An API server that refuses the agent's own token, asked in each of the three ways: our codec, the library, an upgrade. kubectl must hear of the site's fault and not
// of its own token's, and the agent must read its credentials anew. The stream is a stand-in that writes down what it is told.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { KubeAccess } from "../agent/kube/access.ts";
import { serveKubeRequest } from "../agent/kube/exchange.ts";
import { openKubePool, serveThroughLibrary } from "../agent/kube/library-exchange.ts";
import { serveKubeUpgrade } from "../agent/kube/upgrade.ts";
import { UpstreamPool } from "../agent/kube/upstream.ts";
import type { Fault } from "../shared/kit/errors.ts";
import type { LinkStream, StreamSink } from "../shared/link/link-stream.ts";
import type { RequestHead } from "../shared/wire/message.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Way = "own" | "library" | "upgrade";

interface Told {
  status: number | null;
  body: string;
  fault: Fault | null;
  refreshes: number;
}

const REFUSAL = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized';

/** One request to an API server that answers 401 to whatever it is asked; `hasChanged`: a new token was there to be read. */
async function ask(way: Way, request: Partial<RequestHead>, hasChanged = false): Promise<Told> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
      if (!text.includes("\r\n\r\n")) return;
      text = "";
      socket.write(REFUSAL);
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const dial = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(socket));
      socket.once("error", reject);
    });
  const told: Told = { status: null, body: "", fault: null, refreshes: 0 };
  const access = { origin: `http://127.0.0.1:${port}`, host: "127.0.0.1", port, authority: `127.0.0.1:${port}`, basePath: "", authorization: () => "Bearer t", refresh: () => Promise.resolve((told.refreshes += 1) > 0 && hasChanged) } as unknown as KubeAccess;
  const upstreams = new UpstreamPool(dial);
  const pool = openKubePool(access, ((_options: unknown, done: (error: null, socket: Socket) => void) => void dial().then((socket) => done(null, socket))) as never);
  closers.push(() => (upstreams.close(), server.close(), sockets.forEach((socket) => socket.destroy()), pool.destroy()));
  return new Promise((resolve) => {
    const stream = {
      isOver: false,
      respond: ({ status }: { status: number }) => (told.status = status),
      write: (chunk: Uint8Array) => ((told.body += Buffer.from(chunk).toString("latin1")), true),
      finish: () => resolve(told),
      stop: () => {},
      reset: (_code: string, fault?: Fault) => ((told.fault = fault ?? null), (stream.isOver = true), resolve(told)),
      take: () => {},
      sink: null as StreamSink | null,
    };
    const head: RequestHead = { flags: { interactive: false, upgrade: way === "upgrade", ends: true }, method: "GET", target: "/api", operator: "ann", tier: "admin", requestId: "r-1", source: "", headers: [], ...request };
    if (way === "own") serveKubeRequest({ access, upstreams }, stream as unknown as LinkStream, head);
    else if (way === "library") serveThroughLibrary({ access, pool }, stream as unknown as LinkStream, head);
    else serveKubeUpgrade({ access, dial }, stream as unknown as LinkStream, { ...head, headers: ["upgrade", "SPDY/3.1"] });
    if (!head.flags.ends) stream.sink?.onOctets(Buffer.from("he")); // of the five it promised
  });
}

const post = (ends: boolean): Partial<RequestHead> => ({ method: "POST", target: "/api/v1/namespaces/default/pods", flags: { interactive: true, upgrade: false, ends }, headers: ["content-length", ends ? "0" : "5"] });
const exec = { method: "POST", target: "/api/v1/namespaces/default/pods/p/exec?command=ls&command=/proxy" };

test.each([
  ["own", "a read", { target: "/api/v1/pods" }],
  ["library", "a read", { target: "/api/v1/pods" }],
  ["own", "a write", post(true)],
  ["library", "a write", post(true)],
  ["own", "a write whose body is still to come", post(false)],
  ["library", "a write whose body is still to come", post(false)],
  ["upgrade", "exec", exec],
] as const)("%s: a 401 to %s is the site's fault, and the credentials are read anew once", async (way, _what, request) => {
  const { status, fault, refreshes } = await ask(way, request);
  expect([status, fault?.code, refreshes]).toEqual([null, "API_SERVER_AUTH", 1]);
  expect(fault?.why).toBe("it answered 401, also after they were read anew");
  expect(fault?.hint).toBe("at the site: bowline agent doctor");
});

test.each([
  ["own", post(true)],
  ["library", post(true)],
  ["upgrade", exec],
] as const)("%s: what may not be sent twice and met an old token is told to try again", async (way, request) => {
  const { fault } = await ask(way, request, true);
  expect(fault?.code).toBe("API_SERVER_AUTH");
  expect(fault?.why).toContain("replaced meanwhile");
  expect(fault?.hint).toContain("run the command again");
});

test.each([
  ["own", { method: "POST", target: "/api/v1/namespaces/d/services/web/proxy/login" }],
  ["library", { method: "POST", target: "/api/v1/namespaces/d/services/web/proxy/login" }],
  ["upgrade", { target: "/api/v1/namespaces/d/services/web/proxy" }],
] as const)("%s: what an application behind a proxy subresource refuses is its own to say", async (way, request) => {
  const { status, body, fault, refreshes } = await ask(way, request);
  expect([status, body, fault, refreshes]).toEqual([401, "Unauthorized", null, 0]);
});
