// A relay that is put back from yesterday's copy, that comes up empty, and that runs twice from one copy: real processes, real files. Whatever state a command was in,
// it ends once with what the site knows of it, its Job ran once, and people are asked about what the copy cannot know.
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openLine, type Line } from "../kit/line.ts";
import { expectFault } from "./expect-fault.ts";
import { ask, commands, list, type RelayAt } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

let cluster: SimCluster;
beforeAll(async () => {
  cluster = await startSimCluster();
});
afterAll(() => cluster?.stop());

/** Database files, and those of the write-ahead log beside it. */
const FILES = ["relay.db", "relay.db-wal", "relay.db-shm"];

function copyOf(place: Place, name: string): string {
  const to = join(place.dir, name);
  cpSync(place.relayData, to, { recursive: true });
  return to;
}

/** The copy's database in place of the one that is there. */
function putBack(place: Place, from: string): void {
  for (const file of FILES) rmSync(join(place.relayData, file), { force: true });
  cpSync(join(from, "relay.db"), join(place.relayData, "relay.db")); // copied after a clean stop, which leaves no log beside it
}

async function order(at: RelayAt, site: string, name: string, kind: "apply" | "job"): Promise<string> {
  const spec = kind === "job" ? { kind, name, namespace: "default", image: "busybox", command: ["true"] } : { kind, objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { made: name } }] };
  const { status, body } = await ask(at, "POST", "/api/v1/commands", { body: { site, spec } });
  expect([status, body]).toEqual([202, expect.anything()]);
  return (body as { id: string }).id;
}

const stateOf = async (at: RelayAt, id: string): Promise<string> => (await commands(at)).find((command) => command.id === id)?.state ?? "unknown";

async function allEnd(at: RelayAt, ids: readonly string[]): Promise<void> {
  await until("every command has ended", async () => {
    const known = await commands(at);
    return ids.every((id) => ["succeeded"].includes(known.find((command) => command.id === id)?.state ?? ""));
  }, 60_000);
}

/** How many Jobs of this command were ever made: each has a name of its own that starts so. */
async function jobsNamed(at: RelayAt, site: string, name: string): Promise<number> {
  return (await list(at, site, "/apis/batch/v1/namespaces/default/jobs")).items.filter(({ metadata }) => metadata.name.startsWith(`${name}-`)).length;
}

test("yesterday's copy: what was queued in it and has run since ends as the site says, what it does not know is listed, and the site goes on", { timeout: 180_000 }, async () => {
  const place = new Place();
  try {
    let relay = await place.relay();
    await place.login();
    let agent = await place.site("port", cluster.kubeconfig);
    const done = await order(place, "port", "y-done", "job");
    await allEnd(place, [done]);
    await agent.stop();
    const queued = [await order(place, "port", "y-apply", "apply"), await order(place, "port", "y-job", "job")];
    await relay.stop();
    const copy = copyOf(place, "yesterday");

    relay = await place.relay();
    agent = place.agent("port", cluster.kubeconfig);
    await allEnd(place, queued);
    const lost = [await order(place, "port", "y-lost", "apply"), await order(place, "port", "y-lost-job", "job")];
    await allEnd(place, lost);
    await relay.kill();
    putBack(place, copy);

    relay = await place.relay();
    expect(await stateOf(place, queued[0]!)).toBe("queued");
    await allEnd(place, queued);
    for (const name of ["y-done", "y-job", "y-lost-job"]) expect([name, await jobsNamed(place, "port", name)]).toEqual([name, 1]);
    expect(await stateOf(place, lost[0]!)).toBe("unknown");
    const shown = await place.ok(["restored"]);
    expect(shown).toMatch(/port +\S+ ago +yes +0 +2 +the site has/);
    expect(await place.ok(["site", "describe", "port"])).toMatch(/alarm +this relay was put back from a copy/);
    await allEnd(place, [await order(place, "port", "y-after", "job")]);
    expect(await place.ok(["restored", "confirm"])).toMatch(/confirmed: 1 sites/);
    expect(await place.ok(["restored"])).toMatch(/nothing waits/);
    expect(relay.hasEnded || agent.hasEnded).toBe(false);
  } finally {
    await place.close();
  }
});

test("an empty relay: its start says what to do, its sites come back and wait for approval, and what ended there is kept", { timeout: 180_000 }, async () => {
  const place = new Place();
  try {
    let relay = await place.relay();
    await place.login();
    const agent = await place.site("ship", cluster.kubeconfig);
    await allEnd(place, [await order(place, "ship", "e-before", "job")]);
    await relay.kill();
    for (const file of FILES) rmSync(join(place.relayData, file), { force: true });

    const again = await place.cli(["relay", "run", "--data", place.relayData, "--listen", new URL(place.relayUrl).host]);
    expectFault(again, "STORE_CORRUPT", 1, /relay\.db is gone/, /relay init --new-database/);
    await place.ok(["relay", "init", "--new-database", "--data", place.relayData]);
    expectFault(await place.cli(["relay", "init", "--new-database", "--data", place.relayData]), "STATE_REFUSED", 6, /relay\.db is there/, /move relay\.db away/);
    relay = await place.relay();
    await place.login();
    const [, code] = await agent.said(/"code":"([A-Z]+-[A-Z]+-\d\d)"/, 60_000);
    await until("the site is back and waits", async () => (await place.ok(["site", "ls"])).includes("ship"));
    expect(await place.ok(["site", "describe", "ship"])).toMatch(/joined +returned: this relay approved it as ship once/);
    await place.ok(["approve", "ship", "--code", code!]);
    await allEnd(place, [await order(place, "ship", "e-after", "job")]);
    expect(await jobsNamed(place, "ship", "e-before")).toBe(1);
    expect(await place.ok(["restored"])).toMatch(/ship +\S+ ago +yes +0 +1 +/);
    await place.ok(["restored", "confirm"]);
    expect(relay.hasEnded || agent.hasEnded).toBe(false);
  } finally {
    await place.close();
  }
});

test("two relays from one copy: the site goes from one to the other and back; each order runs once and ends at the relay that took it", { timeout: 180_000 }, async () => {
  const place = new Place();
  let line: Line | null = null;
  let port = 0;
  try {
    let relay: Started = await place.relay();
    port = Number(new URL(place.relayUrl).port);
    line = await openLine({ host: "127.0.0.1", port: () => port });
    await place.login();
    const agent = await place.site("twin", cluster.kubeconfig, [], { url: `https://127.0.0.1:${line.port}` });
    await allEnd(place, [await order(place, "twin", "t-first", "job")]);
    await relay.stop();
    copyOf(place, "clone");
    relay = await place.relay();
    const clone = place.start(["relay", "run", "--data", join(place.dir, "clone"), "--listen", "127.0.0.1:0"]);
    const [, cloneUrl] = await clone.said(/relay ready at (https:\S+)/);
    const other: RelayAt = { relayData: place.relayData, relayUrl: cloneUrl!, env: place.env };
    const linkTo = (url: string): void => {
      port = Number(new URL(url).port);
      line!.cut();
      line!.heal();
    };
    const ids: [RelayAt, string][] = [];
    for (const [round, at] of ([place, other, place, other] as const).entries()) {
      linkTo(at.relayUrl);
      const id = await order(at, "twin", `t-${round}`, "job");
      ids.push([at, id]);
      await allEnd(at, [id]);
    }
    for (const [at, id] of ids) expect(await stateOf(at, id)).toBe("succeeded");
    linkTo(place.relayUrl);
    await until("linked", async () => (await ask(place, "GET", "/k8s/twin/version")).status === 200);
    for (const name of ["t-first", "t-0", "t-1", "t-2", "t-3"]) expect([name, await jobsNamed(place, "twin", name)]).toEqual([name, 1]);
    expect((await place.ok(["restored"])).match(/twin/g)!.length).toBeGreaterThanOrEqual(1);
    expect(relay.hasEnded || clone.hasEnded || agent.hasEnded).toBe(false);
  } finally {
    await place.close();
    await line?.close();
  }
});
