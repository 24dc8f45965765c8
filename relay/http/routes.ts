// Which part of the relay a request belongs to, by its address: probes, the API, clusters, agents. Knows no part itself; they are handed in.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { TLSSocket } from "node:tls";
import { Fault } from "../../shared/kit/errors.ts";
import { answerProblem, answerText } from "./answers.ts";
import type { Api } from "./api.ts";
import type { H1Request } from "./h1-peer.ts";
import type { ServerHandlers } from "./server.ts";

export interface Parts {
  readonly api: Api;
  readonly kubeRequest: (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => void;
  readonly kubeH1Request: (request: H1Request) => void;
  readonly refusal: (fault: Fault) => Buffer;
  readonly kubeUpgrade: (request: IncomingMessage, socket: TLSSocket, ahead: Buffer) => void;
  readonly linkUpgrade: (request: IncomingMessage, socket: TLSSocket, ahead: Buffer) => void;
  /** Null when ready; else why not. */
  readonly unready: () => string | null;
}

export function routes(parts: Parts): ServerHandlers {
  return {
    onH1Request: parts.kubeH1Request,
    refusal: parts.refusal,
    onRequest(request, response) {
      const url = request.url ?? "";
      if (url.startsWith("/k8s/")) return parts.kubeRequest(request, response);
      if (parts.api.covers(url)) return parts.api.handle(request, response);
      if (url === "/healthz") return answerText(response, 200, "ok\n");
      if (url === "/readyz") {
        const why = parts.unready();
        return answerText(response, why === null ? 200 : 503, why === null ? "ok\n" : `${why}\n`);
      }
      answerProblem(response, new Fault("NOT_FOUND", { what: "there is nothing at this address", why: "clusters are at /k8s/<site>/, the API is at /api/v1", hint: "bowline --help" }));
      request.resume();
    },
    onUpgrade(request, socket, ahead) {
      const url = request.url ?? "";
      if (url === "/link") return parts.linkUpgrade(request, socket, ahead);
      if (url.startsWith("/k8s/")) return parts.kubeUpgrade(request, socket, ahead);
      socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    },
  };
}
