// Every way out that the one builder of sockets offers, on real processes: no proxy, a proxy, one with credentials, one inside TLS with a private CA of its own; the
// relay judged by an enclosed CA, by a pin, by the machine's roots; NO_PROXY matching or not. For the agent and for the command line. And proxies that misbehave:
// each its own precise fault that names the proxy and never the password.
import { createHash, X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { joinTokenText, parseJoinToken, type JoinToken } from "../../shared/trust/join-token.ts";
import { ConnectProxy } from "../kit/connect-proxy.ts";
import { expectFault } from "./expect-fault.ts";
import { ask } from "./kube-rest.ts";
import { Place, until, type Finished } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const user = "site";
/** Holds what has to be percent-encoded in an address. */
const password = "p@ss:wörd/100%";
const encodedCredentials = `${user}:${encodeURIComponent(password)}`;

const place = new Place();
let host = "";
let port = "";
let relayCa = "";
let pin = "";
let token: JoinToken;
let extraCaFile = "";
let operator = "";
let cluster: SimCluster;
const proxies = {} as Record<"plain" | "guarded" | "secure" | "secureGuarded", ConnectProxy>;

/** This machine's own name, when it leads here: then there is a server name in TLS. Else the unspecified address, which Linux leads to itself. */
async function ownHost(): Promise<string> {
  const found = await lookup(hostname()).catch(() => null);
  return found !== null && found.address.startsWith("127.") ? hostname().toLowerCase() : "0.0.0.0";
}

beforeAll(async () => {
  host = await ownHost();
  cluster = await startSimCluster();
  await place.relay(["--names", "0.0.0.0,relay.test"]);
  await place.login();
  port = new URL(place.relayUrl).port;
  relayCa = readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8");
  const spki = new X509Certificate(readFileSync(join(place.relayData, "tls", "tls.crt"))).publicKey.export({ type: "spki", format: "der" });
  pin = createHash("sha256").update(spki).digest("base64url");
  token = parseJoinToken((await place.ok(["token", "create", "--name", "way-*", "--uses", "200", "--url", `https://${host}:${port}`])).trim());
  operator = (await place.ok(["operator", "token"])).trim();
  const proxyAuthority = await makeAuthority("the site's proxy", 1, Date.now());
  const tls = await issueCertificate(proxyAuthority, ["127.0.0.1"], 1, Date.now());
  extraCaFile = join(place.dir, "proxy-ca.crt");
  writeFileSync(extraCaFile, proxyAuthority.cert);
  writeFileSync(join(place.dir, "both-ca.crt"), proxyAuthority.cert + relayCa);
  const credentials = `${user}:${password}`;
  proxies.plain = await new ConnectProxy().start();
  proxies.guarded = await new ConnectProxy({ credentials }).start();
  proxies.secure = await new ConnectProxy({ tls }).start();
  proxies.secureGuarded = await new ConnectProxy({ tls, credentials }).start();
});
afterAll(async () => {
  await place.close();
  for (const proxy of Object.values(proxies)) await proxy.stop();
  await cluster?.stop();
});

let sites = 0;

/** Asks the relay to join, with the token bent as told. */
function joinBy(edit: Partial<JoinToken>, env: Readonly<Record<string, string>>): Promise<Finished> {
  sites += 1;
  const name = `way-${sites}`;
  return place.cli(["agent", "join", "--name", name, "--token", joinTokenText({ ...token, ...edit }), "--data", place.agentData(name), "--kubeconfig", "/nowhere"], { env });
}

function expectNoPassword(done: { readonly out: string; readonly err: string }): void {
  for (const secret of [password, encodeURIComponent(password), Buffer.from(`${user}:${password}`).toString("base64"), "wörd", "w%C3%B6rd"]) expect(done.out + done.err).not.toContain(secret);
}

type Way = "no proxy" | keyof typeof proxies;
const ways: readonly Way[] = ["no proxy", "plain", "guarded", "secure", "secureGuarded"];
const trusts = ["ca", "pin", "webpki"] as const;

function proxyUrl(way: Way): string {
  if (way === "no proxy") return "";
  return proxies[way].url(way === "guarded" || way === "secureGuarded" ? encodedCredentials : "");
}

function tokenTls(trust: (typeof trusts)[number]): JoinToken["tls"] {
  if (trust === "ca") return { kind: "ca", ca: relayCa };
  return trust === "pin" ? { kind: "pin", pins: [pin] } : { kind: "webpki" };
}

/** `webpki` judges by the machine's roots: there, and only there, the relay's CA has to be among them. */
const extraCa = (trust: string): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: trust === "webpki" ? join(place.dir, "both-ca.crt") : extraCaFile });

const servedBy = (): number[] => Object.values(proxies).map((proxy) => proxy.served);
/** What each proxy served while `work` ran, by name. */
async function served(work: () => Promise<void>): Promise<Record<string, number>> {
  const before = servedBy();
  await work();
  const now = servedBy();
  return Object.fromEntries(Object.keys(proxies).map((name, index) => [name, now[index]! - before[index]!]).filter(([, count]) => count !== 0));
}

describe.each(trusts)("the agent, judging the relay by %s,", (trust) => {
  test.each(ways)("goes out by: %s", async (way) => {
    const took = await served(async () => {
      const done = await joinBy({ tls: tokenTls(trust) }, { HTTPS_PROXY: proxyUrl(way), ...extraCa(trust) });
      expect([done.err, done.code]).toEqual(["", 0]);
      expect(done.out).toContain(way === "no proxy" ? "direct (no proxy is set)" : `through proxy ${proxies[way].url()}`);
      expectNoPassword(done);
    });
    // Once to look (doctor's lines), once to join.
    expect(took).toEqual(way === "no proxy" ? {} : { [way]: 2 });
  });

  test.each(ways.filter((way) => way !== "no proxy"))("goes out directly when NO_PROXY matches, beside: %s", async (way) => {
    const took = await served(async () => {
      const done = await joinBy({ tls: tokenTls(trust) }, { HTTPS_PROXY: proxyUrl(way), NO_PROXY: `example.com,${host}:${port}`, ...extraCa(trust) });
      expect([done.err, done.code]).toEqual(["", 0]);
      expect(done.out).toContain("direct (NO_PROXY matches)");
    });
    expect(took).toEqual({});
  });
});

describe("the command line", () => {
  const cases = ways.flatMap((way) => (["ca", "webpki"] as const).flatMap((trust) => [true, false].map((isDirect) => [way, trust, isDirect ? "matches" : "does not match"] as const)));
  test.each(cases)("goes out by: %s, judging by %s, NO_PROXY %s", async (way, trust, matching) => {
    const env = { HTTPS_PROXY: proxyUrl(way), NO_PROXY: matching === "matches" ? `.example.com, ${host}` : "example.com,10.0.0.0/8", BOWLINE_CONFIG: join(place.dir, `cli-${sites++}`, "config.json"), ...extraCa(trust) };
    const took = await served(async () => {
      const done = await place.cli(["login", `https://${host}:${port}`, ...(trust === "ca" ? ["--ca", join(place.relayData, "tls", "ca.crt")] : []), "--token", operator], { env });
      expect(done).toMatchObject({ code: 0, out: "" });
      expectNoPassword(done);
    });
    expect(took).toEqual(way === "no proxy" || matching === "matches" ? {} : { [way]: 1 });
  });
});

describe("names and addresses", () => {
  test("the proxy resolves the relay's name, and TLS inside the tunnel names it", async () => {
    const { hellos, asked } = proxies.plain;
    const done = await joinBy({ urls: [`https://relay.test:${port}`] }, { HTTPS_PROXY: proxies.plain.url() });
    expect([done.err, done.code]).toEqual(["", 0]);
    expect(asked.at(-1)).toBe(`relay.test:${port}`);
    expect(hellos.at(-1)!.includes("relay.test")).toBe(true);
  });

  test("a relay named by its address is checked by it, and NO_PROXY may be a range", async () => {
    const { asked } = proxies.plain;
    const env = { HTTPS_PROXY: proxies.plain.url() };
    const before = asked.length;
    expect((await joinBy({ urls: [`https://0.0.0.0:${port}`] }, env)).code).toBe(0);
    expect(asked.slice(before)).toEqual([`0.0.0.0:${port}`, `0.0.0.0:${port}`]);
    expect((await joinBy({ urls: [`https://0.0.0.0:${port}`] }, { ...env, NO_PROXY: "0.0.0.0/8" })).code).toBe(0);
    expect(asked).toHaveLength(before + 2);
  });

  test("loopback never goes through a proxy", async () => {
    expect(await served(async () => expect((await joinBy({ urls: [`https://localhost:${port}`, `https://127.0.0.1:${port}`] }, { HTTPS_PROXY: proxies.plain.url() })).code).toBe(0))).toEqual({});
  });

  test("HTTP_PROXY is not for a relay, and the lower-case names count", async () => {
    expect(await served(async () => expect((await joinBy({}, { HTTP_PROXY: proxies.plain.url() })).code).toBe(0))).toEqual({});
    const lower = { HTTPS_PROXY: undefined, https_proxy: proxies.plain.url() } as unknown as Record<string, string>;
    expect(await served(async () => expect((await joinBy({}, lower)).code).toBe(0))).toEqual({ plain: 2 });
  });

  test("a wrong pin ends it before one octet of the token has left, through a proxy as directly", async () => {
    const wrong = { tls: { kind: "pin", pins: [createHash("sha256").update("another key").digest("base64url")] } } as const;
    for (const env of [{}, { HTTPS_PROXY: proxies.plain.url() }]) expectFault(await joinBy(wrong, env), "RELAY_TLS", 1, /pin/, /new join token/);
    expect(await place.ok(["site", "ls"])).not.toContain(`way-${sites}\n`);
  });

  test("a relay whose CA the machine does not know is not spoken to, through a proxy as directly", async () => {
    for (const env of [{}, { HTTPS_PROXY: proxies.plain.url() }]) expectFault(await joinBy({ tls: { kind: "webpki" } }, env), "RELAY_TLS", 1, /authority that is not trusted/);
  });
});

/** The agent's and the command line's word on one proxy. */
async function bothSay(proxy: string, env: Readonly<Record<string, string>> = {}): Promise<readonly Finished[]> {
  const all = { HTTPS_PROXY: proxy, ...env };
  return Promise.all([joinBy({}, all), place.cli(["login", `https://${host}:${port}`, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", "bwo1_x"], { env: all })]);
}

describe("a proxy that does not do its work is named, and the password is not", () => {
  const shown = (proxy: ConnectProxy): RegExp => new RegExp(`the proxy ${proxy.url()} did not connect to ${host}:${port}`);

  test("wrong credentials, and none where some are wanted", async () => {
    for (const done of await bothSay(proxies.guarded.url(`${user}:${encodeURIComponent(`${password}x`)}`))) {
      expectFault(done, "PROXY_FAILED", 1, shown(proxies.guarded), /refused the credentials \(407\)/, /USER:PASSWORD@/);
      expectNoPassword(done);
    }
    for (const done of await bothSay(proxies.guarded.url())) expectFault(done, "PROXY_FAILED", 1, shown(proxies.guarded), /wants credentials \(407\)/);
  });

  test.each([
    ["refuse", /it answered 403/],
    ["garbage", /its answer is not HTTP/],
    ["endless", /its answer has no end/],
    ["close", /closed the socket without an answer/],
  ] as const)("one that does this: %s", async (manner, why) => {
    const proxy = await new ConnectProxy({ manner }).start();
    for (const done of await bothSay(proxy.url(encodedCredentials))) {
      expectFault(done, "PROXY_FAILED", 1, shown(proxy), why);
      expectNoPassword(done);
    }
    await proxy.stop();
  });

  test("one that is not there", async () => {
    const proxy = await new ConnectProxy().start();
    await proxy.stop();
    for (const done of await bothSay(proxy.url())) expectFault(done, "PROXY_FAILED", 1, shown(proxy), /nothing listens there/);
  });

  test("one that hangs, within its ceiling of 15 s", async () => {
    const proxy = await new ConnectProxy({ manner: "hang" }).start();
    const env = { HTTPS_PROXY: proxy.url(encodedCredentials) };
    await place.joined("hung", cluster.kubeconfig, { url: `https://${host}:${port}` });
    const begunMs = performance.now();
    const agent = place.agent("hung", cluster.kubeconfig, [], { env });
    const login = place.cli(["login", `https://${host}:${port}`, "--ca", join(place.relayData, "tls", "ca.crt"), "--token", "bwo1_x"], { env });
    const [said] = await agent.said(/"code":"PROXY_FAILED".*"no link; dialling again"/);
    expect(said).toMatch(shown(proxy));
    expect(said).toMatch(/no answer within 15 s/);
    const done = await login;
    expectFault(done, "PROXY_FAILED", 1, shown(proxy), /no answer within 15 s/);
    expect(performance.now() - begunMs).toBeLessThan(20_000);
    await agent.stop();
    for (const words of [done, agent]) expectNoPassword(words);
    await proxy.stop();
  });

  test("one inside TLS whose certificate is not trusted", async () => {
    for (const done of await bothSay(proxies.secure.url())) expectFault(done, "PROXY_FAILED", 1, shown(proxies.secure), /its certificate comes from an authority that is not trusted/, /NODE_EXTRA_CA_CERTS/);
  });

  test.each(["socks5://127.0.0.1:1080", "http://", `http://${user}:100%@127.0.0.1:1`])("an address that is none: %s", async (address) => {
    for (const done of await bothSay(address)) expectFault(done, "USAGE", 2, /HTTPS_PROXY/);
  });
});

describe("a link through a guarded proxy", () => {
  test("serves, asks the API server directly, ends with its proxy, and comes back with it; no log holds the password", async () => {
    const proxy = await new ConnectProxy({ credentials: `${user}:${password}` }).start();
    const env = { HTTPS_PROXY: proxy.url(encodedCredentials), HTTP_PROXY: proxy.url(encodedCredentials) };
    const agent = await place.site("linked", cluster.kubeconfig, ["--log-level", "debug"], { env, url: `https://${host}:${port}` });
    expect((await ask(place, "GET", "/k8s/linked/api/v1/namespaces/default")).status).toBe(200);
    expect(new Set(proxy.asked)).toEqual(new Set([`${host}:${port}`]));
    await proxy.stop();
    await agent.said(/"code":"PROXY_FAILED".*nothing listens there/);
    await proxy.start();
    await until("the next link serves", async () => (await ask(place, "GET", "/k8s/linked/version")).status === 200);
    await agent.stop();
    expectNoPassword(agent);
    await proxy.stop();
  });
});
