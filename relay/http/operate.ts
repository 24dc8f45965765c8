// The API's functions about people: login, operators, their tokens, kube login. See operate-joins.ts for join tokens and operate-sites.ts for sites and commands.
import type { KubeLoginAnswer, LoginAnswer, OperatorTokenRow } from "../../shared/api-people.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { shown } from "../../shared/kit/shown.ts";
import { operatorCharsMax, requireOperatorName } from "../../shared/rules/operator-name.ts";
import { FIRST_LOGIN, KUBE } from "../store/people.ts";
import type { RelayStore } from "../store/store.ts";
import type { Route } from "./api.ts";
import { makeOperatorToken, tokenHash, type Authenticator } from "./auth.ts";
import { dayMs, duration, hourMs, iso, text } from "./operate-fields.ts";

const tokenMsMax = 365 * dayMs;
/** What a first login gets, and what is made without a time (ms); the command line warns a week before its end. */
const loginMs = 30 * dayMs;
const kubeMs = 8 * hourMs;
/** Characters of a token as somebody sends it: one of ours has 48. */
const tokenCharsMax = 512;
export const ADMIN = "admin";

export interface PeopleOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly auth: Authenticator;
}

export function peopleRoutes(options: PeopleOptions): Route[] {
  const { store, clock, auth } = options;
  return [
    { method: "POST", path: "/login", isPublic: true, handle: async ({ body }) => ({ status: 200, body: await login(options, text(body, "token", tokenCharsMax, "bowline login https://HOST:8443 --ca FILE --token TOKEN")) }) },
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
        const name = requireOperatorName(body["name"]);
        const tier = body["tier"] ?? ADMIN;
        if (tier !== ADMIN) throw new Fault("USAGE", { what: `there is no tier "${shown(tier, 40)}"`, why: "admin is the only one so far", hint: `bowline operator add ${name} --tier admin` });
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
    ...operatorTokenRoutes(options),
    {
      method: "POST",
      path: "/kube-login",
      handle: async ({ login: by, body }) => {
        const sites = await kubeSites(store, body["sites"]);
        const made = await newToken(options, by.name, duration(body, "ttlMs", { fallbackMs: kubeMs, mostMs: tokenMsMax }), KUBE);
        return { status: 201, body: { token: made.token, expires: made.expires, sites } satisfies KubeLoginAnswer };
      },
    },
  ];
}

function operatorTokenRoutes(options: PeopleOptions): Route[] {
  const { store, clock, auth } = options;
  return [
    {
      method: "POST",
      path: "/operator-tokens",
      handle: async ({ login: by, body }) => {
        const operator = body["operator"] === undefined ? by.name : text(body, "operator", operatorCharsMax, "bowline operator token NAME");
        return { status: 201, body: await newToken(options, operator, duration(body, "ttlMs", { fallbackMs: loginMs, mostMs: tokenMsMax }), "api") };
      },
    },
    {
      method: "GET",
      path: "/operator-tokens",
      handle: async () => {
        const rows = await store.call("listOperatorTokens", { nowMs: clock.wallMs() });
        const items = rows.map((row): OperatorTokenRow => ({ id: row.id, operator: row.operator, purpose: row.purpose, created: iso(row.createdMs), expires: iso(row.expiresMs) }));
        return { status: 200, body: { apiVersion: "bowline/v1", items } };
      },
    },
    {
      method: "DELETE",
      path: "/operator-tokens/:id",
      handle: async ({ parts }) => {
        await store.call("revokeListedToken", { id: parts[0]!, nowMs: clock.wallMs() });
        auth.forget();
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
  const expiresMs = nowMs + loginMs;
  await store.call("spendFirstLogin", { hash: tokenHash(token), token: { hash: tokenHash(fresh), operator: ADMIN, purpose: "api", nowMs, expiresMs } });
  return { operator: ADMIN, tier: ADMIN, token: fresh, expires: iso(expiresMs) };
}

async function newToken(options: PeopleOptions, operator: string, ttlMs: number, purpose: string): Promise<LoginAnswer> {
  const token = makeOperatorToken();
  const nowMs = options.clock.wallMs();
  const { tier } = await options.store.call("putOperatorToken", { hash: tokenHash(token), operator, purpose, nowMs, expiresMs: nowMs + ttlMs });
  return { operator, tier, token, expires: iso(nowMs + ttlMs) };
}

/** Every approved site, or those that are wanted. */
async function kubeSites(store: RelayStore, wanted: unknown): Promise<string[]> {
  const active = (await store.call("listSites", null)).filter((site) => site.state === "active").map((site) => site.name);
  if (!Array.isArray(wanted) || wanted.length === 0) return active;
  const missing = wanted.find((name) => !active.includes(name as string));
  if (missing !== undefined) throw new Fault("SITE_UNKNOWN", { what: `there is no approved site "${shown(missing, 64)}"`, hint: "bowline site ls" });
  return wanted as string[];
}

