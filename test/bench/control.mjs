// The control: one plain reverse-proxy hop as anybody would write it with node:http and node:https. Two of them make "two plain Node hops": the first takes TLS
// from the client and speaks TLS to the second, the second speaks plainly to the origin. Upgrades are piped.   node control.mjs CERT_DIR TARGET [PORT]
import { readFileSync } from "node:fs";
import { request as plainRequest, Agent as PlainAgent } from "node:http";
import { createServer, request as tlsRequest, Agent as TlsAgent } from "node:https";

const [dir, target, port = "0"] = process.argv.slice(2);
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
    answer.on("error", () => outgoing.destroy());
  });
  onward.on("error", () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502).end();
  });
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
});
server.on("upgrade", (incoming, socket) => {
  socket.on("error", () => {});
  const onward = send({ ...common, agent: false, method: incoming.method, path: incoming.url, headers: incoming.headers });
  onward.on("upgrade", (answer, far, ahead) => {
    far.on("error", () => socket.destroy());
    socket.on("close", () => far.destroy());
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${answer.headers.upgrade}\r\n\r\n`);
    socket.setNoDelay(true);
    far.setNoDelay(true);
    if (ahead.length > 0) socket.write(ahead);
    far.pipe(socket).pipe(far);
  });
  onward.on("error", () => socket.destroy());
  onward.end();
});
server.listen(Number(port), "127.0.0.1", () => console.log(`hop https://127.0.0.1:${server.address().port}`));
