// Speaks the relay's HTTP API for the command line: one undici pool, sockets from kit/dial (proxy and private CA in every combination).
// A problem answer becomes its Fault, with the exit code that belongs to it; every wait has a ceiling and ends on Ctrl-C.
import { Pool } from "undici";
import { Fault, isFaultCode } from "../../shared/kit/errors.ts";
import { undiciConnector, type ProxySettings } from "../../shared/kit/dial.ts";
import type { Problem } from "../../shared/api.ts";
import { EventParser, type ServerEvent } from "./event-stream.ts";

/** One API call (ms): the relay answers from its store, never from a site. */
const callMs = 30_000;
const dialMs = 15_000;
/** A stream of events that is silent for longer (ms) is over: the relay says something every 15 s. */
const silentMs = 45_000;
const answerBytesMax = 64 * 1_048_576;

export interface ClientOptions {
  readonly server: string;
  readonly ca: string | null;
  readonly token: string | null;
  readonly proxy: ProxySettings;
  readonly signal: AbortSignal;
}

export class RelayClient {
  readonly server: string;
  readonly #pool: Pool;
  readonly #token: string | null;
  readonly #signal: AbortSignal;

  constructor(options: ClientOptions) {
    const url = parseServer(options.server);
    this.server = url.origin;
    this.#token = options.token;
    this.#signal = options.signal;
    this.#pool = new Pool(url.origin, {
      allowH2: false,
      connect: undiciConnector({
        host: url.hostname,
        port: Number(url.port || 443),
        tls: () => ({ serverName: url.hostname, ca: options.ca ?? "webpki" }),
        proxy: options.proxy,
        timeoutMs: dialMs,
        faults: { down: "RELAY_UNREACHABLE", tls: "RELAY_TLS" },
      }) as never,
      connections: 2,
    });
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#call<Answer>("GET", path);
  }

  post<Answer>(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.#call<Answer>("POST", path, body, headers);
  }

  delete<Answer>(path: string): Promise<Answer> {
    return this.#call<Answer>("DELETE", path);
  }

  /** Server-sent events of an address, until it ends or `signal` does. A relay that does not know the address's stream answers otherwise: Fault NOT_FOUND. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    try {
      const answer = await this.#pool.request({ method: "GET", path: `/api/v1${path}`, headers: { accept: "text/event-stream", authorization: `Bearer ${this.#token ?? ""}` }, signal: AbortSignal.any([this.#signal, signal]), headersTimeout: callMs, bodyTimeout: silentMs });
      if (answer.statusCode >= 400) throw problemFault(answer.statusCode, await boundedText(answer.body as AsyncIterable<Buffer>), this.server);
      if (!String(answer.headers["content-type"]).startsWith("text/event-stream")) {
        answer.body.destroy();
        throw new Fault("NOT_FOUND", { what: `${this.server} cannot be watched`, why: "it is of an older version, or something in between answers for it" });
      }
      const parser = new EventParser();
      for await (const chunk of answer.body as AsyncIterable<Buffer>) yield* parser.feed(chunk);
    } catch (error) {
      this.#signal.throwIfAborted();
      signal.throwIfAborted();
      throw transportFault(error, this.server);
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #call<Answer>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown, extra: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const headers: Record<string, string> = { accept: "application/json", ...extra };
    if (this.#token !== null) headers["authorization"] = `Bearer ${this.#token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    try {
      const answer = await this.#pool.request({
        method,
        path: `/api/v1${path}`,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(callMs)]),
      });
      const text = await boundedText(answer.body as AsyncIterable<Buffer>);
      if (answer.statusCode >= 400) throw problemFault(answer.statusCode, text, this.server);
      return (text === "" ? null : JSON.parse(text)) as Answer;
    } catch (error) {
      this.#signal.throwIfAborted();
      throw transportFault(error, this.server);
    }
  }
}

function parseServer(server: string): URL {
  try {
    const url = new URL(server);
    if (url.protocol === "https:") return url;
  } catch {
    // falls through to the same words
  }
  throw new Fault("USAGE", { what: `"${server}" is not a relay's address`, why: "it must be https://HOST:PORT", hint: "bowline login https://relay.example:8443 --ca FILE --token TOKEN" });
}

async function boundedText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of body) {
    octets += chunk.length;
    if (octets > answerBytesMax) throw new Fault("BODY_TOO_LARGE", { what: "the relay's answer is over 64 MiB", why: "no answer of the API is so long", hint: "ask for less: bowline command ls --site NAME" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function problemFault(status: number, text: string, server: string): Fault {
  try {
    const problem = JSON.parse(text) as Problem;
    if (isFaultCode(problem.code)) return new Fault(problem.code, { what: problem.title, why: problem.detail, hint: problem.hint, facts: problem.facts ?? {} });
  } catch {
    // not ours: falls through
  }
  return new Fault("RELAY_UNREACHABLE", { what: `${server} answered ${status}`, why: "the answer is not a Bowline relay's", hint: "check the address, and whether a proxy stands in front of it" });
}

function transportFault(error: unknown, server: string): Fault {
  if (error instanceof Fault) return error;
  const cause = (error as { cause?: unknown }).cause;
  if (cause instanceof Fault) return cause;
  const text = error instanceof Error ? error.message : String(error);
  if ((error as { name?: string }).name === "TimeoutError") return new Fault("RELAY_UNREACHABLE", { what: `${server} did not answer within ${callMs / 1000} s`, why: "it took the question and said nothing", hint: "try again; bowline relay doctor, run at the relay, says more" });
  return new Fault("RELAY_UNREACHABLE", { what: `${server} cannot be reached`, why: text, hint: "check the address, the network and the proxy settings (HTTPS_PROXY, NO_PROXY)", cause: error });
}
