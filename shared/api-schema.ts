// The API's bodies as JSON Schema: what /api/v1/openapi.json says of them. The parsers stay the judges of what comes in, because their refusals name the field and say
// what to do; a test holds that they and these schemas take the same, that these are the types of api.ts, and that real answers are of them.
import Type, { type Static, type TObject, type TProperties, type TSchema } from "typebox";
import type { CommandSpec } from "./api.ts";
import { FAULTS, type FaultCode } from "./kit/errors.ts";

const text = (description?: string): ReturnType<typeof Type.String> => Type.String(description === undefined ? {} : { description });
const whole = (description?: string): ReturnType<typeof Type.Integer> => Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });
const time = Type.String({ format: "date-time", description: "ISO 8601 in UTC" });
const timeOrNull = Type.Union([time, Type.Null()]);
const textOrNull = Type.Union([Type.String(), Type.Null()]);
const words = <const Word extends string>(...list: Word[]): ReturnType<typeof Type.Unsafe<Word>> => Type.Unsafe<Word>({ type: "string", enum: list });
const apiVersion = words("bowline/v1");
const labels = Type.Record(Type.String(), Type.String());
const open = <Properties extends TProperties>(properties: Properties, description?: string): TObject<Properties> => Type.Object(properties, description === undefined ? {} : { description });

export const Problem = open(
  {
    type: text("urn:bowline:fault: and the code"),
    title: text("what did not work"),
    status: whole(),
    detail: text("why"),
    code: words(...(Object.keys(FAULTS) as FaultCode[])),
    hint: text("what to try"),
    facts: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
  },
  "RFC 9457. With 429, Retry-After says when to come back.",
);

const STATES = ["queued", "blocked", "offered", "stored", "running", "succeeded", "failed", "rejected", "expired", "superseded", "cancelled", "outcome-unknown", "abandoned"] as const;
const state = words(...STATES);
const onFailure = words("continue", "block");

const name63 = "^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$";
const namespace = Type.Optional(Type.String({ pattern: name63, maxLength: 63 }));
const apiVersionOfObject = Type.String({ pattern: "^(?:[a-z0-9.-]+/)?v[a-z0-9]+$" });
const kindOfObject = Type.String({ pattern: "^[A-Za-z][A-Za-z0-9]{0,62}$" });
const nameOfObject = Type.String({ minLength: 1, maxLength: 253 });
const ref = open({ apiVersion: apiVersionOfObject, kind: kindOfObject, name: nameOfObject, namespace });
const object = open({ apiVersion: apiVersionOfObject, kind: kindOfObject, metadata: open({ name: nameOfObject, namespace }) });

/** Left out, or null, it is what it is by default. */
const orDefault = (schema: TSchema): TSchema => Type.Optional(Type.Union([schema, Type.Null()]));

const rolled = { ...ref.properties, kind: words("Deployment", "StatefulSet", "DaemonSet") };
const node = Type.String({ pattern: "^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$", maxLength: 253 });
const runMs = Type.Integer({ minimum: 1_000, maximum: 7 * 86_400_000 });
const texts = Type.Optional(Type.Array(Type.String()));
const inJob = {
  name: Type.String({ pattern: name63, maxLength: 50 }),
  namespace: orDefault(Type.String({ pattern: name63, maxLength: 63 })),
  image: Type.String({ minLength: 1, maxLength: 512 }),
  env: orDefault(Type.Record(Type.String(), Type.String())),
  timeoutMs: orDefault(runMs),
};
const word = { pattern: "^[^\\u0000]*$" };

/** By kind: what an order may ask for. */
export const SPECS: Readonly<Record<CommandSpec["kind"], TSchema>> = {
  apply: open({ kind: words("apply"), objects: Type.Array(object, { minItems: 1, maxItems: 1_000 }), forceConflicts: Type.Optional(Type.Boolean()) }, "server-side apply"),
  delete: open({ kind: words("delete"), objects: Type.Array(ref, { minItems: 1, maxItems: 1_000 }) }),
  scale: open({ kind: words("scale"), object: ref, replicas: Type.Integer({ minimum: 0, maximum: 10_000 }) }),
  restart: open({ kind: words("restart"), object: open(rolled) }),
  undo: open({ kind: words("undo"), object: open({ ...rolled, apiVersion: words("apps/v1") }), toRevision: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "0: the one before the current" })) }),
  cordon: open({ kind: words("cordon"), node, isOn: Type.Boolean() }),
  drain: open({ kind: words("drain"), node, force: Type.Optional(Type.Boolean()), deleteEmptyDir: Type.Optional(Type.Boolean()), gracePeriodMs: orDefault(Type.Integer({ minimum: 0, maximum: 86_400_000 })), timeoutMs: Type.Optional(runMs) }),
  job: open({ kind: words("job"), ...inJob, command: texts }),
  script: open({ kind: words("script"), ...inJob, script: Type.String({ maxLength: 65_536, pattern: "^[^\\u0000]*[^\\u0000\\s][^\\u0000]*$" }), shell: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })), args: Type.Optional(Type.Array(Type.String(word))) }),
  collect: open({ kind: words("collect"), namespaces: Type.Optional(Type.Array(Type.String({ pattern: name63, maxLength: 63 }), { maxItems: 50 })), sinceMs: Type.Optional(Type.Integer({ minimum: 60_000, maximum: 7 * 86_400_000 })) }, "a support bundle"),
};

const key = Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" }));
const order = {
  spec: Type.Unsafe<CommandSpec>(Type.Union(Object.values(SPECS))),
  live: Type.Optional(Type.Boolean({ description: "only for sites that are linked now" })),
  expiresInMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 30 * 86_400_000, description: "it must have started by then; default 7 days" })),
  orderingKey: key,
  collapseKey: key,
  onFailure: Type.Optional(onFailure),
};
export const CommandRequest = open({ site: Type.String({ minLength: 1, maxLength: 63 }), ...order });
export const CommandsRequest = open({ sites: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 63 }), { minItems: 1, maxItems: 10_000 })), selector: Type.Optional(text("as Kubernetes' label selectors")), all: Type.Optional(Type.Boolean()), ...order }, "one of sites, selector and all");

const result = words("created", "configured", "unchanged", "deleted", "failed", "completed");
const CommandOutcome = open({
  state,
  what: text(),
  code: Type.Union([Problem.properties.code, Type.Null()]),
  objects: Type.Array(open({ ref: text(), result, why: text() })),
  log: Type.Optional(open({ text: text("the end of what a Job's pod wrote"), missingOctets: whole("before it"), why: text("why there is none, or empty") })),
  bundle: Type.Optional(text("of collect: JSON, gzip, base64")),
});
const place = open({ n: whole(), of: whole() });
export const CommandView = open({
  apiVersion,
  kind: words("Command"),
  id: text(),
  site: text(),
  what: text(),
  commandKind: words(...(Object.keys(SPECS) as CommandSpec["kind"][])),
  state,
  why: text("why it is not further"),
  operator: text(),
  order: whole(),
  deadline: time,
  asked: time,
  offered: timeOrNull,
  stored: timeOrNull,
  ended: timeOrNull,
  startedAtSite: timeOrNull,
  endedAtSite: timeOrNull,
  cancelAsked: timeOrNull,
  offers: whole("how often it was offered to the site"),
  onFailure,
  retryOf: textOrNull,
  holdsKeys: Type.Boolean(),
  position: Type.Optional(open({ inSite: place, inKey: place, behind: textOrNull })),
  watch: text("?watch=1&since="),
  outcome: Type.Union([CommandOutcome, Type.Null()]),
});
export const CommandResults = open({ apiVersion, kind: words("CommandResults"), total: whole(), accepted: whole(), watch: text("?watch=1&since="), items: Type.Array(Type.Union([open({ site: text(), command: CommandView }), open({ site: text(), problem: Problem })])) });

const siteMembers = {
  apiVersion,
  kind: words("Site"),
  name: text(),
  id: text(),
  labels,
  tier: text(),
  setting: words("relayed", "sealed"),
  link: words("online", "slow", "quiet", "late", "lost", "new", "waiting", "held"),
  state: words("waiting", "active", "denied", "revoked"),
  lastContact: timeOrNull,
  reportMade: timeOrNull,
  reportReceived: timeOrNull,
  openCommands: whole(),
  created: time,
};
export const SiteSummary = open(siteMembers);
const report = open({
  madeAtMs: whole(),
  agentVersion: text(),
  kubernetes: open({ version: textOrNull, reachable: Type.Boolean(), why: textOrNull }),
  nodes: Type.Array(open({ name: text(), ready: Type.Boolean(), why: text(), version: text() })),
  nodesTotal: whole(),
  unwell: Type.Array(open({ kind: text(), namespace: text(), name: text(), why: text() })),
  unwellTotal: whole(),
  workloadsTotal: whole(),
  agent: open({ startedAtMs: whole(), memoryMiB: whole(), freeDiskMiB: whole(), health: Type.Array(open({ id: text(), what: text() })) }),
  queues: open({ commandsOpen: whole(), lettersWaiting: whole(), oldestLetterMs: Type.Union([whole(), Type.Null()]) }),
});
export const SiteDetail = open({
  ...siteMembers,
  agentVersion: textOrNull,
  roundTripMs: Type.Union([Type.Number(), Type.Null()]),
  linkSince: timeOrNull,
  lastLinkEnd: Type.Union([open({ at: time, why: text() }), Type.Null()]),
  liveStreams: whole(),
  report: Type.Union([report, Type.Null()]),
  events: Type.Array(open({ at: time, received: time, kind: text(), what: text() })),
  warnings: Type.Array(text()),
});
export const ApproveRequest = open({ code: text("the match code that the installer reads out"), name: Type.Optional(text()) });

export const JoinTokenRequest = open({ name: Type.Optional(text()), labels: Type.Optional(labels), tier: Type.Optional(text()), ttlMs: Type.Optional(whole()), uses: Type.Optional(whole()), binding: Type.Optional(words("exporter", "none")), urls: Type.Optional(Type.Array(text())) });
export const JoinTokenCreated = open({ kind: words("JoinToken"), id: text(), token: text(), expires: time, uses: whole() });
export const JoinTokenRow = open({ id: text(), name: text(), usesLeft: whole(), expires: time, state: words("revoked", "used", "expired", "held", "good") });

export const LoginRequest = open({ token: text() });
export const LoginAnswer = open({ operator: text(), tier: text(), token: text(), expires: time });
export const WhoAmI = open({ operator: text(), tier: text(), expires: time });
export const OperatorRequest = open({ name: text(), tier: Type.Optional(text()) });
export const OperatorMade = open({ name: text(), tier: text() });
export const OperatorRow = open({ name: text(), tier: text(), created: time, tokens: whole() });
export const OperatorTokenRequest = open({ operator: Type.Optional(text()), ttlMs: Type.Optional(whole()) });
export const OperatorTokenRow = open({ id: text(), operator: text(), purpose: text(), created: time, expires: time });
export const KubeLoginRequest = open({ sites: Type.Optional(Type.Array(text())), ttlMs: Type.Optional(whole()) });
export const KubeLoginAnswer = open({ token: text(), expires: time, sites: Type.Array(text()) });
export const Nothing = open({});

export const RestoredView = open(
  {
    apiVersion,
    kind: words("Restored"),
    sites: Type.Array(open({ site: text(), relayEpoch: whole(), noticed: time, why: text(), isOpen: Type.Boolean({ description: "it has not told yet what it knows" }), blocked: whole("commands on hold"), orphans: whole("ended there, unknown here") })),
    tokens: Type.Array(open({ id: text(), name: text(), expires: time })),
  },
  "What waits for a person after the relay was put back from a copy.",
);

/** A list, and one that comes in pages and can be watched. */
export function listOf<Item extends TSchema>(item: Item): TObject<{ apiVersion: typeof apiVersion; items: ReturnType<typeof Type.Array<Item>> }> {
  return open({ apiVersion, items: Type.Array(item) });
}

export const CommandPage = open({ apiVersion, items: Type.Array(CommandView), next: textOrNull, watch: text("?watch=1&since=") }, "A page may be short, or empty, and still have a next one.");
export type Described<Schema extends TSchema> = Static<Schema>;
