// The API's functions about people and join tokens: login, operators, their tokens, kube login, join tokens. See operate-sites.ts for the rest.
import { randomBytes, randomUUID } from "node:crypto";
import type { JoinTokenCreated, KubeLoginAnswer, LoginAnswer } from "../../shared/api.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { shown } from "../../shared/kit/shown.ts";
import { joinTokenText, type JoinToken } from "../../shared/trust/join-token.ts";
import { FIRST_LOGIN } from "../store/people.ts";
import type { RelayStore } from "../store/store.ts";
import type { Route } from "./api.ts";
import { makeOperatorToken, tokenHash, type Authenticator } from "./auth.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const tokenMsMax = 365 * dayMs;
const joinMsMax = 30 * dayMs;
const joinUsesMax = 10_000;
/** What a first login gets; later tokens as long as asked. */
const firstTokenMs = 30 * dayMs;
const OPERATOR_NAME = /^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/;
const ADMIN = "admin";

export interface PeopleOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly auth: Authenticator;
  /** The parts of a join token that are the relay's: its identity, its trust root, how its TLS is judged. */
  readonly tokenBase: () => Pick<JoinToken, "identity" | "trustRoot" | "tls" | "binding">;
}

export function peopleRoutes(options: PeopleOptions): Route[] {
  const { store, clock, auth } = options;
  return [
    { method: "POST", path: "/login", isPublic: true, handle: async ({ body }) => ({ status: 200, body: await login(options, text(body, "token", 512)) }) },
    {
      method: "POST",
      path: "/logout",
      handle: async ({ login: by }) => {
        await store.call("revokeOperatorToken", { hash: tokenHash(by.token), nowMs: clock.wallMs() });
        auth.forget();
        return { status: 200, body: {} };
      },
    },
    { method: "GET", path: "/whoami", handle: async ({ login: by }) => ({ status: 200, body: { operator: by.name, tier: by.tier, expires: iso(by.expiresMs) } }) },
    {
      method: "GET",
      path: "/operators",
      handle: async () => {
        const rows = await store.call("listOperators", { nowMs: clock.wallMs() });
        return { status: 200, body: { apiVersion: "bowline/v1", items: rows.map((row) => ({ name: row.name, tier: row.tier, created: iso(row.createdMs), tokens: row.tokens })) } };
      },
    },
    {
      method: "POST",
      path: "/operators",
      handle: async ({ body }) => {
        const name = operatorName(text(body, "name", 64));
        const tier = body["tier"] ?? ADMIN;
        if (tier !== ADMIN) throw new Fault("USAGE", { what: `there is no tier "${shown(tier, 40)}"`, why: "admin is the only one so far" });
        await store.call("addOperator", { name, tier, nowMs: clock.wallMs() });
        return { status: 201, body: { name, tier } };
      },
    },
    {
      method: "DELETE",
      path: "/operators/:name",
      handle: async ({ parts }) => {
        await store.call("removeOperator", { name: parts[0]!, nowMs: clock.wallMs() });
        auth.forget();
        return { status: 200, body: {} };
      },
    },
    {
      method: "POST",
      path: "/operator-tokens",
      handle: async ({ login: by, body }) => ({ status: 201, body: await newToken(options, body["operator"] === undefined ? by.name : text(body, "operator", 64), duration(body, "ttlMs", 30 * dayMs, tokenMsMax), "api") }),
    },
    {
      method: "POST",
      path: "/kube-login",
      handle: async ({ login: by, body }) => {
        const sites = await kubeSites(store, body["sites"]);
        const made = await newToken(options, by.name, duration(body, "ttlMs", 8 * hourMs, tokenMsMax), "kube");
        return { status: 201, body: { token: made.token, expires: made.expires, sites } satisfies KubeLoginAnswer };
      },
    },
  ];
}

export function joinTokenRoutes(options: PeopleOptions): Route[] {
  const { store, clock } = options;
  return [
    { method: "POST", path: "/tokens", handle: async ({ body, login: by, origin }) => ({ status: 201, body: await createJoinToken(options, body, by.name, origin) }) },
    {
      method: "GET",
      path: "/tokens",
      handle: async () => {
        const nowMs = clock.wallMs();
        const rows = await store.call("listJoinTokens", null);
        const state = (row: (typeof rows)[number]): string => (row.revokedMs !== null ? "revoked" : row.used >= row.uses ? "used" : nowMs > row.expiresMs ? "expired" : "good");
        return { status: 200, body: { apiVersion: "bowline/v1", items: rows.map((row) => ({ id: row.id, name: row.name, usesLeft: row.uses - row.used, expires: iso(row.expiresMs), state: state(row) })) } };
      },
    },
    {
      method: "DELETE",
      path: "/tokens/:id",
      handle: async ({ parts }) => {
        await store.call("revokeJoinToken", { id: parts[0]!, nowMs: clock.wallMs() });
        return { status: 200, body: {} };
      },
    },
  ];
}

async function login(options: PeopleOptions, token: string): Promise<LoginAnswer> {
  const { store, clock, auth } = options;
  const record = await store.call("findOperatorToken", { hash: tokenHash(token) });
  if (record?.purpose !== FIRST_LOGIN) {
    const known = await auth.authenticate(`Bearer ${token}`);
    return { operator: known.name, tier: known.tier, token, expires: iso(known.expiresMs) };
  }
  const fresh = makeOperatorToken();
  const nowMs = clock.wallMs();
  const expiresMs = nowMs + firstTokenMs;
  await store.call("spendFirstLogin", { hash: tokenHash(token), token: { hash: tokenHash(fresh), operator: ADMIN, purpose: "api", nowMs, expiresMs } });
  return { operator: ADMIN, tier: ADMIN, token: fresh, expires: iso(expiresMs) };
}

async function newToken(options: PeopleOptions, operator: string, ttlMs: number, purpose: string): Promise<LoginAnswer> {
  const token = makeOperatorToken();
  const nowMs = options.clock.wallMs();
  const { tier } = await options.store.call("putOperatorToken", { hash: tokenHash(token), operator, purpose, nowMs, expiresMs: nowMs + ttlMs });
  return { operator, tier, token, expires: iso(nowMs + ttlMs) };
}

async function kubeSites(store: RelayStore, wanted: unknown): Promise<string[]> {
  const active = (await store.call("listSites", null)).filter((site) => site.state === "active").map((site) => site.name);
  if (!Array.isArray(wanted) || wanted.length === 0) return active;
  const missing = wanted.find((name) => !active.includes(name as string));
  if (missing !== undefined) throw new Fault("SITE_UNKNOWN", { what: `there is no approved site "${shown(missing, 64)}"`, hint: "bowline site ls" });
  return wanted as string[];
}

async function createJoinToken(options: PeopleOptions, body: Record<string, unknown>, operator: string, origin: string): Promise<JoinTokenCreated> {
  const nowMs = options.clock.wallMs();
  const name = body["name"] === undefined ? "" : text(body, "name", 63);
  if (name !== "" && !/^[a-z0-9](?:[a-z0-9-]*\*?[a-z0-9-]*)$/.test(name)) throw new Fault("USAGE", { what: `"${name}" cannot be a site's name or pattern`, why: "lower case letters, digits and -, and at most one *" });
  const uses = body["uses"] ?? 1;
  if (typeof uses !== "number" || !Number.isSafeInteger(uses) || uses < 1 || uses > joinUsesMax) throw new Fault("USAGE", { what: "uses is not a whole number", why: `from 1 to ${joinUsesMax}` });
  if (uses > 1 && name !== "" && !name.includes("*")) throw new Fault("USAGE", { what: "one name for several agents", why: "a token of several uses needs a pattern", hint: `--name '${name}-*'` });
  const base = options.tokenBase();
  if (body["binding"] !== undefined && body["binding"] !== base.binding) throw new Fault("USAGE", { what: `this relay binds links to TLS by "${base.binding}"`, why: "a token that says otherwise would never be accepted", hint: `restart the relay with --tls-binding ${shown(body["binding"], 16)}, or leave --binding out` });
  const labels = (body["labels"] ?? {}) as Record<string, string>;
  if (typeof labels !== "object" || Object.values(labels).some((value) => typeof value !== "string")) throw new Fault("USAGE", { what: "labels is not an object of texts" });
  const urls = Array.isArray(body["urls"]) && body["urls"].length > 0 ? (body["urls"] as string[]) : [origin];
  if (urls.some((url) => typeof url !== "string" || !URL.canParse(url) || new URL(url).protocol !== "https:")) throw new Fault("USAGE", { what: "an address that agents dial is not https://HOST:PORT" });
  const expires = nowMs + duration(body, "ttlMs", hourMs, joinMsMax);
  const id = `jt_${randomUUID().replaceAll("-", "").slice(0, 16)}`;
  const secret = randomBytes(32);
  await options.store.call("putJoinToken", { id, secret, name, labels: JSON.stringify(labels), tier: ADMIN, binding: base.binding, uses, operator, nowMs, expiresMs: expires });
  const token: JoinToken = { urls, ...base, id, secret: secret.toString("base64url"), name, labels, tier: ADMIN, setting: "relayed", expires, uses };
  return { kind: "JoinToken", id, token: joinTokenText(token), expires: iso(expires), uses };
}

function operatorName(name: string): string {
  if (!OPERATOR_NAME.test(name)) throw new Fault("USAGE", { what: `"${name}" cannot be an operator's name`, why: "lower case letters, digits and . _ @ -" });
  return name;
}

export function text(body: Record<string, unknown>, name: string, charsMax: number): string {
  const value = body[name];
  if (typeof value !== "string" || value === "" || value.length > charsMax) throw new Fault("USAGE", { what: `"${name}" is missing or not a text`, why: `1 to ${charsMax} characters` });
  return value;
}

function duration(body: Record<string, unknown>, name: string, fallbackMs: number, mostMs: number): number {
  const value = body[name] ?? fallbackMs;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value <= 0) throw new Fault("USAGE", { what: `"${name}" is not a time in milliseconds` });
  if (value > mostMs) throw new Fault("USAGE", { what: "that is too long", why: `at most ${mostMs / dayMs} days` });
  return value;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
