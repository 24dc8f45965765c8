// What bad input gets at the command line, from the API and at kubectl's address: each its own four-part error, and the next good request works. Needs no cluster;
// beside it: refused-starts, refused-joins, hostile-agents, hostile-relays, api-server-faults.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectFault } from "./expect-fault.ts";
import { ask, contextToken } from "./kube-rest.ts";
import { Place, type Started } from "./place.ts";

const place = new Place();
let relay: Started;

beforeAll(async () => {
  relay = await place.relay();
  await place.login();
});
afterAll(() => place.close());

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

test("after all of this the relay still serves", async () => {
  expect(relay.hasEnded).toBe(false);
  expect(await place.ok(["whoami"])).toContain("admin");
});
