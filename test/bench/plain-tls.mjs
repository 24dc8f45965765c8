// The control of idle and storm: a TLS server of plain Node that takes sockets and does nothing with them.   node plain-tls.mjs CERT_DIR [PORT]
import { readFileSync } from "node:fs";
import { createServer } from "node:tls";

const [dir, port = "0"] = process.argv.slice(2);
const read = (name) => readFileSync(`${dir}/${name}`, "utf8");
const server = createServer({ cert: read("tls.crt"), key: read("tls.key"), minVersion: "TLSv1.3", ALPNProtocols: ["http/1.1"] }, (socket) => {
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.resume();
});
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4_096 }, () => console.log(`plain tls at ${server.address().port}`));
