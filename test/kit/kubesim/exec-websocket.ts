// exec and attach over WebSocket (v4 and v5 channel protocols): every message begins with one byte that names its lane: 0 stdin,
// 1 stdout, 2 stderr, 3 the final Status, 4 resize; v5 adds 255 n, which half-closes lane n.
import type { WebSocket } from "ws";
import { ByteQueue } from "./byte-queue.ts";
import { runExec, type ExecOrder } from "./exec.ts";
import type { PodRuntime } from "./pods.ts";
import type { Output } from "./process.ts";

const lane = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
/** Unread stdin at which the socket is no longer read. */
const waitingBytesMax = 1024 * 1024;

export const execProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

function sendOn(socket: WebSocket, number: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) return reject(new Error("the client is gone"));
    socket.send(Buffer.concat([Buffer.from([number]), bytes]), (error) => (error === undefined || error === null ? resolve() : reject(error)));
  });
}

export async function execOverWebSocket(pods: PodRuntime, order: ExecOrder, socket: WebSocket): Promise<void> {
  const gone = new AbortController();
  const stdin = new ByteQueue((waitingBytes) => (waitingBytes > waitingBytesMax ? socket.pause() : socket.isPaused && socket.resume()));
  const resizes = new ByteQueue();
  if (!order.hasStdin) stdin.finish();
  socket.on("message", (message: Buffer) => {
    const bytes = message.subarray(1);
    if (message[0] === lane.stdin && bytes.length > 0) stdin.push(bytes);
    else if (message[0] === lane.resize) resizes.push(bytes);
    else if (message[0] === lane.close && bytes[0] === lane.stdin) stdin.finish();
  });
  socket.once("close", () => {
    stdin.finish();
    resizes.finish();
    gone.abort(new Error("the client is gone"));
  });
  socket.on("error", () => socket.terminate());
  const writer = (number: number): Output => (bytes) => sendOn(socket, number, Buffer.from(bytes as Buffer));
  const status = await runExec(pods, order, { stdin: stdin.read(), out: writer(lane.stdout), err: writer(lane.stderr), resizes: resizes.read(), signal: gone.signal });
  if (gone.signal.aborted) return;
  await sendOn(socket, lane.status, Buffer.from(JSON.stringify(status))).catch(() => undefined);
  if (socket.isPaused) socket.resume(); // or the closing handshake would never be read
  socket.close(1000);
}
