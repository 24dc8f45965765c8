// A site's report as the relay takes it: every member of the type that readers count on, texts and lists within their bounds, nothing else. A signature says whose
// report it is and not that it makes sense; what is stored here is shown to everybody. Fault ENVELOPE_MALFORMED names the member that is wrong. Pure.
import type { SiteReport } from "../api.ts";
import { Fault } from "../kit/errors.ts";
import { cut } from "./outcome.ts";
import { isSiteTime } from "./site-time.ts";

/** Entries of a report's lists. An agent shows 100 nodes, 50 workloads and a handful of its own troubles, with the totals beside them. */
const nodesMax = 500;
const unwellMax = 500;
const healthMax = 64;
/** Names of Kubernetes have at most 253 characters; a reason is one sentence. */
const nameCharsMax = 253;
const whyCharsMax = 500;

type Members = Readonly<Record<string, unknown>>;

export function parseSiteReport(value: unknown): SiteReport {
  const report = members(value, "report");
  const kubernetes = members(report["kubernetes"], "kubernetes");
  const agent = members(report["agent"], "agent");
  const queues = members(report["queues"], "queues");
  return {
    madeAtMs: time(report, "madeAtMs"),
    agentVersion: text(report, "agentVersion"),
    kubernetes: { version: nullable(kubernetes, "version", text), reachable: flag(kubernetes, "reachable"), why: nullable(kubernetes, "why", why) },
    nodes: list(report, "nodes", nodesMax).map((node) => ({ name: text(node, "name"), ready: flag(node, "ready"), why: why(node, "why"), version: text(node, "version") })),
    nodesTotal: count(report, "nodesTotal"),
    unwell: list(report, "unwell", unwellMax).map((item) => ({ kind: text(item, "kind"), namespace: text(item, "namespace"), name: text(item, "name"), why: why(item, "why") })),
    unwellTotal: count(report, "unwellTotal"),
    workloadsTotal: count(report, "workloadsTotal"),
    agent: {
      startedAtMs: time(agent, "startedAtMs"),
      memoryMiB: count(agent, "memoryMiB"),
      freeDiskMiB: count(agent, "freeDiskMiB"),
      health: list(agent, "health", healthMax).map((item) => ({ id: text(item, "id"), what: why(item, "what") })),
    },
    queues: { commandsOpen: count(queues, "commandsOpen"), lettersWaiting: count(queues, "lettersWaiting"), oldestLetterMs: nullable(queues, "oldestLetterMs", time) },
  };
}

function refused(name: string, wanted: string): Fault {
  return new Fault("ENVELOPE_MALFORMED", { what: `a report's "${name}" is not ${wanted}`, hint: "relay and agent may be of versions too far apart: bowline site describe NAME shows the agent's" });
}

function members(value: unknown, name: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(name, "an object");
  return value as Members;
}

function list(of: Members, name: string, most: number): Members[] {
  const value = of[name];
  if (!Array.isArray(value)) throw refused(name, "a list");
  return value.slice(0, most).map((item: unknown) => members(item, name));
}

function text(of: Members, name: string, charsMax = nameCharsMax): string {
  const value = of[name];
  if (typeof value !== "string") throw refused(name, "a text");
  return cut(value, charsMax);
}

function why(of: Members, name: string): string {
  return text(of, name, whyCharsMax);
}

function flag(of: Members, name: string): boolean {
  const value = of[name];
  if (typeof value !== "boolean") throw refused(name, "true or false");
  return value;
}

function count(of: Members, name: string): number {
  const value = of[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw refused(name, "a whole number");
  return value;
}

function time(of: Members, name: string): number {
  const value = of[name];
  if (!isSiteTime(value)) throw refused(name, "a time");
  return value;
}

function nullable<Value>(of: Members, name: string, read: (of: Members, name: string) => Value): Value | null {
  return of[name] === null ? null : read(of, name);
}
