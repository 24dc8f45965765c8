// Every kind of command as both ends know it: may it run twice, which class must have signed it, which lane takes it. A kind that is not here is refused by
// name at the relay and by `unsupported` at a site. Pure. delivery.md sections 3 and 4, trust.md section 2.
import type { LaneName } from "./lanes.ts";
import { outcomeOctetsMax } from "./outcome.ts";

/** idempotent: may run again · verifiable: the cluster tells whether it ran · neither: starts at most once. */
export type Repeatability = "idempotent" | "verifiable" | "neither";

type Class = "read" | "write" | "admin";

export interface CommandKind {
  readonly repeatability: Repeatability;
  readonly cls: Class;
  readonly lane: LaneName;
  /** Most octets of its outcome, where that is less than any outcome may have: a site starts it only when it has this room. */
  readonly resultOctetsMax?: number;
}

/** One sentence of 2,000 characters and one object with its reason, each character up to six octets as JSON. */
const shortResultOctets = 32_768;

const COMMAND_KINDS: Readonly<Record<string, CommandKind>> = {
  apply: { repeatability: "idempotent", cls: "write", lane: "deploy" },
  // The objects that it found first, by their UIDs.
  delete: { repeatability: "idempotent", cls: "write", lane: "deploy" },
  scale: { repeatability: "idempotent", cls: "write", lane: "interactive", resultOctetsMax: shortResultOctets },
  // The stamp that it writes is the time of its claim.
  restart: { repeatability: "idempotent", cls: "write", lane: "interactive", resultOctetsMax: shortResultOctets },
  // The template that it goes back to, found once: a second run cannot undo the first.
  undo: { repeatability: "idempotent", cls: "write", lane: "interactive", resultOctetsMax: shortResultOctets },
  // Nodes are the cluster's, and so are Namespaces, which a write may delete: `admin` is for who may command a site. Its four hours would be over before a site that
  // is away returns.
  cordon: { repeatability: "idempotent", cls: "write", lane: "interactive", resultOctetsMax: shortResultOctets },
  // The very pods that it found first, by their UIDs.
  drain: { repeatability: "idempotent", cls: "write", lane: "deploy" },
  // A Job's name is derived from the command, so the cluster knows whether it was started.
  job: { repeatability: "verifiable", cls: "write", lane: "deploy" },
  script: { repeatability: "verifiable", cls: "write", lane: "deploy" },
  collect: { repeatability: "idempotent", cls: "read", lane: "interactive" },
};

const hourMs = 3_600_000;
/** Greatest time (ms) to start, by class: trust.md section 2. */
const deadlineMsMax: Readonly<Record<Class, number>> = { read: 24 * hourMs, write: 720 * hourMs, admin: 4 * hourMs };

export const COMMAND_KIND_NAMES: readonly string[] = Object.keys(COMMAND_KINDS);

export function findCommandKind(kind: string): CommandKind | null {
  return Object.hasOwn(COMMAND_KINDS, kind) ? COMMAND_KINDS[kind]! : null;
}

/** How long (ms) a command of this kind may wait for its start. What is unknown waits least. */
export function deadlineMsMaxOf(kind: string): number {
  return deadlineMsMax[findCommandKind(kind)?.cls ?? "admin"];
}

/** What is unknown may not run twice. */
export function repeatabilityOf(kind: string): Repeatability {
  return findCommandKind(kind)?.repeatability ?? "neither";
}

/** Most octets of an outcome of this kind, as JSON. */
export function resultOctetsMax(kind: string): number {
  return findCommandKind(kind)?.resultOctetsMax ?? outcomeOctetsMax;
}
