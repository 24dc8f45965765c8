// Full disks, on file systems of a few KiB that the test mounts itself: a relay or an agent that has no room says DISK_FULL with the file's name, leaves nothing half
// made, and starts in the same folder once there is room. The sizes walk back from what a first start needs. An agent that runs waits for room and goes on by itself.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ballastBytes } from "../../shared/kit/ballast.ts";
import { describeNeeding } from "../kit/needs.ts";
import { expectFault } from "./expect-fault.ts";
import { ask } from "./kube-rest.ts";
import { Place, until, type Finished } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

/** More than a first start needs. */
const roomKiB = 65_536;

function mount(dir: string, ...args: readonly string[]): boolean {
  return spawnSync("mount", [...args, dir]).status === 0;
}

function mountsMissing(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it mounts small file systems, and that needs root on Linux";
  const probe = mkdtempSync(join(tmpdir(), "bowline-mount-"));
  const isOk = mount(probe, "-t", "tmpfs", "-o", "size=64k", "tmpfs");
  if (isOk) spawnSync("umount", [probe]);
  rmSync(probe, { recursive: true, force: true });
  return isOk ? null : "file systems cannot be mounted here";
}

describeNeeding(mountsMissing(), "a full disk", () => {
  const place = new Place();
  const root = mkdtempSync(join(tmpdir(), "bowline-disks-"));
  const mounted: string[] = [];
  let cluster: SimCluster;

  /** An empty disk of that size; `grow` makes it roomy, `usedKiB` says what is on it. */
  function disk(name: string, kib: number, at = join(root, name)): { dir: string; grow: () => void; usedKiB: () => number } {
    mkdirSync(at);
    if (!mount(at, "-t", "tmpfs", "-o", `size=${kib}k,mode=700`, "tmpfs")) throw new Error(`no disk could be mounted at ${at}`);
    mounted.push(at);
    return {
      dir: join(at, "data"),
      grow: () => {
        if (!mount(at, "-o", `remount,size=${roomKiB}k`)) throw new Error(`the disk at ${at} could not be made larger`);
      },
      usedKiB: () => {
        const { blocks, bfree, bsize } = statfsSync(at);
        return ((blocks - bfree) * bsize - ballastBytes) / 1_024; // a small disk has no room for the ballast, and makes none
      },
    };
  }

  /** The file that a process says it cannot write, for want of room. */
  function fullFile(done: Finished, dir: string): string {
    expectFault(done, "DISK_FULL", 1, new RegExp(`the disk is full: ${dir}/\\S+ cannot be written`), /free space/);
    expect(readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith(".tmp"))).toEqual([]);
    return new RegExp(`full: ${dir}/(\\S+) cannot`).exec(done.err)![1]!;
  }

  beforeAll(async () => {
    cluster = await startSimCluster();
    await place.relay();
    await place.login();
  });
  afterAll(async () => {
    await place.close();
    for (const dir of mounted) spawnSync("umount", [dir]);
    rmSync(root, { recursive: true, force: true });
    await cluster?.stop();
  });

  async function startOnce(dir: string): Promise<void> {
    const relay = place.start(["relay", "run", "--data", dir, "--listen", "127.0.0.1:0"]);
    await relay.said(/relay ready at https/);
    expect(await relay.stop()).toBe(0);
  }

  test("under a first relay: each file that finds no room is named, nothing is half made, and it starts when there is room", { timeout: 180_000 }, async () => {
    const roomy = disk("relay-roomy", roomKiB);
    const first = place.start(["relay", "run", "--data", roomy.dir, "--listen", "127.0.0.1:0"]);
    await first.said(/relay ready at https/);
    const neededKiB = roomy.usedKiB();
    await first.stop();
    const full: string[] = [];
    for (const kib of [8, ...Array.from({ length: 11 }, (_, step) => neededKiB - 4 * (step + 1))]) {
      const { dir, grow } = disk(`relay-${kib}`, kib);
      const done = await place.cli(["relay", "run", "--data", dir, "--listen", "127.0.0.1:0"]);
      full.push(`${kib} KiB: ${fullFile(done, dir)}`);
      grow();
      await startOnce(dir);
    }
    process.stderr.write(`full disk: a first relay needs ${neededKiB} KiB; ${full.join(", ")}\n`);
    for (const file of ["relay.db", "tls/ca.crt", "tls/tls.crt", "address"]) expect(full.map((line) => line.split(": ")[1])).toContain(file);
  });

  test("under an agent that joins: named, nothing half made, and the same token joins when there is room", { timeout: 120_000 }, async () => {
    const ask1 = async (name: string, kib: number) => {
      const { dir, grow, usedKiB } = disk(`agent-${name}`, kib);
      const token = (await place.ok(["token", "create", "--name", name])).trim();
      return { dir, grow, usedKiB, join: () => place.cli(["agent", "join", "--token", token, "--data", dir, "--kubeconfig", cluster.kubeconfig]) };
    };
    const roomy = await ask1("roomy", roomKiB);
    expect((await roomy.join()).code).toBe(0);
    const neededKiB = roomy.usedKiB();
    for (const kib of [8, neededKiB - 4, neededKiB - 8, neededKiB - 16]) {
      const small = await ask1(`small-${kib}`, kib);
      expect(fullFile(await small.join(), small.dir)).toBe("agent.db");
      small.grow();
      expect(await small.join()).toMatchObject({ code: 0, err: "" });
    }
    process.stderr.write(`full disk: an agent that has joined needs ${neededKiB} KiB\n`);
  });

  test.each([290, 320, 360])("under an agent that runs, of %i KiB: it says so, waits, and joins by itself when there is room", async (kib) => {
    const { dir, grow } = disk(`runner-${kib}`, kib);
    const token = (await place.ok(["token", "create", "--name", `runner-${kib}`])).trim();
    const agent = place.start(["agent", "run", "--token", token, "--data", dir, "--kubeconfig", cluster.kubeconfig, "--report-every", "2s"]);
    await agent.said(/"code":"DISK_FULL"/);
    expect(agent.hasEnded).toBe(false);
    grow();
    const [, code] = await agent.said(/"site":"runner-\d+","code":"([A-Z]+-[A-Z]+-\d\d)"/, 30_000);
    await place.ok(["approve", `runner-${kib}`, "--code", code!]);
    await until("the site serves", async () => (await ask(place, "GET", `/k8s/runner-${kib}/version`)).status === 200);
    expect(await agent.stop()).toBe(0);
  });

  test("under a relay and a site that serve: what is new is refused with the reason, results flow, nothing that was accepted is lost, and freed space heals both without a restart", { timeout: 180_000 }, async () => {
    const busy = new Place();
    try {
      disk("", 32_768, busy.relayData);
      disk("", 32_768, busy.agentData("tight"));
      const relay = await busy.relay();
      await busy.login();
      const agent = await busy.site("tight", cluster.kubeconfig);
      const accepted: string[] = [];
      const order = async (name: string, octets = 600_000): Promise<{ status: number; id: string; code: string }> => {
        const { status, body } = await ask(busy, "POST", "/api/v1/commands", { body: { site: "tight", spec: { kind: "apply", objects: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { filler: "x".repeat(octets) } }] } } });
        const { id, code } = body as { id: string; code: string };
        if (status === 202) accepted.push(name);
        return { status, id, code };
      };
      const isIn = (id: string, wanted: string) => async (): Promise<boolean> => ((await ask(busy, "GET", `/api/v1/commands/${id}`)).body as { state: string }).state === wanted;
      const health = async (): Promise<string> => busy.ok(["site", "describe", "tight"]);

      const release = cluster.sim.fault({ match: { method: "PATCH", resource: "configmaps" }, action: { kind: "status", code: 503 } });
      const running = await order("runs-meanwhile", 10);
      await until("the first order runs", isIn(running.id, "running"));

      const atSite = fill(busy.agentData("tight"));
      const { id } = await order("waits-at-the-relay");
      await until("the site says that it has no room", isIn(id, "blocked"));
      expect(await busy.ok(["command", "describe", id])).toMatch(/no room/);
      await until("the site's report says so", async () => (await health()).includes("disk-full"));
      expect(readdirSync(busy.agentData("tight"))).not.toContain("agent.db.ballast");

      const atRelay = fill(busy.relayData);
      // What the database's log has reserved already still takes some: those are as durable as any.
      let refused = await order("order-1");
      for (let n = 2; refused.status === 202 && n < 20; n += 1) refused = await order(`order-${n}`);
      expect([refused.status, refused.code]).toEqual([507, "DISK_FULL"]);
      expect((await order("small", 1)).status).toBe(507);
      expect((await ask(busy, "GET", "/k8s/tight/version")).status).toBe(200); // what is live needs no disk
      expect((await ask(busy, "GET", "/api/v1/commands")).status).toBe(200);
      release();
      await until("the result crosses two full disks", isIn(running.id, "succeeded"));

      rmSync(atRelay);
      await until("the relay takes orders again", async () => (await order("order-again")).status === 202);
      rmSync(atSite);
      const states = async (): Promise<string[]> => ((await ask(busy, "GET", "/api/v1/commands")).body as { items: { state: string }[] }).items.map(({ state }) => state);
      await until("every order that was accepted is done", async () => (await states()).every((state) => state === "succeeded"), 90_000);
      expect(await states()).toHaveLength(accepted.length);
      for (const name of accepted) expect(cluster.sim.find("configmaps", "default", name)).not.toBeNull();
      await until("the site is well again", async () => !(await health()).includes("disk-full"));
      expect([relay.hasEnded, agent.hasEnded]).toEqual([false, false]);
      for (const file of [join(busy.relayData, "relay.db.ballast"), join(busy.agentData("tight"), "agent.db.ballast")]) expect(statSync(file).size).toBe(ballastBytes);
    } finally {
      await busy.stop();
      for (const dir of mounted.splice(-2)) spawnSync("umount", [dir]);
      await busy.close();
    }
  });
});

/** Fills the disk of a folder; answers the file to remove. */
function fill(dir: string): string {
  const path = join(dir, "filler");
  const file = openSync(path, "w");
  const block = Buffer.alloc(4_096);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
  return path;
}
