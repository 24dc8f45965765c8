// Commands into an agent, durable there and receipted: an agent process whose relay is played by this one (queue-site.ts). Each round is a site of its own.
import { join } from "node:path";
import { Place } from "../e2e/place.ts";
import type { Ground } from "./ground.ts";
import { PlayedRelay, signedCommands } from "./queue-site.ts";

export interface Received {
  readonly seconds: number;
  readonly refused: number;
  readonly file: string;
}

/** Seconds until an agent has committed and receipted `count` commands. */
export async function receiptSeconds(ground: Ground, name: string, count: number): Promise<Received> {
  const { place } = ground;
  await ground.startRelay();
  const first = await place.site(name, ground.kubeconfig); // links once: that is how it gets its statement
  await first.stop();
  await ground.relay.stop();
  const relay = await PlayedRelay.start(place);
  try {
    const agent = await ground.measured(() => Promise.resolve(place.agent(name, ground.kubeconfig, ["--report-every", "10m", "--log-level", "warn"])));
    const { site } = await relay.linked;
    const letters = signedCommands(place, site, count);
    const begunMs = performance.now();
    await relay.send(letters);
    const seconds = (performance.now() - begunMs) / 1_000;
    await agent.stop();
    return { seconds, refused: relay.refused, file: fileOf(place, name) };
  } finally {
    await relay.stop();
  }
}

function fileOf(place: Place, name: string): string {
  return join(place.agentData(name), "agent.db");
}
