// exec and attach over SPDY/3.1 (kubectl up to 1.29, and the fallback of newer ones): one SPDY stream per lane, named by its
// `streamtype` header. The process starts once all that the order asks for are there.
import type { Duplex } from "node:stream";
import type { Clock } from "../../../shared/kit/clock.ts";
import { runExec, type ExecOrder } from "./exec.ts";
import type { PodRuntime } from "./pods.ts";
import type { Output } from "./process.ts";
import { SpdyLink, type SpdyStream } from "./spdy.ts";

/** Newest first. v4 brings the exit code as a Status, v3 the resize stream. */
export const spdyExecProtocols = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"] as const;

/** As a kubelet waits for the client to open its streams. */
const openingMsMax = 30_000;

async function* nothing(): AsyncGenerator<Buffer> {
  // an order without this stream reads the end at once
}

function wantedStreams(order: ExecOrder, protocol: string): string[] {
  const hasResize = order.isTty && (protocol.startsWith("v4") || protocol.startsWith("v3"));
  return ["error", ...(order.hasStdin ? ["stdin"] : []), ...(order.hasStdout ? ["stdout"] : []), ...(order.hasStderr ? ["stderr"] : []), ...(hasResize ? ["resize"] : [])];
}

export async function execOverSpdy(pods: PodRuntime, order: ExecOrder, protocol: string, transport: Duplex, clock: Clock): Promise<void> {
  const wanted = wantedStreams(order, protocol);
  const streams = new Map<string, SpdyStream>();
  let allOpen = (): void => undefined;
  const opened = new Promise<void>((resolve) => (allOpen = resolve));
  const link = new SpdyLink(transport, (stream) => {
    streams.set(stream.headers["streamtype"] ?? "", stream);
    if (wanted.every((name) => streams.has(name))) allOpen();
  });
  link.signal.addEventListener("abort", allOpen, { once: true });
  const cancelWait = clock.after(openingMsMax, () => transport.destroy());
  const reading = link.run();
  await opened;
  cancelWait();
  if (link.signal.aborted) return;
  const writer = (name: string): Output => (bytes) => streams.get(name)?.write(Buffer.from(bytes as Buffer)) ?? Promise.resolve();
  const reader = (name: string): AsyncIterable<Buffer> => streams.get(name)?.read() ?? nothing();
  const status = await runExec(pods, order, { stdin: reader("stdin"), out: writer("stdout"), err: writer("stderr"), resizes: reader("resize"), signal: link.signal });
  const isStatusSent = protocol.startsWith("v4") || status["status"] !== "Success";
  if (isStatusSent) await streams.get("error")!.write(Buffer.from(protocol.startsWith("v4") ? JSON.stringify(status) : String(status["message"])));
  for (const stream of streams.values()) await stream.finish();
  await link.close();
  await reading;
}
