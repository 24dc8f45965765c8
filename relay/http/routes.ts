// Which part of the relay a request belongs to, by its address: probes, the API, clusters, agents. Knows no part itself; they are handed in.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { TLSSocket } from "node:tls";
import { Fault } from "../../shared/kit/errors.ts";
import { endThenDestroy } from "../../shared/kit/linger.ts";
import { answerProblem, answerText, problemOctets } from "./answers.ts";
import type { Api } from "./api.ts";
import type { H1Request } from "./h1-request.ts";
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
      answerProblem(response, nothingHere("clusters are at /k8s/<site>/, the API is at /api/v1"));
      request.resume();
    },
    onUpgrade(request, socket, ahead) {
      const url = request.url ?? "";
      if (url === "/link") return parts.linkUpgrade(request, socket, ahead);
      if (url.startsWith("/k8s/")) return parts.kubeUpgrade(request, socket, ahead);
      endThenDestroy(socket, problemOctets(nothingHere("upgrades are taken at /k8s/<site>/ and, from agents, at /link")));
    },
  };
}

function nothingHere(why: string): Fault {
  return new Fault("NOT_FOUND", { what: "there is nothing at this address", why, hint: "bowline --help" });
}
