// One live request through the relay as kubectl makes it: an h1 request on a socket of its own, whose answer can be left unread, read on, or dropped. Says how it
// ended: complete (a valid end of the body), aborted (the body broke off), or gone (no answer at all).
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { contextToken } from "./kube-rest.ts";
import type { Place } from "./place.ts";

/** Characters of the body kept for looking at, the newest. */
const tailCharsMax = 65_536;

export interface LiveEnd {
  readonly how: "complete" | "aborted" | "gone";
  readonly atMs: number;
  readonly error: string;
}

export interface LiveOptions {
  readonly method?: string;
  /** Sent whole; null leaves the request open for `send` and `finish`. */
  readonly body?: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body is left in the socket until `read`. */
  readonly isUnread?: boolean;
}

export class Live {
  readonly request: ClientRequest;
  readonly begunMs = performance.now();
  /** The head, or null when the request ended without one. */
  readonly head: Promise<IncomingMessage | null>;
  readonly ended: Promise<LiveEnd>;
  octets = 0;
  tail = "";
  readonly #hash = createHash("sha256");
  readonly #isUnread: boolean;
  readonly #watchers = new Set<() => void>();
  #answer: IncomingMessage | null = null;

  constructor(place: Place, path: string, options: LiveOptions = {}) {
    this.#isUnread = options.isUnread ?? false;
    const headers = { authorization: `Bearer ${contextToken(place)}`, ...options.headers };
    const { method = "GET", body } = options;
    this.request = request({ host: "127.0.0.1", port: new URL(place.relayUrl).port, method, path, headers, agent: false, ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8") });
    let resolveEnd!: (end: LiveEnd) => void;
    this.ended = new Promise((resolve) => (resolveEnd = resolve));
    const end = (how: LiveEnd["how"], error = ""): void => {
      resolveEnd({ how, error, atMs: performance.now() });
      this.#tell();
    };
    this.head = new Promise((resolve) => {
      this.request.once("response", (answer) => {
        this.#take(answer, end);
        resolve(answer);
      });
      this.request.on("error", (error) => {
        resolve(null);
        if (this.#answer === null) end("gone", error.message);
      });
    });
    if (body !== null) this.request.end(body);
    else this.request.flushHeaders();
  }

  #take(answer: IncomingMessage, end: (how: LiveEnd["how"], error?: string) => void): void {
    this.#answer = answer;
    answer.on("error", (error) => end("aborted", error.message));
    answer.on("end", () => end("complete"));
    answer.on("close", () => end(answer.complete ? "complete" : "aborted"));
    if (!this.#isUnread) this.read();
  }

  /** Begins, or goes on, to read the body. */
  read(): void {
    this.#answer!.on("data", (chunk: Buffer) => {
      this.octets += chunk.length;
      this.#hash.update(chunk);
      this.tail = (this.tail + chunk.toString("latin1")).slice(-tailCharsMax);
      this.#tell();
    });
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves when the body so far holds the pattern. */
  said(pattern: RegExp, timeoutMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error(`no ${pattern} in the body within ${timeoutMs} ms: ${this.tail.slice(-500)}`))), timeoutMs);
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const look = (): void => {
        if (pattern.test(this.tail)) settle(resolve);
      };
      this.#watchers.add(look);
      look();
    });
  }

  get status(): number | null {
    return this.#answer?.statusCode ?? null;
  }

  /** Of the whole body; once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }

  /** The client goes away. */
  drop(): void {
    this.request.destroy();
  }
}

/** A Status body's four parts. */
export function statusParts(text: string): { readonly code: number; readonly fault: string; readonly what: string; readonly why: string; readonly hint: string } {
  const status = JSON.parse(text) as { code: number; details: { causes: { reason: string; message: string }[] } };
  const part = (reason: string): string => status.details.causes.find((cause) => cause.reason === reason)?.message ?? "";
  return { code: status.code, fault: part("BowlineCode"), what: part("BowlineWhat"), why: part("BowlineWhy"), hint: part("BowlineTry") };
}
