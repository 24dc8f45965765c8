// Disks that fail under a relay and an agent at work: errors of single calls, swept over their number, a disk that fails for a while, and kills in the middle of a
// checkpoint. Nothing that was acknowledged is lost, nothing is called a bug or damage, the process lives on, and the next order after the fault is as good as ever.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import Database from "better-sqlite3";
import { describeNeeding } from "../kit/needs.ts";
import { BadDisk, withCompanions } from "../power/bad-disk.ts";
import { straceMissing } from "../power/trace.ts";
import { ask, commands } from "./kube-rest.ts";
import { Place, root, until, type Started } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

/** Each is met at its first, second ... call from the moment on at which the order is given; `SWEEP` for more of them. */
const sweep = Number(process.env["SWEEP"] ?? "3");
const ERRORS = ["fsync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"] as const;
type Side = "relay" | "agent";

describeNeeding(straceMissing(), "a disk that fails", () => {
  const place = new Place();
  const running = {} as Record<Side, Started>;
  const acknowledged: string[] = [];
  let cluster: SimCluster;
  let orders = 0;

  beforeAll(async () => {
    cluster = await startSimCluster();
    running.relay = await place.relay();
    await place.login();
    running.agent = await place.site("anvil", cluster.kubeconfig);
  });
  afterAll(async () => {
    await place.close();
    await cluster?.stop();
  });

  const database = (side: Side): string => (side === "relay" ? join(place.relayData, "relay.db") : join(place.agentData("anvil"), "agent.db"));

  function under(side: Side, inject: string, files = withCompanions(database(side))): Promise<BadDisk> {
    return BadDisk.under(running[side].child.pid!, { inject, files }, join(place.dir, `fault-${orders}`));
  }

  /** An order under its own key: its number. */
  function newOrder(): number {
    orders += 1;
    return orders;
  }

  /** Asks once; the status, 0 when there was no answer. */
  async function submit(number: number, filler = 20_000): Promise<{ status: number; code: string }> {
    const objects = [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `cm-${number}`, namespace: "default" }, data: { filler: "x".repeat(filler) } }];
    const asked = await ask(place, "POST", "/api/v1/commands", { body: { site: "anvil", spec: { kind: "apply", objects, forceConflicts: false } }, headers: { "idempotency-key": `order-${number}` } }).catch(() => ({ status: 0, body: {} }));
    const { id, code } = asked.body as { id?: string; code?: string };
    if (asked.status === 202 && !acknowledged.includes(id!)) acknowledged.push(id!);
    return { status: asked.status, code: code ?? "" };
  }

  /** Until it is accepted; what it is refused with on the way must be the disk's own words. */
  async function accepted(number: number): Promise<void> {
    await until(`order ${number} is accepted`, async () => {
      const { status, code } = await submit(number);
      if (status !== 202) expect([status, code]).toEqual(code === "DISK_FULL" ? [507, "DISK_FULL"] : [503, "STORE_FAILED"]);
      return status === 202;
    });
  }

  async function allEnded(): Promise<void> {
    await until("every order has ended", async () => (await commands(place).catch(() => [{ state: "" }])).every(({ state }) => state === "succeeded"), 90_000);
    const known = new Set((await commands(place)).map(({ id }) => id));
    expect(acknowledged.filter((id) => !known.has(id))).toEqual([]);
    expect([running.relay.hasEnded, running.agent.hasEnded]).toEqual([false, false]);
  }

  test.each(["relay", "agent"] as const)("under the %s, at one call after the other: nothing acknowledged is lost, and what comes after is as good as ever", { timeout: 60_000 * sweep }, async (side) => {
    for (const error of ERRORS) {
      for (let nth = 1; nth <= sweep; nth += 1) {
        const disk = await under(side, `${error}:when=${nth}`);
        await accepted(newOrder());
        await until("the disk has failed", () => disk.strikes > 0);
        await disk.mend();
      }
    }
    await allEnded();
    expect(running[side].err).not.toMatch(/"code":"(BUG|STORE_CORRUPT)"/);
  });

  test.each([
    ["relay", "fsync:error=EIO"],
    ["relay", "openat,pwrite64:error=EROFS"],
    ["agent", "fsync:error=EIO"],
  ] as const)("under the %s, %s for a while: it says so, lives on, and all goes on when the disk does", async (side, error) => {
    const disk = await under(side, error);
    const number = newOrder();
    if (side === "relay") expect(await submit(number)).toEqual({ status: 503, code: "STORE_FAILED" });
    else await accepted(number);
    await running[side].said(/"code":"STORE_FAILED"/);
    await until("the disk has failed several times", () => disk.strikes > 3);
    await disk.mend();
    await accepted(number);
    await allEnded();
    expect(running[side].err).not.toMatch(/"code":"BUG"/);
  });

  test.each(["relay", "agent"] as const)("the %s, killed inside a checkpoint, loses nothing and ends all", { timeout: 180_000 }, async (side) => {
    for (const nth of [1, 2]) {
      const disk = await under(side, `pwrite64:signal=KILL:when=${nth}`, [database(side)]); // the database itself is written by checkpoints only
      while (!running[side].hasEnded) {
        const number = newOrder();
        for (let answer = await submit(number, 300_000); answer.status !== 202 && !running[side].hasEnded; answer = await submit(number, 300_000));
      }
      expect([await running[side].ended, disk.strikes]).toEqual([137, expect.any(Number)]);
      await disk.mend();
      running[side] = side === "relay" ? await place.relay() : place.agent("anvil", cluster.kubeconfig);
      await allEnded();
    }
  });

  test("both databases are whole, and tell the same of every order", async () => {
    await until("every result is receipted", async () => /waiting +0 letters, 0 commands/.test(await place.ok(["agent", "status", "--data", place.agentData("anvil")]).catch(() => "")));
    await running.agent.stop();
    await running.relay.stop();
    const states = (side: Side): unknown[] => {
      const db = new Database(database(side), { readonly: true });
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
      const rows = db.prepare("SELECT id, state, outcome FROM commands ORDER BY id").all() as { id: string; state: string; outcome: string }[];
      db.close();
      return rows.map(({ id, outcome }) => [id, (JSON.parse(outcome) as { state: string }).state]);
    };
    expect(states("relay")).toEqual(states("agent"));
    expect(states("relay").length).toBeGreaterThanOrEqual(acknowledged.length);
  });

  test.each(["openat:error=EIO", "pread64:error=EIO", "fsync:error=EIO", "pwrite64:error=EIO"])("at an open, %s at one call after the other is said as what it is, and the next open works", (error) => {
    const dir = mkdtempSync(join(tmpdir(), "bowline-disk-"));
    try {
      const file = join(dir, "pebbles.db");
      const trial = (first: string, ...via: string[]): string => {
        const [command, ...args] = [...via, process.execPath, join(root, "test", "power", "store-trial.ts"), file, "2", "9000", first];
        return spawnSync(command!, args, { encoding: "utf8" }).stdout;
      };
      let refused = 0;
      expect(trial("first")).toMatch(/^ok first-001\nok first-002\nclosed$/m);
      for (let nth = 1; nth <= sweep; nth += 1) {
        const said = trial(`n${nth}`, "strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", ...withCompanions(file).flatMap((path) => ["-P", path]), "-e", `trace=${error.split(":")[0]}`, "-e", `inject=${error}:when=${nth}`);
        expect(said).not.toMatch(/BUG|STORE_CORRUPT|FILE_/);
        if (said.startsWith("refused ")) refused += 1;
        expect(trial(`m${nth}`)).toBe(`ok m${nth}-001\nok m${nth}-002\nclosed\n`);
        for (const [, id] of said.matchAll(/^ok (\S+)/gm)) expect(stored(file)).toContain(id);
      }
      process.stderr.write(`broken disks: ${error} at an open: ${refused} of ${sweep} refused with STORE_FAILED\n`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

function stored(file: string): string[] {
  const db = new Database(file, { readonly: true });
  const rows = db.prepare("SELECT id FROM pebbles").all() as { id: string }[];
  db.close();
  return rows.map(({ id }) => id);
}
