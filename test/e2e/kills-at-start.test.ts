// kill -9 in the middle of a first start and of a join, at each commit in turn: whatever was written by then, the same command on the same folder finishes the work.
// A quick run takes every other commit; KILLS of 3 and more takes each.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Place, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const stride = Number(process.env["KILLS"] ?? "1") >= 3 ? 1 : 2;
const place = new Place();
let cluster: SimCluster;
beforeAll(async () => {
  cluster = await startSimCluster();
  await place.relay();
  await place.login();
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

/** Runs with each crash argument in turn on a folder of its own, then without; stops at the first that the start survives. Answers how many were kills. */
async function killedAtEach(point: string, most: number, start: (round: number, args: readonly string[]) => Started, isThrough: RegExp): Promise<number> {
  let killed = 0;
  for (let nth = 1; nth <= most; nth += stride) {
    const doomed = start(nth, ["--crash-at", `${point}:${nth}`]);
    const survived = await Promise.race([doomed.said(isThrough).then(() => true, () => false), doomed.ended.then(() => false)]);
    if (survived) {
      await doomed.stop();
      return killed;
    }
    expect(await doomed.ended).toBe(137);
    killed += 1;
    const next = start(nth, []);
    await next.said(isThrough);
    expect(await next.stop()).toBe(0);
  }
  return killed;
}

const relayAt = (name: string) => (round: number, args: readonly string[]): Started => place.start(["relay", "run", "--data", join(place.dir, `${name}-${round}`), "--listen", "127.0.0.1:0", ...args]);

test("a relay's first start, in each step of its schema", { timeout: 120_000 }, async () => {
  expect(await killedAtEach("migration-step", 20, relayAt("step"), /relay ready at https/)).toBeGreaterThan(0);
});

test("a relay's first start, in each commit", { timeout: 120_000 }, async () => {
  expect(await killedAtEach("insert-before-commit", 20, relayAt("commit"), /relay ready at https/)).toBeGreaterThan(2);
});

test("an agent's first start, join and wait for approval, in each commit", { timeout: 180_000 }, async () => {
  const tokens = new Map<number, string>();
  for (let round = 1; round <= 14; round += 1) tokens.set(round, (await place.ok(["token", "create", "--name", `join-${round}`])).trim());
  const start = (round: number, args: readonly string[]): Started => place.start(["agent", "run", "--token", tokens.get(round)!, "--data", place.agentData(`join-${round}`), "--kubeconfig", cluster.kubeconfig, ...args]);
  expect(await killedAtEach("insert-before-commit", 14, start, /"msg":"waiting for approval/)).toBeGreaterThan(2);
  expect(await place.ok(["site", "ls"])).not.toContain("offline");
});
