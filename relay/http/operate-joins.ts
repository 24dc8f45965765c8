// The API's functions about join tokens: made and shown once, listed without their secret, revoked. What goes into one is judged here: a site that joins with it
// can only be approved, and its token only be copied, if it fits.
import { randomBytes, randomUUID } from "node:crypto";
import type { JoinTokenCreated } from "../../shared/api-people.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { shown } from "../../shared/kit/shown.ts";
import { parseLabels } from "../../shared/rules/labels.ts";
import { requireSitePattern } from "../../shared/rules/target.ts";
import { joinTokenText, type JoinToken } from "../../shared/trust/join-token.ts";
import type { JoinTokenRow } from "../store/join-tokens.ts";
import type { RelayStore } from "../store/store.ts";
import type { Route } from "./api.ts";
import { dayMs, duration, hourMs, iso, text } from "./operate-fields.ts";
import { ADMIN } from "./operate.ts";

const joinMsMax = 30 * dayMs;
/** Agents that one token lets wait for approval; the waiting room has room for fewer at once. */
const joinUsesMax = 10_000;
const nameCharsMax = 63;
/** Addresses of one relay in a token, and the characters of each: a token is one text that people copy, below 16,384 characters with its CA and labels. */
const urlsMax = 8;
const urlCharsMax = 512;
const NAME_HINT = "bowline token create --name plant-07, or --name 'shop-*' --uses 20";

export interface JoinTokenOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  /** The parts of a join token that are the relay's: its identity, its trust root, how its TLS is judged. */
  readonly tokenBase: () => Pick<JoinToken, "identity" | "trustRoot" | "tls" | "binding">;
}

export function joinTokenRoutes(options: JoinTokenOptions): Route[] {
  const { store, clock } = options;
  return [
    { method: "POST", path: "/tokens", handle: async ({ body, login: by, origin }) => ({ status: 201, body: await createJoinToken(options, body, by.name, origin) }) },
    {
      method: "GET",
      path: "/tokens",
      handle: async () => {
        const nowMs = clock.wallMs();
        const rows = await store.call("listJoinTokens", null);
        return { status: 200, body: { apiVersion: "bowline/v1", items: rows.map((row) => ({ id: row.id, name: row.name, usesLeft: row.uses - row.used, expires: iso(row.expiresMs), state: stateOf(row, nowMs) })) } };
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

function stateOf(row: Omit<JoinTokenRow, "secret">, nowMs: number): string {
  if (row.revokedMs !== null) return "revoked";
  if (row.used >= row.uses) return "used";
  if (row.heldMs !== null) return "held";
  return nowMs > row.expiresMs ? "expired" : "good";
}

async function createJoinToken(options: JoinTokenOptions, body: Record<string, unknown>, operator: string, origin: string): Promise<JoinTokenCreated> {
  const nowMs = options.clock.wallMs();
  const name = body["name"] === undefined ? "" : requireSitePattern(text(body, "name", nameCharsMax, NAME_HINT), NAME_HINT);
  const uses = usesOf(body["uses"] ?? 1, name);
  const base = options.tokenBase();
  if (body["binding"] !== undefined && body["binding"] !== base.binding) throw new Fault("USAGE", { what: `this relay binds links to TLS by "${base.binding}"`, why: "a token that says otherwise would never be accepted", hint: `restart the relay with --tls-binding ${shown(body["binding"], 16)}, or leave --binding out` });
  const labels = parseLabels(body["labels"] ?? {});
  const urls = urlsOf(body["urls"], origin);
  const expires = nowMs + duration(body, "ttlMs", { fallbackMs: hourMs, mostMs: joinMsMax });
  const id = `jt_${randomUUID().replaceAll("-", "").slice(0, 16)}`;
  const secret = randomBytes(32);
  await options.store.call("putJoinToken", { id, secret, name, labels: JSON.stringify(labels), tier: ADMIN, binding: base.binding, uses, operator, nowMs, expiresMs: expires });
  const token: JoinToken = { urls, ...base, id, secret: secret.toString("base64url"), name, labels, tier: ADMIN, setting: "relayed", expires, uses };
  return { kind: "JoinToken", id, token: joinTokenText(token), expires: iso(expires), uses };
}

function usesOf(uses: unknown, name: string): number {
  if (typeof uses !== "number" || !Number.isSafeInteger(uses) || uses < 1 || uses > joinUsesMax) throw new Fault("USAGE", { what: `a join token cannot have ${shown(uses, 40)} uses`, why: `it takes a whole number from 1 to ${joinUsesMax}`, hint: "bowline token create --name 'shop-*' --uses 20" });
  if (uses > 1 && name !== "" && !name.includes("*")) throw new Fault("USAGE", { what: "one name for several agents", why: "a token of several uses needs a pattern", hint: `--name '${name}-*'` });
  return uses;
}

/** Where agents dial: what was asked for, or where this request came to. */
function urlsOf(asked: unknown, origin: string): string[] {
  const hint = "bowline token create --url https://relay.example.com:8443";
  if (asked === undefined || (Array.isArray(asked) && asked.length === 0)) return [origin];
  if (!Array.isArray(asked) || asked.length > urlsMax) throw new Fault("USAGE", { what: "the addresses that agents dial are not a list of a few", why: `a join token takes 1 to ${urlsMax}`, hint });
  for (const url of asked as unknown[]) {
    const isGood = typeof url === "string" && url.length <= urlCharsMax && URL.canParse(url) && new URL(url).protocol === "https:";
    if (!isGood) throw new Fault("USAGE", { what: `"${shown(url, 80)}" is not an address that agents can dial`, why: `it must be https://HOST:PORT, of at most ${urlCharsMax} characters`, hint });
  }
  return asked as string[];
}
