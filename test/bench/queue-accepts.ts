// Orders in, durable at the relay: through its submit path with its store thread (in this process), and through its HTTPS API (a relay process, a Go client). Each site
// takes a thousand open commands at most, so there are many of them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { submitCommand } from "../../relay/command/submit.ts";
import { openRelayStore } from "../../relay/store/store.ts";
import { systemClock } from "../../shared/kit/clock.ts";
import type { CommandSpec } from "../../shared/api.ts";
import { Place } from "../e2e/place.ts";
import { contextToken } from "../e2e/kube-rest.ts";
import { Ground, type LoadResult } from "./ground.ts";
import { makeSites } from "./swarm-sites.ts";

/** Commands for one site: a fleet's, not one that was away for a week. */
const perSite = 200;
/** Callers that wait for their answer at once. */
const callers = 400;
const httpCallers = 64;

/** An order as people give them: one small object. */
export function order(name: string): CommandSpec {
  return { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "bench", labels: { app: "bench" } }, data: { text: "x".repeat(400) } }], forceConflicts: false };
}

const sitesFor = (count: number): number => Math.ceil(count / perSite);

/** Seconds until `count` orders are durable, and the file that holds them. */
export async function submitSeconds(place: Place, count: number): Promise<{ readonly seconds: number; readonly file: string }> {
  const dir = join(place.dir, `submit-${Math.round(performance.now())}`);
  await makeSites(dir, sitesFor(count), join(place.dir, "sites.json"));
  const store = await openRelayStore(dir, true);
  try {
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < count) {
        const index = next;
        next += 1;
        const request = { site: `swarm-${index % sitesFor(count)}`, spec: order(`cm-${index}`) };
        await submitCommand({ store, clock: systemClock, isLinked: () => false }, { request, operator: { name: "admin", tier: "admin" }, idempotencyKey: `key-${index}` });
      }
    };
    const begunMs = performance.now();
    await Promise.all(Array.from({ length: callers }, caller));
    return { seconds: (performance.now() - begunMs) / 1_000, file: join(dir, "relay.db") };
  } finally {
    await store.close();
  }
}

/** The same through HTTPS, every request with a token and a key of its own. The relay is new each time. */
export async function httpSeconds(count: number, profile: boolean): Promise<LoadResult> {
  const ground = new Ground();
  ground.profile = profile;
  try {
    await makeSites(ground.place.relayData, sitesFor(count), join(ground.place.dir, "sites.json"));
    const relay = await ground.startRelay();
    await ground.place.login();
    const body = join(ground.place.dir, "order.json");
    writeFileSync(body, JSON.stringify({ site: "swarm-SITE", spec: order("cm-NUMBER") }));
    const subject = { name: "product", base: ground.place.relayUrl, ca: join(ground.place.relayData, "tls", "ca.crt"), token: contextToken(ground.place), ends: [relay], pids: [relay.child.pid!] } as const;
    return await ground.load(subject, "/api/v1/commands", ["-mode", "post", "-c", String(httpCallers), "-body", body, "-total", String(count), "-sites", String(sitesFor(count))]).done;
  } finally {
    await ground.stop();
  }
}
