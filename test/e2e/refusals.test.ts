// What bad input gets, on real processes: each its own four-part error within its time, and the next good request works. Needs no cluster.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, contextToken } from "./kube-rest.ts";
import { Place, type Finished, type Started } from "./place.ts";

const place = new Place();
let relay: Started;

beforeAll(async () => {
  relay = await place.relay();
  await place.login();
});
afterAll(() => place.close());

function expectFault(done: Finished, code: string, exit: number, ...words: RegExp[]): void {
  expect(done.err).toMatch(/^error: .+\n {2}why {4}.+/m);
  expect(done.err).toContain(`code   ${code} (exit ${exit})`);
  expect(done.code).toBe(exit);
  for (const word of words) expect(done.err).toMatch(word);
}

async function api(path: string, token: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const { status, body } = await ask(place, "GET", path, { token });
  return { status, body: body as Record<string, unknown> };
}

describe("at the command line", () => {
  test("an unknown site is named, with exit code 5", async () => {
    expectFault(await place.cli(["site", "describe", "nowhere"]), "SITE_UNKNOWN", 5, /nowhere/);
  });

  test("a manifest with a YAML error is refused with file, line and column", async () => {
    const file = join(place.dir, "bad.yaml");
    writeFileSync(file, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n   labels: {}\n");
    expectFault(await place.cli(["apply", "-f", file, "--site", "any"]), "MANIFEST_INVALID", 2, /bad\.yaml:4:9/);
  });

  test("an empty manifest is refused", async () => {
    const file = join(place.dir, "empty.yaml");
    writeFileSync(file, "# nothing here\n---\n");
    expectFault(await place.cli(["apply", "-f", file, "--site", "any"]), "MANIFEST_EMPTY", 2);
  });

  test("an order for an unknown site stores nothing", async () => {
    const file = join(place.dir, "cm.yaml");
    writeFileSync(file, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    expectFault(await place.cli(["apply", "-f", file, "--site", "nowhere"]), "SITE_UNKNOWN", 5);
    expect(JSON.parse(await place.ok(["command", "ls", "-o", "json"])).items ?? []).toEqual([]);
  });

  test("a token of another relay is refused, and says how to log in", async () => {
    expectFault(await place.cli(["login", place.relayUrl, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", "bwo1_x"]), "TOKEN_UNKNOWN", 3, /bowline login/);
  });

  test("a relay with another CA is not spoken to", async () => {
    expectFault(await place.cli(["login", place.relayUrl, "--token", "bwo1_x"]), "RELAY_TLS", 1);
  });

  test("a relay that is not there is said to be unreachable", async () => {
    expectFault(await place.cli(["login", "https://127.0.0.1:9", "--token", "bwo1_x"]), "RELAY_UNREACHABLE", 1);
  });

  test("a config file that others can read is refused", async () => {
    const dir = join(place.dir, "exposed");
    mkdirSync(dir);
    const file = join(dir, "config.json");
    writeFileSync(file, '{"current":"","contexts":[]}');
    chmodSync(file, 0o644);
    expectFault(await place.cli(["whoami"], { env: { BOWLINE_CONFIG: file } }), "FILE_EXPOSED", 1, /chmod 600/);
  });
});

describe("operator tokens", () => {
  test("none, unknown, expired and revoked ones each have their own answer", async () => {
    const brief = (await place.ok(["operator", "token", "--ttl", "1s"])).trim();
    const revoked = (await place.ok(["operator", "token"])).trim();
    await place.ok(["logout"], {}); // the context's own token
    const dead = await api("/api/v1/sites", "bwo1_unknown");
    expect([dead.status, dead.body["code"]]).toEqual([401, "TOKEN_UNKNOWN"]);
    expect((await api("/api/v1/sites", "")).body["code"]).toBe("NOT_LOGGED_IN");
    expect((await api("/api/v1/sites", revoked)).status).toBe(200);
    await place.ok(["login", place.relayUrl, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", revoked]);
    const fresh = (await place.ok(["operator", "token"])).trim();
    await place.ok(["logout"]);
    expect((await api("/api/v1/sites", revoked)).body["code"]).toBe("TOKEN_REVOKED");
    await place.ok(["login", place.relayUrl, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", fresh]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await api("/api/v1/sites", brief)).body["code"]).toBe("TOKEN_EXPIRED");
    expect((await api("/api/v1/sites", contextToken(place))).status).toBe(200);
  });

  test("the first-login token burns", async () => {
    const first = readFileSync(join(place.relayData, "first-login"), "utf8").trim();
    expectFault(await place.cli(["login", place.relayUrl, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", first]), "TOKEN_UNKNOWN", 3);
  });
});

describe("kubectl's requests", () => {
  test("an unknown site is a 404 Status, a wrong token a 401 Status", async () => {
    const unknown = await api("/k8s/nowhere/api/v1/pods", contextToken(place));
    expect([unknown.status, unknown.body["kind"], unknown.body["reason"]]).toEqual([404, "Status", "NotFound"]);
    const stranger = await api("/k8s/nowhere/api/v1/pods", "bwo1_x");
    expect([stranger.status, stranger.body["reason"]]).toEqual([401, "Unauthorized"]);
  });

  test.each(["/k8s/a/../b/api", "/k8s/a/api//v1", "/k8s/a/api%2fv1", "/k8s/a/api/v1;x", "/k8s/a/%2e%2e/b"])("the path %s is refused", async (path) => {
    const { status, body } = await api(path, contextToken(place));
    expect([status, (body["details"] as { causes: { message: string }[] }).causes[0]!.message]).toEqual([400, "PATH_REFUSED"]);
  });
});

describe("at a relay's start", () => {
  test("a second relay on the same folder is told that the database is held", async () => {
    expectFault(await place.cli(["relay", "run", "--data", place.relayData, "--listen", "127.0.0.1:0"]), "STORE_HELD", 1, /fuser/);
  });

  test("a port in use is named", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    expectFault(await place.cli(["relay", "run", "--data", join(place.dir, "other"), "--listen", `127.0.0.1:${port}`]), "PORT_IN_USE", 1, new RegExp(String(port)));
    server.close();
  });

  test("a missing certificate is named", async () => {
    expectFault(await place.cli(["relay", "run", "--data", join(place.dir, "r3"), "--listen", "127.0.0.1:0", "--tls-cert", "/nowhere/tls.crt", "--tls-key", "/nowhere/tls.key"]), "FILE_MISSING", 1, /\/nowhere\/tls\.crt/);
  });

  test("a key file that others can read is refused", async () => {
    const data = join(place.dir, "r4");
    await place.ok(["relay", "init", "--data", data]);
    chmodSync(join(data, "identity.key"), 0o644);
    expectFault(await place.cli(["relay", "run", "--data", data, "--listen", "127.0.0.1:0"]), "FILE_EXPOSED", 1, /chmod 600/);
  });

  test("a database that is gone is damage, not a first start", async () => {
    const data = join(place.dir, "r5");
    await place.ok(["relay", "init", "--data", data]);
    writeFileSync(join(data, "relay.db"), "");
    expectFault(await place.cli(["relay", "run", "--data", data, "--listen", "127.0.0.1:0"]), "STORE_CORRUPT", 1);
  });

  test("a database of a newer version is left alone", async () => {
    const data = join(place.dir, "r6");
    await place.ok(["relay", "init", "--data", data]);
    const { default: Database } = await import("better-sqlite3");
    const db = new Database(join(data, "relay.db"));
    db.pragma("user_version = 999");
    db.close();
    expectFault(await place.cli(["relay", "run", "--data", data, "--listen", "127.0.0.1:0"]), "STORE_NEWER", 1, /999/);
  });

  test("an unknown flag names the nearest", async () => {
    expectFault(await place.cli(["relay", "run", "--listn", "x"]), "USAGE", 2, /--listen/);
  });
});

describe("join tokens", () => {
  test("cut short, mistyped and of another kind are refused before anything is dialled", async () => {
    const token = (await place.ok(["token", "create", "--name", "cut"])).trim();
    const join1 = (text: string): Promise<Finished> => place.cli(["agent", "join", "--token", text, "--data", join(place.dir, "a-cut"), "--kubeconfig", "/nowhere"]);
    expectFault(await join1(token.slice(0, 200)), "JOIN_TOKEN_MALFORMED", 2, /cut short/);
    expectFault(await join1(`${token.slice(0, 50)}X${token.slice(51)}`), "JOIN_TOKEN_MALFORMED", 2, /check digits/);
    expectFault(await join1("hello"), "JOIN_TOKEN_MALFORMED", 2);
  });

  test("a token is good for one agent; the same agent may ask again", async () => {
    const token = (await place.ok(["token", "create", "--name", "once"])).trim();
    const dir = join(place.dir, "a-once");
    const first = await place.cli(["agent", "join", "--token", token, "--data", dir, "--kubeconfig", "/nowhere"]);
    expect([first.code, /code: [A-Z]+-[A-Z]+-\d\d/.test(first.out)]).toEqual([0, true]);
    expectFault(await place.cli(["agent", "join", "--token", token, "--data", `${dir}-2`, "--kubeconfig", "/nowhere"]), "JOIN_TOKEN_USED", 6);
    expectFault(await place.cli(["approve", "once", "--code", "TEAL-OTTER-00"]), "MATCH_CODE_WRONG", 4);
  });

  test("expired and revoked tokens are refused", async () => {
    const brief = (await place.ok(["token", "create", "--name", "brief", "--ttl", "1ms"])).trim();
    expectFault(await place.cli(["agent", "join", "--token", brief, "--data", join(place.dir, "a-brief"), "--kubeconfig", "/nowhere"]), "JOIN_TOKEN_EXPIRED", 3);
    const listed = JSON.parse(await place.ok(["token", "create", "--name", "gone", "-o", "json"])) as { id: string; token: string };
    await place.ok(["token", "revoke", listed.id]);
    expectFault(await place.cli(["agent", "join", "--token", listed.token, "--data", join(place.dir, "a-gone"), "--kubeconfig", "/nowhere"]), "JOIN_TOKEN_UNKNOWN", 3);
  });

  test("a relay with another identity key hears neither site nor token", async () => {
    const token = (await place.ok(["token", "create", "--name", "wrong-key"])).trim();
    const body = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString("utf8")) as Record<string, unknown>;
    const { joinTokenText } = await import("../../shared/trust/join-token.ts");
    const { makeSigningKeys } = await import("../../shared/kit/keys.ts");
    const forged = joinTokenText({ ...body, identity: [makeSigningKeys().publicKey] } as never);
    expectFault(await place.cli(["agent", "join", "--token", forged, "--data", join(place.dir, "a-wrong"), "--kubeconfig", "/nowhere"]), "RELAY_KEY_WRONG", 4, /nothing that names the site/);
    expect(await place.ok(["site", "ls"])).not.toContain("wrong-key");
  });
});

test("after all of this the relay still serves", async () => {
  expect(relay.hasEnded).toBe(false);
  expect(await place.ok(["whoami"])).toContain("admin");
});
