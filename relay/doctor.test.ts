// The doctor looks and changes nothing, says of each part what it is, and of what fails what to try: folder, disk, keys, database, certificate, port.
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../shared/kit/certificates.ts";
import { makeTempDir } from "../test/kit/temp-dir.ts";
import { checkJson, checkRelay, checkText, type Check, type Looked } from "./doctor.ts";
import { openRelayFolder, readTls, relayTls } from "./setup.ts";

const names = ["localhost", "127.0.0.1"];
const own = { tlsCert: "", tlsKey: "", tlsCa: "" };
const servers: Server[] = [];
let dir: string;
let folder: string;

beforeEach(async () => {
  dir = makeTempDir("doctor");
  folder = join(dir, "relay");
  await (await openRelayFolder(folder)).store.close();
  await relayTls(folder, own, names, Date.now());
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(dir, { recursive: true, force: true });
});

const look = (rest: Partial<Looked> = {}): Promise<Check[]> => checkRelay({ dir: folder, listen: { host: "127.0.0.1", port: 0 }, tls: own, names, nowMs: Date.now(), ...rest });

/** What fails, and that each says what to try. */
async function failures(rest: Partial<Looked> = {}): Promise<string[]> {
  const failed = (await look(rest)).filter(({ isOk }) => !isOk);
  for (const { name, hint } of failed) expect(hint, name).not.toBe("");
  return failed.map(({ name, said }) => `${name}: ${said}`);
}

/** Every file with what is in it and when it was written. */
function contents(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name));
  return Object.fromEntries(files.map((file) => [file, `${statSync(file).mtimeMs} ${readFileSync(file, "latin1")}`]));
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

test("a folder that is well has nothing wrong, and nothing is written although its certificate is for other names", async () => {
  const before = contents(dir);
  expect(await failures({ names: ["relay.example"] })).toEqual([]);
  const checks = await look({ names: ["relay.example"] });
  expect(checks.map(({ name }) => name)).toEqual(["folder", "disk", "keys", "database", "certificate", "port"]);
  expect(checks.find(({ name }) => name === "certificate")?.said).toContain("the next start issues a new one");
  expect(contents(dir)).toEqual(before);
  expect(checkText(checks)).toMatch(/^ok {4}folder .*\nok [^]*nothing is wrong here\n$/);
  expect(JSON.parse(checkJson(checks))).toMatchObject({ kind: "RelayDoctor", ok: true, problem: null, checks: [{ name: "folder", ok: true }, {}, {}, {}, {}, {}] });
});

test("a folder that was never set up stays as it is", async () => {
  const nowhere = join(dir, "nowhere");
  expect(await failures({ dir: nowhere })).toEqual([`folder: ${nowhere} was not set up`]);
  expect(readdirSync(dir)).toEqual(["relay"]);
  const checks = await look({ dir: nowhere });
  expect(checkText(checks)).toContain(`try          bowline relay init --data ${nowhere}`);
  expect(JSON.parse(checkJson(checks))).toMatchObject({ ok: false, problem: "folder" });
});

describe("it says what is wrong with", () => {
  const database = (): string => join(folder, "relay.db");
  const write = (at: number, octets: Buffer): void => {
    const handle = openSync(database(), "r+");
    writeSync(handle, octets, 0, octets.length, at);
    closeSync(handle);
  };

  test.each([
    ["a database that is gone", () => rmSync(database()), /is gone/],
    ["one that is damaged", () => write(0, Buffer.from("nonsense")), /damaged/],
    ["one that is cut short", () => writeFileSync(database(), "SQLite"), /damaged/],
    ["another program's", () => write(68, Buffer.of(1, 2, 3, 4)), /another program's/],
    ["a newer version's", () => write(60, Buffer.of(0, 0, 9, 9)), /newer version/],
  ] as const)("%s", async (_what, harm, why) => {
    harm();
    expect(await failures()).toEqual([expect.stringMatching(why)]);
  });

  test("keys that others can read, or that are gone", async () => {
    chmodSync(join(folder, "identity.key"), 0o644);
    expect(await failures()).toEqual([expect.stringMatching(/^keys: .*can be read by others/)]);
    rmSync(join(folder, "identity.key"));
    expect(await failures()).toEqual([expect.stringMatching(/^folder: .*a database and no keys/)]);
  });

  test("certificates that are gone, that end soon, or whose key is another's", async () => {
    const soonMs = Date.now() + 360 * 86_400_000;
    expect(await failures({ nowMs: soonMs })).toEqual([expect.stringMatching(/^certificate: good for [0-5] days; the next start/)]);
    const authority = await makeAuthority("other", 30, Date.now());
    const other = await issueCertificate(authority, names, 30, Date.now());
    writeFileSync(join(dir, "other.key"), other.key);
    expect(await failures({ tls: { tlsCert: join(folder, "tls", "tls.crt"), tlsKey: join(dir, "other.key"), tlsCa: "" } })).toEqual([expect.stringMatching(/do not belong together/)]);
    expect(await failures({ tls: { ...own, tlsKey: join(dir, "other.key") } })).toEqual([expect.stringMatching(/--tls-cert and --tls-key belong together/)]);
    rmSync(join(folder, "tls"), { recursive: true });
    expect(await failures()).toEqual([expect.stringMatching(/^certificate: .*ca\.crt/)]);
    mkdirSync(join(folder, "tls"));
  });

  test("a port that another program has; one that this relay has is well", async () => {
    const { cert, key } = readTls(folder, own);
    const relayPort = await listen(createTlsServer({ cert, key }, (socket) => socket.on("error", () => {}).end()));
    expect((await look({ listen: { host: "127.0.0.1", port: relayPort } })).at(-1)).toMatchObject({ name: "port", isOk: true, said: `the relay answers at 127.0.0.1:${relayPort}` });
    const otherPort = await listen(createServer((socket) => socket.on("error", () => {}).end("220 mail\r\n")));
    expect(await failures({ listen: { host: "127.0.0.1", port: otherPort } })).toEqual([`port: another program listens at 127.0.0.1:${otherPort}`]);
    expect(await failures({ listen: { host: "192.0.2.1", port: 8_443 } })).toEqual([expect.stringMatching(/^port: 192\.0\.2\.1:8443 cannot be listened at/)]);
  });

  test("nothing while a relay runs on the folder", async () => {
    const opened = await openRelayFolder(folder);
    try {
      await opened.store.call("putFirstLogin", { hash: "h", nowMs: 1, expiresMs: 2 });
      expect(await failures()).toEqual([]);
    } finally {
      await opened.store.close();
    }
  });
});
