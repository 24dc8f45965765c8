// A plain HTTP client for kubesim's own tests: answers with status, text and JSON, and reads watches line by line. It adds nothing a
// test would want to see, and no retries.
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as secureRequest } from "node:https";
import { isTree, type Tree } from "./tree.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** The JSON object of the body; empty when it is none. */
  readonly body: Tree;
}

interface Sending {
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
}

export interface Speaker {
  send(method: string, path: string, sending?: Sending): Promise<Answer>;
  /** The response as soon as its head is there. */
  open(path: string, headers?: Sending["headers"]): Promise<IncomingMessage>;
  get(path: string, headers?: Sending["headers"]): Promise<Answer>;
  post(path: string, body: Tree): Promise<Answer>;
  put(path: string, body: Tree): Promise<Answer>;
  patch(path: string, body: unknown, type: string): Promise<Answer>;
  delete(path: string, body?: Tree): Promise<Answer>;
}

interface SpeakerOptions {
  readonly token?: string;
  readonly caPem?: string;
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = {};
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: isTree(body) ? body : {} };
}

export function speaker(url: string, { token, caPem }: SpeakerOptions = {}): Speaker {
  const begin = (method: string, path: string, sending: Sending): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...sending.headers };
      const request = url.startsWith("https") ? secureRequest(url + path, { method, headers, agent: false, ...(caPem === undefined ? {} : { ca: caPem }) }, resolve) : plainRequest(url + path, { method, headers, agent: false }, resolve);
      request.once("error", reject);
      request.end(sending.body);
    });
  const send = async (method: string, path: string, sending: Sending = {}): Promise<Answer> => read(await begin(method, path, sending));
  const json = (method: string, path: string, body: unknown, type = "application/json"): Promise<Answer> => send(method, path, { headers: { "content-type": type }, body: JSON.stringify(body) });
  return {
    send,
    open: (path, headers = {}) => begin("GET", path, { headers }),
    get: (path, headers = {}) => send("GET", path, { headers }),
    post: (path, body) => json("POST", path, body),
    put: (path, body) => json("PUT", path, body),
    patch: (path, body, type) => json("PATCH", path, body, type),
    delete: (path, body) => (body === undefined ? send("DELETE", path) : json("DELETE", path, body)),
  };
}

/** The JSON lines of a watch; `return` leaves it, as a killed client would. */
export async function* lines(response: IncomingMessage): AsyncGenerator<Tree, undefined, undefined> {
  let rest = "";
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const parts = (rest + chunk.toString("utf8")).split("\n");
      rest = parts.pop()!;
      for (const part of parts) yield JSON.parse(part) as Tree;
    }
  } finally {
    response.destroy();
  }
  return undefined;
}
