// One request and its answer, between a client's HTTP/1.1 or HTTP/2 request at the relay and a stream to the agent. Holds no octets of its
// own: a full response buffer keeps the stream's credit, a full stream pauses the request. Made by gateway.ts.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants as h2, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Fault } from "../../shared/kit/errors.ts";
import { lingerMs } from "../../shared/kit/linger.ts";
import { forwardedResponseHeaders } from "../../shared/rules/headers.ts";
import { keepable } from "../../shared/wire/keepable.ts";
import type { LinkStream, StreamSink } from "../../shared/link/link-stream.ts";
import type { CodeName } from "../../shared/wire/codes.ts";
import type { ResponseHead } from "../../shared/wire/message.ts";
import { responseLength } from "./response-length.ts";
import { answerFault, type AnyResponse } from "./status-body.ts";
import { mayEndCleanly, newline } from "./watch-end.ts";


export class Exchange implements StreamSink {
  readonly #request: IncomingMessage | Http2ServerRequest;
  /** Typed as h1's: the compatibility class of HTTP/2 has the same methods where they are used here. */
  readonly #response: ServerResponse;
  readonly #isWatch: boolean;
  #stream!: LinkStream;
  /** Octets delivered to the response that its socket has not taken yet: their credit is not returned. */
  #heldOctets = 0;
  #lastOctet = newline;
  #isCorked = false;
  #sendsBody = false;

  constructor(request: IncomingMessage | Http2ServerRequest, response: AnyResponse, isWatch: boolean) {
    this.#request = request;
    this.#response = response as ServerResponse;
    this.#isWatch = isWatch;
  }

  start(stream: LinkStream): void {
    this.#stream = stream;
    const request = this.#request as IncomingMessage;
    this.#response.on("drain", this.#returnCredit);
    this.#response.on("close", this.#onClientGone);
    if (!hasBody(this.#request)) return stream.finish();
    this.#sendsBody = true;
    request.on("data", (chunk: Buffer) => {
      if (this.#sendsBody && !stream.write(chunk)) request.pause();
    });
    request.on("end", () => {
      if (!this.#sendsBody) return;
      this.#sendsBody = false;
      stream.finish();
    });
    // A body that breaks off must not look complete at the API server.
    request.on("error", () => stream.reset("cancelled"));
  }

  onHead(head: ResponseHead): void {
    const response = this.#response;
    responseLength(head);
    const flat = forwardedResponseHeaders(head.headers);
    if (response.destroyed) return;
    // Node then throws where more or fewer octets come than the head said; the link ends this stream for it, and the client's socket with it.
    if (!("stream" in response)) response.strictContentLength = true;
    this.#cork();
    if ("stream" in response) (response as unknown as Http2ServerResponse).writeHead(head.status, asObject(flat));
    else response.writeHead(head.status, flat);
  }

  onOctets(chunk: Uint8Array): void {
    this.#lastOctet = chunk[chunk.length - 1] ?? this.#lastOctet;
    if (this.#response.write(keepable(chunk))) this.#stream.take(chunk.length);
    else this.#heldOctets += chunk.length;
  }

  onEnd(): void {
    // Node writes the last chunk's mark ahead of what a corked answer still holds, and the client would take half an answer for a whole one.
    this.#uncork();
    this.#response.end();
    if (this.#sendsBody) this.#linger();
  }

  onStop(): void {
    // The API server answered early. Its answer must reach the client, so the rest of the upload is read and dropped, not cut off.
    if (!this.#sendsBody) return;
    this.#sendsBody = false;
    this.#stream.finish();
    this.#request.resume();
  }

  onWritable(): void {
    this.#request.resume();
  }

  onFail(fault: Fault, code: CodeName): void {
    const response = this.#response;
    if (!response.headersSent) {
      answerFault(response, fault);
      if (!this.#request.complete) this.#linger();
      return;
    }
    if (mayEndCleanly(this.#isWatch, this.#lastOctet, code)) return void response.end();
    // A clean end would make a cut list or log look complete.
    if ("stream" in response) (response as unknown as Http2ServerResponse).stream.close(h2.NGHTTP2_INTERNAL_ERROR);
    else response.destroy();
  }

  readonly #returnCredit = (): void => {
    const octets = this.#heldOctets;
    this.#heldOctets = 0;
    this.#stream.take(octets);
  };

  readonly #onClientGone = (): void => {
    // After a complete answer the stream is over and this changes nothing. HTTP/2's compatibility class calls an answer finished when its client is gone.
    this.#stream.reset("cancelled");
  };

  /** Head and first octets leave in one write; a head with nothing behind it (a quiet watch) leaves at the end of the turn. */
  #cork(): void {
    if (this.#isCorked || "stream" in this.#response) {
      if ("stream" in this.#response) process.nextTick(() => this.#flushHead());
      return;
    }
    this.#isCorked = true;
    this.#response.cork();
    process.nextTick(() => {
      this.#flushHead();
      this.#uncork();
    });
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#response.uncork();
  }

  #flushHead(): void {
    if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.flushHeaders();
  }

  /** The answer is out while the client still sends (413): read and drop for a moment, then give up on the socket. */
  #linger(): void {
    const request = this.#request;
    request.resume();
    const timer = setTimeout(() => request.destroy(), lingerMs);
    timer.unref();
    request.once("close", () => clearTimeout(timer));
    request.once("end", () => clearTimeout(timer));
  }
}

/** A body follows, or may: RFC 9112 section 6.3, RFC 9113 section 8.1. */
export function hasBody(request: IncomingMessage | Http2ServerRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/** HTTP/2 takes an object; repeated names become lists. */
function asObject(flat: readonly string[]): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index]!;
    const before = out[name];
    if (before === undefined) out[name] = flat[index + 1]!;
    else if (Array.isArray(before)) before.push(flat[index + 1]!);
    else out[name] = [before, flat[index + 1]!];
  }
  return out;
}
