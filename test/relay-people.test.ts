// The API about people and join tokens over a real store: who can log in again, which token is revoked, what a join token may hold; and that each refusal says what to
// try.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { admitJoin } from "../relay/agents/admission.ts";
import type { Call, Route } from "../relay/http/api.ts";
import { Authenticator, makeOperatorToken, tokenHash } from "../relay/http/auth.ts";
import { joinTokenRoutes } from "../relay/http/operate-joins.ts";
import { siteRoutes } from "../relay/http/operate-sites.ts";
import { peopleRoutes } from "../relay/http/operate.ts";
import { firstLogin as makeFirstLogin } from "../relay/relay.ts";
import * as relayModule from "../relay/store/operations.ts";
import type { Listing } from "../shared/api.ts";
import type { KubeLoginAnswer, LoginAnswer, OperatorTokenRow } from "../shared/api-people.ts";
import { asFault } from "../shared/kit/errors.ts";
import { makeSigningKeys, matchCode } from "../shared/kit/keys.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import { openStoreInline, type Store } from "../shared/kit/store.ts";
import type { Claim } from "../shared/link/handshake.ts";
import { parseJoinToken } from "../shared/trust/join-token.ts";
import { makeTempDir } from "./kit/temp-dir.ts";

const dayMs = 86_400_000;
const identity = makeSigningKeys().publicKey;
let dir: string;
let store: Store<relayModule.RelayOperations>;
let clock: ManualClock;
let auth: Authenticator;
let routes: readonly Route[];

beforeEach(() => {
  dir = makeTempDir("people");
  store = openStoreInline<relayModule.RelayOperations>({ file: join(dir, "relay.db"), module: relayModule });
  clock = new ManualClock(Date.now()); // a relay's start reads the machine's own
  auth = new Authenticator(store, clock);
  const never = (): Promise<never> => Promise.reject(new Error("unused"));
  routes = [
    ...peopleRoutes({ store, clock, auth }),
    ...joinTokenRoutes({ store, clock, tokenBase: () => ({ identity: [identity], trustRoot: "0".repeat(64), tls: { kind: "webpki" }, binding: "exporter" }) }),
    ...siteRoutes({ store, clock, live: () => null, approve: never, end: never }),
  ];
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

/** One call of the API by somebody whose token was looked at. */
async function call<Body>(method: string, path: string, asked: { token?: string; body?: Record<string, unknown>; parts?: string[] } = {}): Promise<Body> {
  const route = routes.find((one) => one.method === method && one.path === path)!;
  const login = route.isPublic === true ? null : await auth.authenticate(`Bearer ${asked.token ?? ""}`);
  return (await route.handle({ login, parts: asked.parts ?? [], body: asked.body ?? {}, query: new URLSearchParams(), idempotencyKey: null, origin: "https://relay.example:8443" } as unknown as Call)).body as Body;
}

/** As a relay's start does it. */
async function firstLogin(): Promise<string> {
  const nowMs = clock.wallMs();
  expect(await store.call("needsFirstLogin", { nowMs })).toBe(true);
  const token = makeOperatorToken();
  await store.call("putFirstLogin", { hash: tokenHash(token), nowMs, expiresMs: nowMs + 3_600_000 });
  return (await call<LoginAnswer>("POST", "/login", { body: { token } })).token;
}

test("an operator whose only token's time is over logs in again with a first-login token, as the same operator", async () => {
  const token = await firstLogin();
  clock.advance(31 * dayMs);
  await expect(call("GET", "/whoami", { token })).rejects.toMatchObject({ code: "TOKEN_EXPIRED", hint: expect.stringContaining("restart the relay") as string });
  expect(await call("GET", "/whoami", { token: await firstLogin() })).toMatchObject({ operator: "admin", tier: "admin" });
});

test("a first-login token is made when nobody has a good one, or when it is asked for because that one is lost", async () => {
  const first = await makeFirstLogin(store, dir);
  expect(readFileSync(join(dir, "first-login"), "utf8")).toBe(`${first}\n`);
  await call("POST", "/login", { body: { token: first } });
  expect(await makeFirstLogin(store, dir)).toBeNull();
  const again = await makeFirstLogin(store, dir, true);
  expect(await call("POST", "/login", { body: { token: again } })).toMatchObject({ operator: "admin" });
});

test("one token is revoked by its id, at once, and the others stay", async () => {
  const admin = await firstLogin();
  const other = (await call<LoginAnswer>("POST", "/operator-tokens", { token: admin })).token;
  const kube = (await call<KubeLoginAnswer>("POST", "/kube-login", { token: admin })).token;
  const { items } = await call<Listing<OperatorTokenRow>>("GET", "/operator-tokens", { token: admin });
  expect(items.map(({ operator, purpose }) => `${operator} ${purpose}`).sort()).toEqual(["admin api", "admin api", "admin kube"]);
  const id = items.find(({ purpose }) => purpose === "kube")!.id;
  await call("GET", "/whoami", { token: kube });
  await call("DELETE", "/operator-tokens/:id", { token: admin, parts: [id] });
  await expect(call("GET", "/whoami", { token: kube })).rejects.toMatchObject({ code: "TOKEN_REVOKED" });
  for (const token of [admin, other]) await call("GET", "/whoami", { token });
  await expect(call("DELETE", "/operator-tokens/:id", { token: admin, parts: [id] })).rejects.toMatchObject({ code: "NOT_FOUND", hint: "bowline operator token ls" });
});

test("a join token carries what was asked for and can be copied", async () => {
  const token = await firstLogin();
  const labels = Object.fromEntries(Array.from({ length: 32 }, (_value, index) => [`label-${index}`, "v".repeat(63)]));
  const urls = Array.from({ length: 8 }, (_value, index) => `https://${"r".repeat(400)}.example:${8_000 + index}`);
  const made = await call<{ token: string }>("POST", "/tokens", { token, body: { name: "shop-*", uses: 20, labels, urls } });
  expect(parseJoinToken(made.token)).toMatchObject({ name: "shop-*", uses: 20, labels, urls });
});

describe("what does not fit is refused, with what to try:", () => {
  test.each([
    ["POST", "/tokens", { name: "shop-" }],
    ["POST", "/tokens", { name: "a--b" }],
    ["POST", "/tokens", { name: "a*b*" }],
    ["POST", "/tokens", { name: 7 }],
    ["POST", "/tokens", { name: "plant-07", uses: 2 }],
    ["POST", "/tokens", { uses: 0 }],
    ["POST", "/tokens", { uses: "many" }],
    ["POST", "/tokens", { labels: ["a", "b"] }],
    ["POST", "/tokens", { labels: { a: "x\ny" } }],
    ["POST", "/tokens", { labels: Object.fromEntries(Array.from({ length: 33 }, (_value, index) => [`a${index}`, "v"])) }],
    ["POST", "/tokens", { urls: ["http://relay.example"] }],
    ["POST", "/tokens", { urls: "https://relay.example" }],
    ["POST", "/tokens", { urls: Array.from({ length: 9 }, () => "https://relay.example") }],
    ["POST", "/tokens", { urls: [`https://relay.example/${"x".repeat(600)}`] }],
    ["POST", "/tokens", { binding: "none" }],
    ["POST", "/tokens", { ttlMs: "1h" }],
    ["POST", "/tokens", { ttlMs: 31 * dayMs }],
    ["POST", "/operators", { name: "Ann" }],
    ["POST", "/operators", {}],
    ["POST", "/operators", { name: "ann", tier: "root" }],
    ["POST", "/operator-tokens", { operator: 7 }],
    ["POST", "/operator-tokens", { ttlMs: 0 }],
    ["POST", "/login", {}],
  ] as const)("%s %s %j", async (method, path, body) => {
    const token = await firstLogin();
    const fault = asFault(await call(method, path, { token, body }).then(() => null, (error: unknown) => error));
    expect(fault.code).toBe("USAGE");
    expect([fault.why, fault.hint].filter((part) => part === "" || part === "the command or request is not of the documented form")).toEqual([]);
  });
});

describe("a site that joins", () => {
  const claim = (keys: { publicKey: string }, rest: { name?: string; labels?: Record<string, string> } = {}): Claim =>
    ({ purpose: "join", boot: "b", dial: 1, fence: 1, join: { token: "t", signKey: keys.publicKey, boxKey: "x", name: "plant-07", labels: {}, ...rest }, isProvenBy: () => true, isSignedBy: () => true }) as unknown as Claim;
  beforeEach(() => store.call("putJoinToken", { id: "t", secret: Buffer.alloc(32), name: "", labels: "{}", tier: "admin", binding: "exporter", uses: 9, operator: "ann", nowMs: clock.wallMs(), expiresMs: clock.wallMs() + dayMs }));

  test("cannot choose a name with --, nor labels that are none", async () => {
    const keys = makeSigningKeys();
    await expect(admitJoin(store, clock, claim(keys, { name: "plant-07--revoked-0123456789ab" }))).rejects.toMatchObject({ code: "USAGE", hint: expect.stringContaining("--name") as string });
    await expect(admitJoin(store, clock, claim(keys, { labels: { a: "x\nplant-08   online" } }))).rejects.toMatchObject({ code: "USAGE" });
    expect((await admitJoin(store, clock, claim(keys))).site).toMatchObject({ name: "plant-07", state: "waiting" });
  });

  test("is not approved under a name that no site can have, and too many wrong codes say the way out", async () => {
    const token = await firstLogin();
    const keys = makeSigningKeys();
    await admitJoin(store, clock, claim(keys));
    const approve = (body: Record<string, unknown>): Promise<unknown> => call("POST", "/sites/:name/approve", { token, parts: ["plant-07"], body });
    for (const name of ["a--b", "", 7]) await expect(approve({ code: matchCode(keys.publicKey), name })).rejects.toMatchObject({ code: "USAGE", hint: expect.stringContaining("bowline approve plant-07") as string });
    for (let guess = 0; guess < 10; guess += 1) await expect(approve({ code: "TEAL-OTTER-00" })).rejects.toMatchObject({ code: "MATCH_CODE_WRONG", hint: expect.stringContaining("bowline deny plant-07") as string });
    await expect(approve({ code: matchCode(keys.publicKey) })).rejects.toMatchObject({ code: "TOO_MANY", hint: expect.stringMatching(/bowline site rm plant-07.*--data/) as string });
  });
});
