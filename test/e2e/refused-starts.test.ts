// What keeps a relay or an agent from starting: a precise error that names the thing, an end by itself, and nothing changed. Each folder starts, or goes on, once the
// reason is gone.
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { expectFault } from "./expect-fault.ts";
import { Place, type Finished } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: SimCluster;
beforeAll(async () => {
  cluster = await startSimCluster();
  await place.relay();
  await place.login();
  await place.joined("ready", cluster.kubeconfig);
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

const runRelay = (dir: string, ...args: readonly string[]): Promise<Finished> => place.cli(["relay", "run", "--data", dir, "--listen", "127.0.0.1:0", ...args]);
const runAgent = (...args: readonly string[]): Promise<Finished> => place.cli(["agent", "run", "--data", place.agentData("ready"), "--kubeconfig", cluster.kubeconfig, ...args]);

async function newRelay(name: string): Promise<string> {
  const dir = join(place.dir, name);
  await place.ok(["relay", "init", "--data", dir]);
  return dir;
}

async function takenPort(): Promise<{ port: number; free: () => void }> {
  const server = createServer().listen(0);
  await new Promise((resolve) => server.once("listening", resolve));
  return { port: (server.address() as AddressInfo).port, free: () => void server.close() };
}

function setVersion(file: string, version: number): number {
  const db = new Database(file);
  const before = db.pragma("user_version", { simple: true }) as number;
  db.pragma(`user_version = ${version}`);
  db.close();
  return before;
}

describe("a relay", () => {
  test("on a folder that another one serves is told that the database is held", async () => {
    expectFault(await runRelay(place.relayData), "STORE_HELD", 1, /fuser/);
  });

  test("on a port in use is told which", async () => {
    const { port, free } = await takenPort();
    expectFault(await place.cli(["relay", "run", "--data", join(place.dir, "other"), "--listen", `127.0.0.1:${port}`]), "PORT_IN_USE", 1, new RegExp(`127\\.0\\.0\\.1:${port}`));
    free();
  });

  test("with a certificate that is missing, is none, or does not belong to its key, is told which file", async () => {
    const dir = await newRelay("r-tls");
    const key = join(dir, "tls", "tls.key");
    expectFault(await runRelay(dir, "--tls-cert", "/nowhere/tls.crt", "--tls-key", key), "FILE_MISSING", 1, /\/nowhere\/tls\.crt/);
    expectFault(await runRelay(dir, "--tls-cert", key, "--tls-key", key), "FILE_INVALID", 1, /tls\.key cannot be used/, /no PEM block CERTIFICATE/);
    expectFault(await runRelay(dir, "--tls-cert", join(dir, "tls", "tls.crt")), "USAGE", 2, /--tls-key/);
    const stranger = join(place.dir, "stranger.crt");
    writeFileSync(stranger, (await issueCertificate(await makeAuthority("stranger", 1, Date.now()), ["localhost"], 1, Date.now())).cert);
    expectFault(await runRelay(dir, "--tls-cert", stranger, "--tls-key", key), "FILE_INVALID", 1, /certificate and key cannot be used/, /belong together/);
  });

  test("with a key file that others can read is refused", async () => {
    const dir = await newRelay("r-exposed");
    chmodSync(join(dir, "identity.key"), 0o644);
    expectFault(await runRelay(dir), "FILE_EXPOSED", 1, /chmod 600/);
  });

  test("whose database is empty, or is none, is told of damage: it is no first start", async () => {
    const dir = await newRelay("r-damaged");
    for (const content of ["", "this is no database, whatever its name says, and it is long enough to have a header of its own".repeat(20)]) {
      writeFileSync(join(dir, "relay.db"), content);
      expectFault(await runRelay(dir), "STORE_CORRUPT", 1, /relay\.db/, /backup/);
    }
  });

  test("whose database a newer version wrote leaves it alone", async () => {
    const dir = await newRelay("r-newer");
    const before = setVersion(join(dir, "relay.db"), 999);
    expectFault(await runRelay(dir), "STORE_NEWER", 1, /999/);
    expect(setVersion(join(dir, "relay.db"), before)).toBe(999);
    const relay = place.start(["relay", "run", "--data", dir, "--listen", "127.0.0.1:0"]);
    await relay.said(/relay ready/);
    expect(await relay.stop()).toBe(0);
  });

  test("with an unknown flag is told the nearest", async () => {
    expectFault(await place.cli(["relay", "run", "--listn", "x"]), "USAGE", 2, /--listen/);
  });
});

describe("an agent", () => {
  test("that has not joined is told how to", async () => {
    expectFault(await place.cli(["agent", "run", "--data", join(place.dir, "a-new"), "--kubeconfig", cluster.kubeconfig]), "NOT_INITIALISED", 1, /bowline agent join --token/);
  });

  test("without its kubeconfig, or with one that turns verification off, is told which file", async () => {
    expectFault(await runAgent("--kubeconfig", "/nowhere/config"), "FILE_MISSING", 1, /\/nowhere\/config/);
    const careless = join(place.dir, "careless.json");
    const cluster = { server: "https://127.0.0.1:1", "insecure-skip-tls-verify": true };
    writeFileSync(careless, JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [{ name: "c", cluster }], users: [{ name: "u", user: { token: "t" } }], contexts: [{ name: "x", context: { cluster: "c", user: "u" } }], "current-context": "x" }));
    expectFault(await runAgent("--kubeconfig", careless), "FILE_INVALID", 1, /insecure-skip-tls-verify/, /certificate-authority-data/);
  });

  test("whose port for health checks is in use is told which, and ends", async () => {
    const { port, free } = await takenPort();
    expectFault(await runAgent("--health-port", String(port)), "PORT_IN_USE", 1, new RegExp(String(port)), /--health-port/);
    free();
  });

  test("with a key file that others can read is refused", async () => {
    const key = join(place.agentData("ready"), "identity.key");
    chmodSync(key, 0o640);
    expectFault(await runAgent(), "FILE_EXPOSED", 1, /chmod 600/);
    chmodSync(key, 0o600);
  });

  test("whose database is gone, or is of a newer version, is told so: it is no first start", async () => {
    const file = join(place.agentData("ready"), "agent.db");
    copyFileSync(file, `${file}.kept`);
    const before = setVersion(file, 999);
    expectFault(await runAgent(), "STORE_NEWER", 1, /999/);
    expect(setVersion(file, before)).toBe(999);
    writeFileSync(file, "");
    expectFault(await runAgent(), "STORE_CORRUPT", 1, /agent\.db/);
    copyFileSync(`${file}.kept`, file);
  });

  test("starts when all of these reasons are gone; a second one on its folder is told that the database is held", async () => {
    const agent = place.agent("ready", cluster.kubeconfig);
    await agent.said(/"msg":"linked"/);
    expectFault(await runAgent(), "STORE_HELD", 1, /agent\.db/, /fuser/);
    expect(agent.hasEnded).toBe(false);
    expect(await agent.stop()).toBe(0);
  });
});
