// Starts kubesim by hand: `node test/kit/kubesim/main.ts --port 0 --kubeconfig FILE [--plain] [--nodes N]`. Prints where it listens.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { issueCertificate, makeAuthority } from "../../../shared/kit/certificates.ts";
import { startKubesim } from "./kubesim.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    kubeconfig: { type: "string" },
    plain: { type: "boolean", default: false },
    nodes: { type: "string", default: "1" },
    token: { type: "string" },
  },
});

async function serverTls(): Promise<{ cert: string; key: string; ca: string }> {
  const authority = await makeAuthority("kubesim", 30, Date.now());
  const pair = await issueCertificate(authority, ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"], 30, Date.now());
  return { cert: pair.cert, key: pair.key, ca: authority.cert };
}

const nodes = Array.from({ length: Number(values.nodes) }, (_, index) => `node-${index + 1}`);
const sim = await startKubesim({
  port: Number(values.port),
  nodes,
  ...(values.plain ? {} : { tls: await serverTls() }),
  ...(values.token === undefined ? {} : { tokens: { [values.token]: "kubesim-admin" } }),
});
if (values.kubeconfig !== undefined) writeFileSync(values.kubeconfig, sim.kubeconfig(), { mode: 0o600 });
console.log(`kubesim listens on ${sim.url}${values.kubeconfig === undefined ? "" : `, kubeconfig in ${values.kubeconfig}`}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void sim.stop());
