// Port-forwarding: pairs of SPDY streams (error and data, tied by requestid) to the small server that every simulated pod runs. Ports a
// pod does not list refuse, as a closed port would; a pod that lists none answers on all. Port 7 echoes.
import { Duplex } from "node:stream";
import type { KubeObject } from "./tree.ts";
import { count, list } from "./tree.ts";
import type { PortServer } from "./port-server.ts";
import { SpdyLink, type SpdyStream } from "./spdy.ts";

export const portForwardProtocol = "portforward.k8s.io";

function duplexOf(stream: SpdyStream): Duplex {
  const input = stream.read();
  return new Duplex({
    read() {
      void input.next().then(
        ({ value, done }) => this.push(done === true ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      stream.write(chunk).then(() => done(), done);
    },
    final(done) {
      stream.finish().then(() => done(), done);
    },
  });
}

const isOpen = (pod: KubeObject, port: number): boolean => {
  const ports = list(pod, "spec", "containers").flatMap((container) => list(container, "ports").map((each) => count(each, "containerPort")));
  return port === 7 || ports.length === 0 || ports.includes(port);
};

export async function forwardPorts(pod: KubeObject, server: PortServer, transport: Duplex): Promise<void> {
  const errors = new Map<string, SpdyStream>();
  const link: SpdyLink = new SpdyLink(transport, (stream) => {
    const { streamtype = "", requestid = "", port = "" } = stream.headers;
    if (streamtype === "error") {
      errors.set(requestid, stream);
      return;
    }
    const errorStream = errors.get(requestid);
    errors.delete(requestid);
    void serveStream(pod, server, stream, errorStream, Number(port)).finally(() => {
      link.forget(stream);
      if (errorStream !== undefined) link.forget(errorStream);
    });
  });
  await link.run();
}

async function serveStream(pod: KubeObject, server: PortServer, stream: SpdyStream, errorStream: SpdyStream | undefined, port: number): Promise<void> {
  if (!isOpen(pod, port)) {
    await errorStream?.write(Buffer.from(`error forwarding port ${port} to pod ${pod.metadata.uid}, uid : failed to connect to localhost:${port} inside namespace "${pod.metadata.namespace}", IPv4: dial tcp4 127.0.0.1:${port}: connect: connection refused`));
    await errorStream?.finish();
    await stream.reset();
    return;
  }
  const duplex = duplexOf(stream);
  // Once the server has said all, the pair is done, whether or not the client has.
  const done = new Promise<void>((resolve) => duplex.once("finish", () => resolve()).once("close", () => resolve()));
  server.serve(duplex, pod.metadata.name, port);
  await done;
  await stream.finish();
  stream.endInput();
  duplex.destroy();
  await errorStream?.finish();
}
