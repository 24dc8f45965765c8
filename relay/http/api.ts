// /api/v1: the routes, each a method, a pattern and a function. Operators only, but for the login. Answers come after the commit. The shapes are those of
// shared/api.ts.
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { shown } from "../../shared/kit/shown.ts";
import { answerJson, answerProblem, readJson, type ApiRequest, type ApiResponse } from "./answers.ts";
import type { Authenticator, Login } from "./auth.ts";

export interface Call {
  readonly login: Login;
  /** Values of the pattern's `:parts`, in order. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly idempotencyKey: string | null;
  /** Where a stream of events that was cut goes on. */
  readonly lastEventId: string | null;
  /** Rejects when the caller's login is over by now. */
  readonly judge: () => Promise<unknown>;
  /** `https://host:port` as the caller reached us. */
  readonly origin: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Answers by itself, for as long as it takes, instead of with status and body. */
  readonly stream?: (response: ApiResponse) => void;
}

export type Handler = (call: Call) => Promise<Answer>;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** `/sites/:name`. */
  readonly path: string;
  readonly isPublic?: boolean;
  readonly handle: Handler;
}

const PREFIX = "/api/v1";
const keyCharsMax = 200;
/** Octets of a body from somebody who has not shown a token: a login is some hundred. */
const publicBodyBytesMax = 4_096;

interface Compiled extends Route {
  readonly pattern: RegExp;
}

export class Api {
  readonly #routes: readonly Compiled[];
  readonly #auth: Authenticator;

  constructor(routes: readonly Route[], auth: Authenticator) {
    this.#routes = routes.map((route) => ({ ...route, pattern: new RegExp(`^${route.path.replaceAll(/:\w+/g, "([^/]+)")}$`) }));
    this.#auth = auth;
  }

  /** True for addresses that are the API's. */
  covers(url: string): boolean {
    return url === PREFIX || url.startsWith(`${PREFIX}/`) || url.startsWith(`${PREFIX}?`);
  }

  handle(request: ApiRequest, response: ApiResponse): void {
    this.#answer(request)
      .then(({ status, body, stream }) => (stream === undefined ? answerJson(response, status, body) : stream(response)))
      .catch((error: unknown) => {
        answerProblem(response, asFault(error));
        if (!request.complete) request.resume();
      });
  }

  async #answer(request: ApiRequest): Promise<Answer> {
    const url = new URL(request.url ?? "", "https://relay");
    const path = url.pathname.slice(PREFIX.length);
    const { route, parts } = this.#find(request.method ?? "GET", path);
    const login = route.isPublic === true ? null : await this.#auth.authenticate(request.headers.authorization ?? null);
    const body = route.method === "POST" ? await readJson(request, route.isPublic === true ? publicBodyBytesMax : undefined) : {};
    const key = request.headers["idempotency-key"] ?? null;
    if (Array.isArray(key) || (key !== null && (key.length === 0 || key.length > keyCharsMax))) throw new Fault("USAGE", { what: "the Idempotency-Key is not acceptable", why: `one text of 1 to ${keyCharsMax} characters`, hint: "--idempotency-key $(uuidgen)" });
    const authority = request.headers[":authority"] ?? request.headers.host ?? "";
    const lastEventId = request.headers["last-event-id"];
    return route.handle({ login: login as Login, parts, query: url.searchParams, body, idempotencyKey: key, lastEventId: typeof lastEventId === "string" ? lastEventId : null, judge: async () => this.#auth.authenticate(request.headers.authorization ?? null), origin: `https://${String(authority)}` });
  }

  #find(method: string, path: string): { route: Compiled; parts: string[] } {
    const methods: string[] = [];
    for (const route of this.#routes) {
      const found = route.pattern.exec(path);
      if (found === null) continue;
      methods.push(route.method);
      if (route.method === method) return { route, parts: found.slice(1).map(decode) };
    }
    if (methods.length > 0) throw new Fault("METHOD_REFUSED", { what: `${shown(method, 16)} is not possible at ${PREFIX}${shown(path, 200)}`, why: `it takes ${methods.join(", ")}`, hint: "bowline --help lists what can be asked of a relay" });
    throw new Fault("NOT_FOUND", { what: `there is nothing at ${PREFIX}${shown(path, 200)}`, hint: "bowline --help lists what can be asked of a relay; relay and command line may be of different versions: bowline version" });
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Fault("USAGE", { what: "the address is not well encoded", why: "a % is not followed by two hex digits of UTF-8", hint: "write % as %25" });
  }
}
