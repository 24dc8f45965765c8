// Types of the relay's HTTP API, /api/v1: for relay/http, relay/cli and later the console. JSON only; times are ISO 8601 in UTC; members are
// only ever added. Errors are RFC 9457 problems with our four parts. Types only: nothing here runs.
import type { FaultCode } from "./kit/errors.ts";

export const API_VERSION = "bowline/v1";

/** RFC 9457 problem. `title` is the Fault's what, `detail` its why. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: FaultCode;
  readonly hint: string;
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

export type LinkWord = "online" | "slow" | "quiet" | "late" | "lost" | "new" | "waiting" | "held";

export interface SiteSummary {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "Site";
  readonly name: string;
  /** `s_` and 32 hex digits, from the agent's first key. */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tier: string;
  readonly setting: "relayed" | "sealed";
  /** Is there a link, and how is it. Never mixed with the age of what is known. */
  readonly link: LinkWord;
  readonly state: "waiting" | "active" | "denied" | "revoked";
  /** Last octet from the agent, or null when there never was one. */
  readonly lastContact: string | null;
  /** When the newest report was made at the site, by the site's clock. */
  readonly reportMade: string | null;
  /** When it arrived here. */
  readonly reportReceived: string | null;
  /** Commands that have not ended. */
  readonly openCommands: number;
  readonly created: string;
}

export interface SiteDetail extends SiteSummary {
  readonly agentVersion: string | null;
  readonly roundTripMs: number | null;
  readonly linkSince: string | null;
  readonly lastLinkEnd: { readonly at: string; readonly why: string } | null;
  readonly liveStreams: number;
  readonly report: SiteReport | null;
  /** Newest first. */
  readonly events: readonly SiteEvent[];
  /** Weaker settings that are in force, in words. */
  readonly warnings: readonly string[];
}

/** What an agent tells of its cluster; plane Latest: a newer one replaces an older. */
export interface SiteReport {
  /** Site clock, ms since 1970. */
  readonly madeAtMs: number;
  readonly agentVersion: string;
  readonly kubernetes: { readonly version: string | null; readonly reachable: boolean; readonly why: string | null };
  readonly nodes: readonly { readonly name: string; readonly ready: boolean; readonly why: string; readonly version: string }[];
  readonly nodesTotal: number;
  /** Workloads that are not well; bounded, the total beside it. */
  readonly unwell: readonly { readonly kind: string; readonly namespace: string; readonly name: string; readonly why: string }[];
  readonly unwellTotal: number;
  readonly workloadsTotal: number;
  readonly agent: { readonly startedAtMs: number; readonly memoryMiB: number; readonly freeDiskMiB: number; readonly health: readonly { readonly id: string; readonly what: string }[] };
  readonly queues: { readonly commandsOpen: number; readonly lettersWaiting: number; readonly oldestLetterMs: number | null };
}

/** Something that happened at the site, with the time at which it happened there. */
export interface SiteEvent {
  readonly at: string;
  readonly received: string;
  readonly kind: string;
  readonly what: string;
}

export type CommandWord = "queued" | "blocked" | "offered" | "stored" | "running" | "succeeded" | "failed" | "rejected" | "expired" | "superseded" | "cancelled" | "outcome-unknown" | "abandoned";

/** An object by its name. Without a namespace it is in "default"; what belongs to the whole cluster takes none. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** What runs in a Job of its own, to its end. */
interface JobParts {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** What is asked of one site. */
export type CommandSpec =
  | { readonly kind: "delete"; readonly objects: readonly ObjectRef[] }
  | { readonly kind: "scale"; readonly object: ObjectRef; readonly replicas: number }
  | { readonly kind: "restart"; readonly object: ObjectRef }
  | { readonly kind: "apply"; readonly objects: readonly KubeObject[]; readonly forceConflicts: boolean }
  /** Back to an earlier revision of a workload; 0: to the one before the current. */
  | { readonly kind: "undo"; readonly object: ObjectRef; readonly toRevision: number }
  /** `isOn`: nothing new is scheduled on the node; else it is again. */
  | { readonly kind: "cordon"; readonly node: string; readonly isOn: boolean }
  /** Cordons, then evicts. `gracePeriodMs` null: each pod's own. */
  | { readonly kind: "drain"; readonly node: string; readonly force: boolean; readonly deleteEmptyDir: boolean; readonly gracePeriodMs: number | null; readonly timeoutMs: number }
  | (JobParts & { readonly kind: "job"; readonly command: readonly string[] })
  /** `shell -c script name args…`, octet for octet. */
  | (JobParts & { readonly kind: "script"; readonly script: string; readonly shell: string; readonly args: readonly string[] })
  /** A support bundle. No namespaces: all of them. */
  | { readonly kind: "collect"; readonly namespaces: readonly string[]; readonly sinceMs: number };

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** What is asked for, whichever sites it is for. */
export interface CommandOrder {
  readonly spec: CommandSpec;
  /** Only for sites that are linked now: the others refuse it with SITE_OFFLINE. */
  readonly live?: boolean;
  /** It must have started at the site by then, or it expires there. */
  readonly expiresInMs?: number;
  /** Commands of one key run one after the other, beside the order that what they touch gives anyway. */
  readonly orderingKey?: string;
  /** A newer command of the same key takes the place of those that have not left. */
  readonly collapseKey?: string;
  /** block: what touches the same waits at the relay until it has succeeded, been retried with success, or been skipped. Default: continue. */
  readonly onFailure?: "continue" | "block";
}

/** An order for one site: the answer is its command, or a problem. */
export interface CommandRequest extends CommandOrder {
  readonly site: string;
}

/** An order for many, named by one of the three: the answer is a CommandResults. */
export interface CommandsRequest extends CommandOrder {
  readonly sites?: readonly string[];
  /** As Kubernetes' label selectors; sees approved sites. */
  readonly selector?: string;
  readonly all?: boolean;
}

/**
 * Each site's own answer, in the order in which the sites were named, or by name. HTTP 202 when all took it, 207 when not. The same call with the same
 * Idempotency-Key is for the same sites, whatever their labels are by then, and asks again those that refused.
 */
export interface CommandResults {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "CommandResults";
  readonly total: number;
  readonly accepted: number;
  /** `?watch=1&since=`: from before the first of them. */
  readonly watch: string;
  readonly items: readonly CommandResult[];
}

export type CommandResult = { readonly site: string; readonly command: CommandView } | { readonly site: string; readonly problem: Problem };

/** What is signed for a site: inside a command's envelope. */
export interface CommandBody {
  readonly operator: string;
  readonly tier: string;
  readonly spec: CommandSpec;
  readonly orderingKey?: string;
}

export interface CommandView {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "Command";
  readonly id: string;
  readonly site: string;
  readonly what: string;
  readonly commandKind: CommandSpec["kind"];
  readonly state: CommandWord;
  /** Why it is not further: in words. */
  readonly why: string;
  readonly operator: string;
  readonly order: number;
  readonly deadline: string;
  /** Relay clock. */
  readonly asked: string;
  readonly offered: string | null;
  readonly stored: string | null;
  readonly ended: string | null;
  /** Site clock: when it started and ended there. */
  readonly startedAtSite: string | null;
  readonly endedAtSite: string | null;
  /** Asked of the site; its word counts. */
  readonly cancelAsked: string | null;
  /** How often it was offered to the site: more than once when links ended, or the site had no room. */
  readonly offers: number;
  readonly onFailure: "continue" | "block";
  /** The command that this one is a retry of. */
  readonly retryOf: string | null;
  /** It has ended without success and holds its keys. */
  readonly holdsKeys: boolean;
  /** Its place among the open commands of its site; only where one command is asked for, and while it is open. */
  readonly position?: CommandPosition;
  /** `?watch=1&since=`: what changes after what is shown here. */
  readonly watch: string;
  /** In a list, an outcome of more than 16 KiB leaves out its objects, its log and its bundle. */
  readonly outcome: CommandOutcome | null;
}

/** n-th of so many, 1 is next. */
export interface CommandPosition {
  readonly inSite: { readonly n: number; readonly of: number };
  /** Among those that share a key with it: they run one after the other. */
  readonly inKey: { readonly n: number; readonly of: number };
  /** The command that must be settled first, or null. */
  readonly behind: string | null;
}

export interface CommandOutcome {
  readonly state: CommandWord;
  /** One sentence. */
  readonly what: string;
  readonly code: FaultCode | null;
  /** Per object for apply and delete, per pod for drain, one entry for the others. */
  readonly objects: readonly { readonly ref: string; readonly result: "created" | "configured" | "unchanged" | "deleted" | "failed" | "completed"; readonly why: string }[];
  /** Of job and script. */
  readonly log?: CommandLog;
  /** Of collect: a SupportBundle as JSON, gzip, base64. */
  readonly bundle?: string;
}

/** The end of what a pod wrote. */
export interface CommandLog {
  readonly text: string;
  /** Octets before `text` that are not in it. */
  readonly missingOctets: number;
  /** Why there is no log, or "". */
  readonly why: string;
}

/** What a site shows of itself when something is wrong. Never Secrets, data of ConfigMaps, or values of environments. */
export interface SupportBundle {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "SupportBundle";
  /** Site clock. */
  readonly madeAt: string;
  readonly namespaces: readonly string[];
  readonly sinceMs: number;
  /** What could not be read, in words. */
  readonly problems: readonly string[];
  /** By section: how many were read and are not in it, because it was full. */
  readonly leftOut: Readonly<Record<string, number>>;
  readonly agent: unknown;
  readonly version: unknown;
  readonly nodes: readonly unknown[];
  /** Those that are not well. */
  readonly workloads: readonly unknown[];
  readonly pods: readonly unknown[];
  /** Newest first, warnings before the others. */
  readonly events: readonly unknown[];
  /** Of containers of pods that are not well. */
  readonly logs: readonly (CommandLog & { readonly pod: string; readonly container: string; readonly isPrevious: boolean })[];
}

export interface Listing<Item> {
  readonly apiVersion: typeof API_VERSION;
  readonly items: readonly Item[];
  /** Of lists that come in pages: `?cursor=` of the next one, or null after the last. A page may be short, or empty, and still have a next one. */
  readonly next?: string | null;
  /** Of lists that can be watched: `?watch=1&since=` that begins where this list was read. */
  readonly watch?: string;
}
