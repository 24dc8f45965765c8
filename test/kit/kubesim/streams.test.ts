// exec, attach and port-forward over both carriers, spoken by hand: what a client sends and gets, byte for byte.
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startKubesim, type Kubesim } from "./kubesim.ts";
import { controlFrame, framesOf, frameType, payloadFrame, wordBody } from "./spdy-frames.ts";
import { HeaderWriter, type Headers } from "./spdy-headers.ts";
import { text } from "./tree.ts";

let sim: Kubesim;
beforeAll(async () => {
  sim = await startKubesim({ settings: { podStartMs: 1 } });
  sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "web" }, spec: { containers: [{ name: "main", image: "nginx", ports: [{ containerPort: 80 }] }] } });
  sim.put({ apiVersion: "v1", kind: "Pod", metadata: { name: "reader" }, spec: { restartPolicy: "Never", containers: [{ name: "main", image: "busybox", command: ["cat"], stdin: true, stdinOnce: true }] } });
  for (const name of ["web", "reader"]) await sim.until("pods", "default", name, (pod) => text(pod, "status", "phase") === "Running");
});
afterAll(() => sim.stop());

const podPath = (name: string, sub: string, query: string): string => `/api/v1/namespaces/default/pods/${name}/${sub}?${query}`;
const execQuery = (...words: string[]): string => `stdin=1&stdout=1&stderr=1&${words.map((word) => `command=${encodeURIComponent(word)}`).join("&")}`;

interface Lanes {
  readonly out: string;
  readonly err: string;
  readonly status: unknown;
}

/** Sends `input` on the stdin lane and half-closes it, as v5 does. */
function overWebSocket(path: string, input: string, protocol = "v5.channel.k8s.io"): Promise<Lanes> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(sim.url.replace("http", "ws") + path, [protocol]);
    const lanes: Record<number, Buffer[]> = { 1: [], 2: [], 3: [] };
    socket.on("open", () => {
      socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(input)]));
      socket.send(Buffer.from([255, 0]));
    });
    socket.on("message", (message: Buffer) => lanes[message[0]!]!.push(message.subarray(1)));
    socket.on("error", reject);
    socket.on("close", () => {
      const [out, err, status] = [1, 2, 3].map((lane) => Buffer.concat(lanes[lane]!).toString());
      resolve({ out: out!, err: err!, status: JSON.parse(status!) });
    });
  });
}

/** Opens SPDY on a socket: the 101 is read, and what follows are frames. */
async function openSpdy(path: string, protocol: string): Promise<{ socket: Socket; head: string }> {
  const socket = connect(sim.port, "127.0.0.1");
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\nContent-Length: 0\r\n\r\n`);
  let head = Buffer.alloc(0);
  while (!head.includes("\r\n\r\n")) head = Buffer.concat([head, await new Promise<Buffer>((resolve) => socket.once("data", resolve))]);
  socket.pause();
  const end = head.indexOf("\r\n\r\n") + 4;
  if (end < head.length) socket.unshift(head.subarray(end));
  return { socket, head: head.toString("latin1", 0, end) };
}

function openStreams(socket: Socket, headersOf: readonly Headers[]): number[] {
  const headers = new HeaderWriter();
  return headersOf.map((each, index) => {
    const id = index * 2 + 1;
    socket.write(controlFrame(frameType.synStream, 0, Buffer.concat([wordBody(id, 0), Buffer.alloc(2), headers.write(each)])));
    return id;
  });
}

/** The bytes of every stream until all of `ids` are half-closed or the socket ends. */
async function payloads(socket: Socket, ids: readonly number[]): Promise<Record<number, string>> {
  const chunks: Record<number, Buffer[]> = Object.fromEntries(ids.map((id) => [id, []]));
  const waiting = new Set(ids);
  for await (const frame of framesOf(socket as AsyncIterable<Buffer>)) {
    if (frame.kind !== "payload") continue;
    chunks[frame.stream]!.push(frame.body);
    if (frame.isLast) waiting.delete(frame.stream);
    if (waiting.size === 0) break;
  }
  return Object.fromEntries(ids.map((id) => [id, Buffer.concat(chunks[id]!).toString()]));
}

test("exec over WebSocket keeps the lanes apart and ends with the exit code", async () => {
  expect(await overWebSocket(podPath("web", "exec", execQuery("sh", "-c", "cat; echo bad >&2; exit 7")), "good")).toEqual({
    out: "good",
    err: "bad\n",
    status: expect.objectContaining({ status: "Failure", reason: "NonZeroExitCode", details: { causes: [{ reason: "ExitCode", message: "7" }] } }) as unknown,
  });
  expect(await overWebSocket(podPath("web", "exec", execQuery("true")), "")).toMatchObject({ status: { status: "Success" } });
});

test("exec over SPDY does the same with one stream per lane", async () => {
  const { socket, head } = await openSpdy(podPath("web", "exec", execQuery("sh", "-c", "cat; echo bad >&2; exit 7")), "v4.channel.k8s.io, v3.channel.k8s.io");
  expect(head).toMatch(/^HTTP\/1\.1 101 [\s\S]*X-Stream-Protocol-Version: v4\.channel\.k8s\.io\r\n/);
  const ids = openStreams(socket, [{ streamtype: "error" }, { streamtype: "stdin" }, { streamtype: "stdout" }, { streamtype: "stderr" }]);
  socket.write(payloadFrame(ids[1]!, Buffer.from("good"), true));
  const got = await payloads(socket, ids);
  expect([got[ids[2]!], got[ids[3]!]]).toEqual(["good", "bad\n"]);
  expect(JSON.parse(got[ids[0]!]!)).toMatchObject({ reason: "NonZeroExitCode" });
  socket.destroy();
});

test("a terminal echoes, cooks lines and tells its size", async () => {
  const { socket } = await openSpdy(podPath("web", "exec", "stdin=1&stdout=1&tty=1&command=sh"), "v4.channel.k8s.io");
  const ids = openStreams(socket, [{ streamtype: "error" }, { streamtype: "stdin" }, { streamtype: "stdout" }, { streamtype: "resize" }]);
  socket.write(payloadFrame(ids[3]!, Buffer.from('{"Width":132,"Height":43}\n'), false));
  socket.write(payloadFrame(ids[1]!, Buffer.from("tty\rstty size\rexit 4\r"), false));
  const got = await payloads(socket, ids);
  expect(got[ids[2]!]).toBe("/ # tty\r\n/dev/pts/0\r\n/ # stty size\r\n43 132\r\n/ # exit 4\r\n");
  expect(got[ids[0]!]).toContain('"message":"4"');
  socket.destroy();
});

test("attach joins the container's own input and output, and ends with it", async () => {
  expect(await overWebSocket(podPath("reader", "attach", "stdin=1&stdout=1&stderr=1"), "typed\n")).toMatchObject({ out: "typed\n", status: { status: "Success" } });
  expect(text(sim.find("pods", "default", "reader"), "status", "phase")).toBe("Succeeded");
});

test("a client that leaves exec ends the process and frees the request", async () => {
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
  const socket = new WebSocket(sim.url.replace("http", "ws") + podPath("web", "exec", execQuery("sh", "-c", "echo up; sleep 3600")), ["v5.channel.k8s.io"]);
  await new Promise((resolve) => socket.once("message", resolve));
  expect(sim.openRequests()).toBe(1);
  socket.terminate();
  await sim.auditBook.until((audit) => audit.openCount === 0, AbortSignal.timeout(2000));
});

test("port-forward over SPDY carries several requests side by side and refuses a closed port", async () => {
  const { socket, head } = await openSpdy(podPath("web", "portforward", ""), "portforward.k8s.io");
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  const pair = (port: string, requestid: string): Headers[] => [{ streamtype: "error", port, requestid }, { streamtype: "data", port, requestid }];
  const ids = openStreams(socket, [...pair("80", "0"), ...pair("7", "1"), ...pair("81", "2")]);
  socket.write(payloadFrame(ids[1]!, Buffer.from("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), false));
  socket.write(payloadFrame(ids[3]!, Buffer.from("raw echo"), true));
  const got = await payloads(socket, ids.slice(0, 5));
  expect(got[ids[1]!]).toMatch(/hello from web\n$/);
  expect(got[ids[3]!]).toBe("raw echo");
  expect(got[ids[4]!]).toContain("connect: connection refused");
  socket.destroy();
});

test.each([
  ["an unknown pod", podPath("nope", "exec", execQuery("true")), "404"],
  ["an unknown container", `${podPath("web", "exec", execQuery("true"))}&container=x`, "400"],
  ["no command", podPath("web", "exec", "stdout=1"), "400"],
  ["no upgrade there", "/api/v1/namespaces/default/configmaps", "404"],
])("%s is refused with an ordinary answer instead of a 101", async (_what, path, code) => {
  const { socket, head } = await openSpdy(path, "v4.channel.k8s.io");
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
  socket.destroy();
});
