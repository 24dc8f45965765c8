// The control of hop, bulk and fair: one plain reverse-proxy hop as anybody would write it with node:http and node:https. Two of them make "two plain Node hops":
// the first takes TLS from the client and speaks TLS to the second, the second speaks plainly to the origin.   node control.mjs CERT_DIR TARGET
import { readFileSync } from "node:fs";
import { request as plainRequest, Agent as PlainAgent } from "node:http";
import { createServer, request as tlsRequest, Agent as TlsAgent } from "node:https";

const [dir, target] = process.argv.slice(2);
const read = (name) => readFileSync(`${dir}/${name}`, "utf8");
const url = new URL(target);
const isTls = url.protocol === "https:";
const agent = isTls ? new TlsAgent({ keepAlive: true, maxSockets: Infinity }) : new PlainAgent({ keepAlive: true, maxSockets: Infinity });
const send = isTls ? tlsRequest : plainRequest;
const common = { host: url.hostname, port: url.port, agent, ...(isTls ? { ca: read("ca.crt"), servername: "localhost" } : {}) };

const server = createServer({ cert: read("tls.crt"), key: read("tls.key"), keepAliveTimeout: 120_000, requestTimeout: 0 }, (incoming, outgoing) => {
  const onward = send({ ...common, method: incoming.method, path: incoming.url, headers: incoming.headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
});
server.listen(0, "127.0.0.1", () => console.log(`hop https://127.0.0.1:${server.address().port}`));
