// The relay's API over real sockets: its core on a store in this thread, its routes behind Node's server on loopback, one operator who is logged in. Time is the
// caller's to move.
import { createServer, type Server } from "node:http";
import { createServer as createHttp2, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { RelayCore } from "../../relay/core.ts";
import { Api, type Route } from "../../relay/http/api.ts";
import { Authenticator, makeOperatorToken, tokenHash } from "../../relay/http/auth.ts";
import { commandView } from "../../relay/http/command-view.ts";
import { commandRoutes } from "../../relay/http/operate-commands.ts";
import { restoredRoutes } from "../../relay/http/operate-restored.ts";
import { openApiRoute } from "../../relay/http/openapi.ts";
import { peopleRoutes } from "../../relay/http/operate.ts";
import { joinTokenRoutes } from "../../relay/http/operate-joins.ts";
import { siteRoutes } from "../../relay/http/operate-sites.ts";
import { CommandWatch } from "../../relay/http/watch.ts";
import type { QueueMax } from "../../relay/store/queue-room.ts";
import type { RelayKeys } from "../../relay/setup.ts";
import type { RelayStore } from "../../relay/store/store.ts";
import { makeSigningKeys } from "../../shared/kit/keys.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import type { JoinToken } from "../../shared/trust/join-token.ts";
import { firstTrustDocument, sealTrustDocument } from "../../shared/trust/trust-document.ts";
import { RelayBench } from "./relay-store.ts";

export interface ApiAnswer<Body> {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly body: Body;
}

export interface Asking {
  readonly body?: unknown;
  readonly key?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiBench {
  readonly relay: RelayBench;
  readonly clock: ManualClock;
  readonly core: RelayCore;
  readonly routes: readonly Route[];
  readonly api: Api;
  readonly watch: CommandWatch;
  readonly token: string;
  /** What an operation of the store gives instead of its own answer: how a test makes a store fail. */
  instead: (name: string) => Promise<never> | null = () => null;
  readonly #server: Server;
  #h2: Http2Server | null = null;

  private constructor(relay: RelayBench, token: string, keys: RelayKeys, queueMax?: QueueMax) {
    this.relay = relay;
    this.token = token;
    this.clock = new ManualClock(relay.nowMs);
    const store = { call: (name: never, args: never) => this.instead(name) ?? relay.store.call(name, args), close: () => relay.store.close() } as unknown as RelayStore;
    this.core = new RelayCore({ store, keys, clock: this.clock, random: () => 0.5, log: silentLog, binding: "none", refusal: () => Buffer.alloc(0), ...(queueMax === undefined ? {} : { queueMax }) });
    const { operations } = this.core;
    this.watch = new CommandWatch({ store, clock: this.clock, view: (row) => commandView(operations, row) });
    const auth = new Authenticator(store, this.clock);
    const tokenBase = (): Pick<JoinToken, "identity" | "trustRoot" | "tls" | "binding"> => ({ identity: [keys.identity.publicKey], trustRoot: "0".repeat(64), tls: { kind: "webpki" }, binding: "exporter" });
    this.routes = [...peopleRoutes({ store, clock: this.clock, auth }), ...joinTokenRoutes({ store, clock: this.clock, tokenBase }), ...siteRoutes(operations), ...commandRoutes(operations, this.watch), ...restoredRoutes(operations), openApiRoute()];
    this.api = new Api(this.routes, auth);
    this.#server = createServer((request, response) => this.api.handle(request, response));
  }

  static async open(queueMax?: QueueMax): Promise<ApiBench> {
    const relay = await RelayBench.open();
    const token = makeOperatorToken();
    await relay.store.call("addOperator", { name: "ann", tier: "admin", nowMs: relay.nowMs });
    await relay.store.call("putOperatorToken", { hash: tokenHash(token), operator: "ann", purpose: "api", nowMs: relay.nowMs, expiresMs: relay.nowMs + 365 * 86_400_000 });
    const keys = { identity: makeSigningKeys(), command: makeSigningKeys(), root: makeSigningKeys() };
    await relay.store.call("putTrust", { version: 1, envelope: sealTrustDocument(firstTrustDocument(keys.root, keys.command.publicKey, relay.nowMs), [keys.root], relay.nowMs), nowMs: relay.nowMs });
    const bench = new ApiBench(relay, token, keys, queueMax);
    await new Promise<void>((resolve) => bench.#server.listen(0, "127.0.0.1", resolve));
    return bench;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The same routes in HTTP/2, without TLS. */
  async http2(): Promise<string> {
    const server = createHttp2((request, response) => this.api.handle(request, response));
    this.#h2 = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  advance(ms: number): void {
    this.relay.nowMs += ms;
    this.clock.advance(ms);
  }

  async ask<Body>(method: string, path: string, { body, key, token = this.token, headers = {} }: Asking = {}): Promise<ApiAnswer<Body>> {
    const answer = await fetch(`${this.origin}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(key === undefined ? {} : { "idempotency-key": key }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: answer.status, type: answer.headers.get("content-type") ?? "", headers: answer.headers, body: (await answer.json()) as Body };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#h2?.close();
    await this.relay.close();
  }
}
