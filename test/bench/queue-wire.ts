// Octets on the wire for each command, from the relay's offer to the receipt of its result, everything included (TLS, WebSocket, frames, receipts, claims, events):
// counted where they pass, between the two ends.
import { connect, createServer, type AddressInfo } from "node:net";
import { startSimCluster } from "../e2e/test-cluster.ts";
import { ask, contextToken } from "../e2e/kube-rest.ts";
import { until } from "../e2e/place.ts";
import { askStatus } from "../../agent/local.ts";
import { pause, type Ground } from "./ground.ts";
import { order } from "./queue-accepts.ts";

export interface OnTheWire {
  readonly payload: number;
  /** To the site and back, each command. */
  readonly down: number;
  readonly up: number;
}

interface Counter {
  readonly port: number;
  down: number;
  up: number;
  close(): void;
}

async function counted(target: number): Promise<Counter> {
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => (near.destroy(), far.destroy()));
    near.on("data", (chunk) => (counter.up += chunk.length));
    far.on("data", (chunk) => (counter.down += chunk.length));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const counter: Counter = { port: (server.address() as AddressInfo).port, down: 0, up: 0, close: () => void server.close() };
  return counter;
}

/** `together`: all given while the site is away, so that they leave in a row; else one after the other, each to its end. */
export async function onTheWire(ground: Ground, name: string, count: number, together: boolean): Promise<OnTheWire> {
  const { place } = ground;
  const cluster = await startSimCluster({ port: 0 });
  const relay = await ground.startRelay();
  const counter = await counted(Number(new URL(place.relayUrl).port));
  const token = contextToken(place);
  const submit = async (index: number): Promise<void> => {
    const { status } = await ask(place, "POST", "/api/v1/commands", { token, body: { site: name, spec: order(`cm-${index}`) } });
    if (status !== 202) throw new Error(`the relay answered ${status}`);
  };
  const allDone = async (): Promise<boolean> => {
    const found = await ask(place, "GET", `/api/v1/sites/${name}`, { token });
    const { lettersWaiting, commandsOpen } = await askStatus(place.agentData(name));
    return (found.body as { openCommands: number }).openCommands === 0 && lettersWaiting === 0 && commandsOpen === 0;
  };
  try {
    await place.joined(name, cluster.kubeconfig, { url: `https://127.0.0.1:${counter.port}` });
    let agent = place.agent(name, cluster.kubeconfig, ["--report-every", "10m"]);
    await agent.said(/"msg":"linked"/);
    await until("the first report is there", allDone);
    if (together) {
      await agent.stop();
      for (let index = 0; index < count; index += 1) await submit(index);
      agent = place.agent(name, cluster.kubeconfig, ["--report-every", "10m"]);
      await agent.said(/"msg":"linked"/);
      Object.assign(counter, { down: 0, up: 0 });
    } else {
      Object.assign(counter, { down: 0, up: 0 });
      for (let index = 0; index < count; index += 1) {
        await submit(index);
        await until("it has ended", allDone);
      }
    }
    await until("all have ended", allDone, 120_000);
    await pause(200); // the last receipts
    const { down, up } = counter;
    await agent.stop();
    return { payload: JSON.stringify(order(`cm-${count - 1}`)).length, down: down / count, up: up / count };
  } finally {
    counter.close();
    await relay.stop();
    await cluster.stop();
  }
}
