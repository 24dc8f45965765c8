// Two small listeners of a running agent: a local socket in its data folder that tells `agent status` how it is, and the kubelet's health check. Neither takes
// any input.
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { createServer, connect, type Server } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { asFault, Fault, faultFromRecord, faultRecord, isFaultCode, type FaultRecord } from "../shared/kit/errors.ts";
import type { QuarantineRecord } from "./store/carry.ts";
import type { Room } from "./store/room.ts";

const answerMs = 5_000;
const answerBytesMax = 65_536;

export interface AgentStatus {
  readonly name: string;
  readonly site: string;
  readonly state: "joining" | "waiting" | "linked" | "dialling";
  readonly since: string;
  readonly why: string;
  readonly matchCode: string;
  readonly version: string;
  readonly streams: number;
  readonly lettersWaiting: number;
  readonly commandsOpen: number;
  /** Octets in use by part; `limit` is the whole, `shed` are lanes that bring nothing in now. `isFull`: the disk is, and the ballast is given up. */
  readonly store: Room & { readonly isFull: boolean };
  /** The kubeconfig it works with, "" in a pod: for the doctor, who looks at the same cluster. */
  readonly kubeconfig: string;
  /** The last time that the database was put aside and made anew, or null. */
  readonly quarantined: QuarantineRecord | null;
}

/** Instead of a status, when the agent cannot tell it. */
interface Refusal {
  readonly fault: FaultRecord;
}

/** Octets of a socket's path on Linux (sockaddr_un), less the closing NUL. */
const socketPathBytesMax = 107;

function socketPath(dir: string): string {
  return join(dir, "agent.sock");
}

/** Fault FILE_INVALID when the folder's path is too long for a socket: the agent then runs without one. */
export function serveStatus(dir: string, status: () => Promise<AgentStatus>): Promise<Server> {
  if (Buffer.byteLength(socketPath(dir)) > socketPathBytesMax) return Promise.reject(tooLong(dir));
  rmSync(socketPath(dir), { force: true }); // the database lock has said that nobody else is here
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const answer = (value: AgentStatus | Refusal): void => void socket.end(`${JSON.stringify(value)}\n`);
    status().then(answer, (error: unknown) => answer({ fault: faultRecord(asFault(error)) }));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath(dir), () => resolve(server));
  });
}

function tooLong(dir: string): Fault {
  return new Fault("FILE_INVALID", { what: "the agent's status cannot be asked for here", why: `the path of ${dir} is too long for a local socket (${socketPathBytesMax} octets)`, hint: "choose a shorter --data; its log says how the agent is" });
}

/** Asks the agent that runs on this folder. Faults: NOT_INITIALISED when none does, STORE_FAILED when it does not answer, or the one that it answers with. */
export async function askStatus(dir: string): Promise<AgentStatus> {
  if (Buffer.byteLength(socketPath(dir)) > socketPathBytesMax) throw tooLong(dir);
  const text = await askSocket(dir);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (typeof value !== "object" || value === null) throw noAnswer(dir, text === "" ? "it broke off" : "its answer is not of the documented form");
  const { fault } = value as Partial<Refusal>;
  if (fault === undefined) return value as AgentStatus;
  throw isFaultCode(fault.code) ? faultFromRecord(fault) : noAnswer(dir, "it answered with a failure that is unknown here");
}

/** All that the agent says. */
function askSocket(dir: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    let isConnected = false;
    const socket = connect(socketPath(dir), () => (isConnected = true));
    socket.setEncoding("utf8");
    socket.setTimeout(answerMs, () => socket.destroy(new Error(`it said nothing for ${answerMs / 1_000} s`)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > answerBytesMax) socket.destroy(new Error("its answer is too long"));
    });
    socket.on("error", (error) => reject(isConnected ? noAnswer(dir, error.message) : new Fault("NOT_INITIALISED", { what: `no agent runs on ${dir}`, why: error.message, hint: `bowline agent run --data ${dir}` })));
    socket.on("close", () => resolve(text));
  });
}

function noAnswer(dir: string, why: string): Fault {
  return new Fault("STORE_FAILED", { what: `the agent that runs on ${dir} does not say how it is`, why, hint: "ask again; its log says what it does" });
}

/** /healthz says that the process lives, /readyz that it has a link. */
export function serveHealth(port: number, isReady: () => boolean): Promise<HttpServer> {
  const server = createHttp((request, response) => {
    const isOk = request.url === "/healthz" || (request.url === "/readyz" && isReady());
    response.writeHead(isOk ? 200 : request.url === "/readyz" ? 503 : 404, { "content-type": "text/plain", connection: "close" });
    response.end(isOk ? "ok\n" : "no\n");
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new Fault("PORT_IN_USE", { what: `cannot listen on port ${port} for health checks`, why: error.message, hint: "choose another with --health-port" })));
    server.listen(port, () => resolve(server));
  });
}
