// Who asks: operator tokens, looked up by hash. A token that was found good is believed for two seconds, so that a busy kubectl costs no query per
// request and a revocation still bites at once by human measure. One that is in use is looked up again before that is over: nobody waits for a database that
// commits what a returning site brings. Fails closed: an error in the store is no login.
import { randomBytes } from "node:crypto";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { sha256 } from "../../shared/kit/keys.ts";
import { FIRST_LOGIN } from "../store/people.ts";
import type { RelayStore } from "../store/store.ts";

/** How long (ms) a found token is believed. */
const believedMs = 2_000;
/** Used after this time (ms), it is looked up again beside the request. */
const renewMs = 1_000;
const cachedMax = 10_000;
const tokenCharsMax = 256;

export interface Operator {
  readonly name: string;
  readonly tier: string;
}

export interface Login extends Operator {
  readonly token: string;
  readonly expiresMs: number;
}

export function makeOperatorToken(): string {
  return `bwo1_${randomBytes(32).toString("base64url")}`;
}

/** Tokens are 256 random bits: a plain hash is enough, there is nothing to guess. */
export function tokenHash(token: string): string {
  return sha256(`bowline/operator-token/v1\0${token}`).toString("hex");
}

interface Cached {
  readonly login: Login;
  readonly untilMs: number;
}

export class Authenticator {
  readonly #store: RelayStore;
  readonly #clock: Clock;
  readonly #cache = new Map<string, Cached>();
  readonly #looking = new Map<string, Promise<Login>>();

  constructor(store: RelayStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The login behind an Authorization header: at once when it is known, else a promise. Faults NOT_LOGGED_IN, TOKEN_*. */
  authenticate(authorization: string | null): Login | Promise<Login> {
    const token = bearerOf(authorization);
    const cached = this.#cache.get(token);
    const nowMs = this.#clock.monoMs();
    if (cached === undefined || nowMs >= cached.untilMs || this.#clock.wallMs() >= cached.login.expiresMs) return this.#lookOnce(token);
    if (nowMs >= cached.untilMs - believedMs + renewMs) this.#lookOnce(token).catch(() => this.#cache.delete(token));
    return cached.login;
  }

  /** A busy kubectl asks a hundred times while the answer of the first is under way. */
  #lookOnce(token: string): Promise<Login> {
    let looking = this.#looking.get(token);
    if (looking === undefined) {
      looking = this.#look(token).finally(() => this.#looking.delete(token));
      this.#looking.set(token, looking);
    }
    return looking;
  }

  async #look(token: string): Promise<Login> {
    const record = await this.#store.call("findOperatorToken", { hash: tokenHash(token) });
    if (record === null || record.purpose === FIRST_LOGIN || record.tier === "") {
      const isFirst = record?.purpose === FIRST_LOGIN;
      throw new Fault("TOKEN_UNKNOWN", { what: "the operator token is not one of this relay's", why: isFirst ? "it is a first-login token, good for one login only" : "it was made elsewhere, or cut short", hint: "bowline login https://HOST:8443 --ca FILE --token TOKEN" });
    }
    if (record.isRevoked) throw new Fault("TOKEN_REVOKED", { what: "the operator token was revoked", hint: "ask an operator for a new one: bowline operator token NAME" });
    if (this.#clock.wallMs() >= record.expiresMs) throw new Fault("TOKEN_EXPIRED", { what: "the operator token's time is over", why: `it ended at ${new Date(record.expiresMs).toISOString()}`, hint: "ask an operator for a new one: bowline operator token NAME\nwhen nobody has a good one, restart the relay: it then prints a first-login token" });
    const login: Login = { name: record.operator, tier: record.tier, token, expiresMs: record.expiresMs };
    if (this.#cache.size >= cachedMax) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(token, { login, untilMs: this.#clock.monoMs() + believedMs });
    return login;
  }

  /** After a revocation here. */
  forget(): void {
    this.#cache.clear();
  }
}

function bearerOf(authorization: string | null): string {
  if (authorization === null || authorization === "") throw new Fault("NOT_LOGGED_IN", { what: "no operator token was given", hint: "bowline login https://HOST:8443 --ca FILE --token TOKEN" });
  const found = /^bearer +([\w.~+/=-]+)$/i.exec(authorization);
  if (found === null || found[1]!.length > tokenCharsMax) throw new Fault("TOKEN_UNKNOWN", { what: "the Authorization header holds no operator token", why: 'it must be "Bearer TOKEN"', hint: "bowline login https://HOST:8443 --ca FILE --token TOKEN" });
  return found[1]!;
}
