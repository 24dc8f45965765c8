// The command line as a person meets it: what is mistyped, several sites at once, a relay that is away for a moment, output for programs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Place, until, type Finished, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: TestCluster;
let relay: Started;
const manifest = join(place.dir, "cm.yaml");

beforeAll(async () => {
  cluster = await startTestCluster();
  relay = await place.relay();
  await place.login();
  for (const name of ["north", "south"]) await place.site(name, cluster.kubeconfig);
  writeFileSync(manifest, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cli, namespace: default}\n");
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

function expectUsage(done: Finished, ...words: RegExp[]): void {
  expect(done.err).toMatch(/^error: .+\n {2}why {4}.+\n {2}try {4}bowline .*--help\n {2}code {3}USAGE \(exit 2\)\n$/m);
  expect(done.code).toBe(2);
  for (const word of words) expect(done.err).toMatch(word);
}

describe("what is mistyped", () => {
  test.each([
    [["frob"], /frob/],
    [["apply"], /--filename/],
    [["command", "ls", "--frob"], /--frob/],
    [["site", "describe"], /name/],
    [["-o", "frob", "site", "ls"], /frob/],
  ])("%j gets the four parts and exit code 2", async (args, word) => {
    expectUsage(await place.cli(args), word);
  });

  test("a site or state that does not exist is an error, not an empty list", async () => {
    expect(await place.cli(["command", "ls", "--site", "nope"])).toMatchObject({ code: 5, err: expect.stringContaining("SITE_UNKNOWN") });
    expect(await place.cli(["command", "ls", "--state", "frob"])).toMatchObject({ code: 2, err: expect.stringContaining("queued") });
  });
});

test("an order for several sites goes to all of them before any is waited for", async () => {
  const done = await place.cli(["apply", "-f", manifest, "--site", "north,south", "--wait=30s", "--idempotency-key", "both", "-o", "json"]);
  expect(done.code).toBe(0);
  const { items } = JSON.parse(done.out) as { items: { site: string; state: string }[] };
  expect(items.map(({ site, state }) => `${site} ${state}`)).toEqual(["north succeeded", "south succeeded"]);
  const again = await place.ok(["apply", "-f", manifest, "--site", "north,south", "--idempotency-key", "both", "-o", "json"]);
  expect((JSON.parse(again) as { items: { id: string }[] }).items.map(({ id }) => id)).toEqual((JSON.parse(done.out) as { items: { id: string }[] }).items.map(({ id }) => id));
});

test("who waits for an order sits out a restart of the relay", async () => {
  const waiting = place.start(["job", "run", "nap", "--site", "north", "--image", "busybox", "--wait=60s", "--", "sleep", "8"]);
  await waiting.said(/running/);
  await relay.stop();
  await waiting.said(/the relay is away/);
  relay = await place.relay();
  expect(await waiting.ended).toBe(0);
  expect(waiting.out).toMatch(/succeeded/);
});

test("an agent's status is JSON for programs, and the doctor beside a running agent looks at its cluster", async () => {
  const status = JSON.parse(await place.ok(["agent", "status", "--data", place.agentData("north"), "-o", "json"])) as { name: string; state: string };
  expect([status.name, status.state]).toEqual(["north", "linked"]);
  await until("the doctor finds nothing wrong", async () => (await place.cli(["agent", "doctor", "--data", place.agentData("north")])).code === 0);
});

test("a join is told as JSON for programs", async () => {
  const token = (await place.ok(["token", "create", "--name", "west"])).trim();
  const joined = JSON.parse(await place.ok(["agent", "join", "--token", token, "--data", place.agentData("west"), "--kubeconfig", cluster.kubeconfig, "-o", "json"])) as { kind: string; name: string; matchCode: string; state: string; checks: { isOk: boolean }[] };
  expect(joined).toMatchObject({ kind: "AgentJoin", name: "west", state: "waiting" });
  expect(joined.checks.length).toBeGreaterThan(3);
  await place.ok(["approve", "west", "--code", joined.matchCode]);
});

test("a token may come by standard input, where no other process sees it", async () => {
  const token = (await place.ok(["operator", "token"])).trim();
  const done = await place.cli(["login", place.relayUrl, "--ca", join(place.relayData, "tls", "ca.crt"), "--name", "second", "--token", "-"], { input: `${token}\n` });
  expect(done).toMatchObject({ code: 0, err: expect.stringContaining("logged in") });
});
