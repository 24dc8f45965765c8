// Operators and their tokens, hashed at rest; the first-login token that makes the first operator and burns. A removed operator's tokens stop at once.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";

export interface TokenRecord {
  readonly operator: string;
  readonly tier: string;
  readonly purpose: string;
  readonly expiresMs: number;
  readonly isRevoked: boolean;
}

/** Tokens of one operator that are good at the same time; a loop that makes tokens must end somewhere. */
const tokensPerOperatorMax = 1_000;
export const FIRST_LOGIN = "first-login";
/** Of a token inside a kubeconfig. */
export const KUBE = "kube";

export function* addOperator(args: { readonly name: string; readonly tier: string; readonly nowMs: number }): Operation<void> {
  const before = yield* queryOne<{ removed_ms: number | null }>("SELECT removed_ms FROM operators WHERE name = ?", args.name);
  if (before !== null && before.removed_ms === null) throw new Fault("CONFLICT", { what: `there is an operator ${args.name} already`, hint: `make a token for them: bowline operator token ${args.name}` });
  if (before === null) yield* query("INSERT INTO operators (name, tier, created_ms) VALUES (?, ?, ?)", args.name, args.tier, args.nowMs);
  else yield* query("UPDATE operators SET tier = ?, created_ms = ?, removed_ms = NULL WHERE name = ?", args.tier, args.nowMs, args.name);
}

export function* removeOperator(args: { readonly name: string; readonly nowMs: number }): Operation<void> {
  yield* requireOperator(args.name);
  const others = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM operators WHERE removed_ms IS NULL AND name <> ?", args.name);
  if (Number(others?.n ?? 0) === 0) throw new Fault("CONFLICT", { what: `${args.name} is the last operator`, why: "without one nobody could log in any more", hint: "add another operator first: bowline operator add NAME" });
  yield* query("UPDATE operators SET removed_ms = ? WHERE name = ?", args.nowMs, args.name);
  yield* query("UPDATE operator_tokens SET revoked_ms = ? WHERE operator = ? AND revoked_ms IS NULL", args.nowMs, args.name);
}

function* requireOperator(name: string): Operation<{ tier: string }> {
  const row = yield* queryOne<{ tier: string }>("SELECT tier FROM operators WHERE name = ? AND removed_ms IS NULL", name);
  if (row === null) throw new Fault("NOT_FOUND", { what: `there is no operator ${name}`, hint: "bowline operator ls" });
  return row;
}

export function* listOperators(args: { readonly nowMs: number }): Operation<{ name: string; tier: string; createdMs: number; tokens: number }[]> {
  return yield* query(
    'SELECT name, tier, created_ms AS "createdMs", (SELECT COUNT(*) FROM operator_tokens t WHERE t.operator = o.name AND t.revoked_ms IS NULL AND t.expires_ms > ?) AS tokens FROM operators o WHERE removed_ms IS NULL ORDER BY name',
    args.nowMs,
  );
}

export interface NewToken {
  readonly hash: string;
  readonly operator: string;
  readonly purpose: string;
  readonly nowMs: number;
  readonly expiresMs: number;
}

/** A token for an operator; their tier comes back. */
export function* putOperatorToken(token: NewToken): Operation<{ tier: string }> {
  const operator = yield* requireOperator(token.operator);
  yield* query("DELETE FROM operator_tokens WHERE operator = ? AND expires_ms < ?", token.operator, token.nowMs - 30 * 86_400_000);
  const count = yield* queryOne<{ n: number }>("SELECT COUNT(*) AS n FROM operator_tokens WHERE operator = ? AND revoked_ms IS NULL AND expires_ms > ?", token.operator, token.nowMs);
  if (Number(count?.n ?? 0) >= tokensPerOperatorMax) throw new Fault("TOO_MANY", { what: `${token.operator} has ${tokensPerOperatorMax} tokens`, hint: "revoke some: bowline operator token ls, then bowline operator token revoke ID" });
  yield* insertToken(token);
  return operator;
}

function* insertToken(token: NewToken): Operation<void> {
  yield* query("INSERT INTO operator_tokens (hash, operator, purpose, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)", token.hash, token.operator, token.purpose, token.nowMs, token.expiresMs);
}

export function* findOperatorToken(args: { readonly hash: string }): Operation<TokenRecord | null> {
  const row = yield* queryOne<{ operator: string; purpose: string; expires_ms: number; revoked_ms: number | null; tier: string | null; removed_ms: number | null }>(
    "SELECT t.operator, t.purpose, t.expires_ms, t.revoked_ms, o.tier, o.removed_ms FROM operator_tokens t LEFT JOIN operators o ON o.name = t.operator WHERE t.hash = ?",
    args.hash,
  );
  if (row === null) return null;
  return { operator: row.operator, tier: row.tier ?? "", purpose: row.purpose, expiresMs: Number(row.expires_ms), isRevoked: row.revoked_ms !== null || (row.removed_ms !== null && row.tier !== null) };
}

export function* revokeOperatorToken(args: { readonly hash: string; readonly nowMs: number }): Operation<void> {
  yield* query("UPDATE operator_tokens SET revoked_ms = ? WHERE hash = ? AND revoked_ms IS NULL", args.nowMs, args.hash);
}

/** Hex digits of a token's hash that name it to people: 64 bits of the hash of 256 random ones tell nothing of the token, and no two tokens share them. */
const idDigits = 16;
const ID_PREFIX = "ot_";
const listedMax = 1_000;

export interface TokenRow {
  /** `ot_` and the first hex digits of the hash. */
  readonly id: string;
  readonly operator: string;
  readonly purpose: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** Tokens of operators that are good now, those that end first on top. */
export function* listOperatorTokens(args: { readonly nowMs: number }): Operation<TokenRow[]> {
  const rows = yield* query<Omit<TokenRow, "id"> & { readonly hash: string }>(
    'SELECT hash, operator, purpose, created_ms AS "createdMs", expires_ms AS "expiresMs" FROM operator_tokens WHERE purpose <> ? AND revoked_ms IS NULL AND expires_ms > ? ORDER BY expires_ms, hash LIMIT ?',
    FIRST_LOGIN,
    args.nowMs,
    listedMax,
  );
  return rows.map(({ hash, ...row }) => ({ id: `${ID_PREFIX}${hash.slice(0, idDigits)}`, ...row }));
}

/** Revokes one token by the id that the list shows. Fault NOT_FOUND. */
export function* revokeListedToken(args: { readonly id: string; readonly nowMs: number }): Operation<void> {
  const digits = args.id.startsWith(ID_PREFIX) ? args.id.slice(ID_PREFIX.length) : args.id;
  const rows = yield* query("UPDATE operator_tokens SET revoked_ms = ? WHERE SUBSTR(hash, 1, ?) = ? AND purpose <> ? AND revoked_ms IS NULL RETURNING hash", args.nowMs, idDigits, digits, FIRST_LOGIN);
  if (rows.length === 0) throw new Fault("NOT_FOUND", { what: `there is no operator token ${args.id.slice(0, 40)} that could be revoked`, why: "no token has this id, or it was revoked before", hint: "bowline operator token ls" });
}

/**
 * True while nobody can log in: no operator has a token that is good now. A relay then needs a first-login token, also years after its first one. Tokens inside
 * kubeconfigs do not count: people do not know that they are logins as well.
 */
export function* needsFirstLogin(args: { readonly nowMs: number }): Operation<boolean> {
  const row = yield* queryOne<{ n: number }>(
    "SELECT COUNT(*) AS n FROM operator_tokens t JOIN operators o ON o.name = t.operator WHERE o.removed_ms IS NULL AND t.revoked_ms IS NULL AND t.expires_ms > ? AND t.purpose NOT IN (?, ?)",
    args.nowMs,
    FIRST_LOGIN,
    KUBE,
  );
  return Number(row?.n ?? 0) === 0;
}

export function* putFirstLogin(args: { readonly hash: string; readonly nowMs: number; readonly expiresMs: number }): Operation<void> {
  yield* query("DELETE FROM operator_tokens WHERE purpose = ?", FIRST_LOGIN);
  yield* insertToken({ hash: args.hash, operator: "", purpose: FIRST_LOGIN, nowMs: args.nowMs, expiresMs: args.expiresMs });
}

/** Burns the first-login token: its bearer becomes an operator of tier admin, or is that operator again. Fault TOKEN_UNKNOWN, TOKEN_EXPIRED. */
export function* spendFirstLogin(args: { readonly hash: string; readonly token: NewToken }): Operation<void> {
  const row = yield* queryOne<{ expires_ms: number }>("SELECT expires_ms FROM operator_tokens WHERE hash = ? AND purpose = ?", args.hash, FIRST_LOGIN);
  if (row === null) throw new Fault("TOKEN_UNKNOWN", { what: "the first-login token is not good any more", why: "it was used", hint: "ask the operator who used it for a token: bowline operator token NAME" });
  if (Number(row.expires_ms) < args.token.nowMs) throw new Fault("TOKEN_EXPIRED", { what: "the first-login token's hour is over", hint: "restart the relay, or run bowline relay init, for a new one" });
  yield* query("DELETE FROM operator_tokens WHERE hash = ?", args.hash);
  yield* query("INSERT INTO operators (name, tier, created_ms) VALUES (?, 'admin', ?) ON CONFLICT (name) DO UPDATE SET tier = 'admin', removed_ms = NULL", args.token.operator, args.token.nowMs);
  yield* insertToken(args.token);
}
