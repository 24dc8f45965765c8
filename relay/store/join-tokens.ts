// Join tokens: made, listed, revoked, and one use at a time bound to the key that took it, so that only that key may try again after a lost reply.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";

export interface NewJoinToken {
  readonly id: string;
  readonly secret: Uint8Array;
  readonly name: string;
  readonly labels: string;
  readonly tier: string;
  readonly binding: string;
  readonly uses: number;
  readonly operator: string;
  readonly nowMs: number;
  readonly expiresMs: number;
}

export interface JoinTokenRow {
  readonly id: string;
  readonly secret: Uint8Array;
  readonly name: string;
  readonly labels: string;
  readonly tier: string;
  readonly binding: string;
  readonly uses: number;
  readonly used: number;
  readonly expiresMs: number;
  readonly revokedMs: number | null;
  /** Since when an operator has to confirm it: the relay was put back from a copy, which does not know whether it was revoked or used since. Null: it is good. */
  readonly heldMs: number | null;
}

const COLUMNS = 'id, secret, name, labels, tier, binding, uses, (SELECT COUNT(*) FROM join_uses u WHERE u.token = t.id) AS used, expires_ms AS "expiresMs", revoked_ms AS "revokedMs", held_ms AS "heldMs"';
const listedMax = 1_000;

export function* putJoinToken(token: NewJoinToken): Operation<void> {
  yield* query(
    "INSERT INTO join_tokens (id, secret, name, labels, tier, binding, uses, operator, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    token.id,
    token.secret,
    token.name,
    token.labels,
    token.tier,
    token.binding,
    token.uses,
    token.operator,
    token.nowMs,
    token.expiresMs,
  );
}

export function* findJoinToken(args: { readonly id: string }): Operation<JoinTokenRow | null> {
  return yield* queryOne<JoinTokenRow>(`SELECT ${COLUMNS} FROM join_tokens t WHERE id = ?`, args.id);
}

export function* listJoinTokens(_args: null): Operation<Omit<JoinTokenRow, "secret">[]> {
  const rows = yield* query<JoinTokenRow>(`SELECT ${COLUMNS} FROM join_tokens t ORDER BY created_ms DESC LIMIT ?`, listedMax);
  return rows.map(({ secret: _secret, ...row }) => row);
}

export function* revokeJoinToken(args: { readonly id: string; readonly nowMs: number }): Operation<void> {
  const rows = yield* query("UPDATE join_tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL RETURNING id", args.nowMs, args.id);
  if (rows.length === 0) throw new Fault("NOT_FOUND", { what: `there is no join token ${args.id} that could be revoked`, hint: "bowline token ls" });
}

/** Takes one use for a key, or finds the one it took. Faults JOIN_TOKEN_UNKNOWN, _HELD, _EXPIRED, _USED. */
export function* takeJoinUse(args: { readonly id: string; readonly signKey: string; readonly nowMs: number }): Operation<JoinTokenRow> {
  const token = yield* findJoinToken(args);
  if (token === null) throw new Fault("JOIN_TOKEN_UNKNOWN", { what: "the relay does not know this join token", hint: "make a new one: bowline token create" });
  const mine = yield* queryOne("SELECT token FROM join_uses WHERE token = ? AND sign_key = ?", args.id, args.signKey);
  if (mine !== null) return token; // the reply to an earlier try was lost
  if (token.revokedMs !== null) throw new Fault("JOIN_TOKEN_UNKNOWN", { what: "this join token was revoked", hint: "make a new one: bowline token create" });
  if (token.heldMs !== null) throw new Fault("JOIN_TOKEN_HELD", { what: "this join token is on hold", why: "the relay was put back from a copy, and nobody has confirmed yet that the token was not revoked since", hint: "at the centre: bowline restored, then bowline restored confirm" });
  if (args.nowMs > token.expiresMs) throw new Fault("JOIN_TOKEN_EXPIRED", { what: "the join token's time is over", why: `it ended at ${new Date(token.expiresMs).toISOString()}`, hint: "make a new one: bowline token create --ttl 24h" });
  if (token.used >= token.uses) throw new Fault("JOIN_TOKEN_USED", { what: "this join token was used by another agent", why: `it was good for ${token.uses} ${token.uses === 1 ? "use" : "uses"}`, hint: "make a new one: bowline token create" });
  yield* query("INSERT INTO join_uses (token, sign_key, used_ms) VALUES (?, ?, ?)", args.id, args.signKey, args.nowMs);
  return token;
}
