// What a command asks for, judged the same at both ends: by the relay before it accepts, by the agent before it stores, because a signature says who asked and
// not that what was asked makes sense. Names the field that is wrong. Returns only members that it knows. Pure.
import type { CommandBody, CommandSpec, KubeObject, ObjectRef } from "../api.ts";
import { Fault } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";
import { COMMAND_KIND_NAMES, findCommandKind } from "./command-kinds.ts";
import { OPERATOR_NAME, operatorCharsMax, operatorNameRule } from "./operator-name.ts";
import { orderingKeyCharsMax } from "./ordering.ts";

const runMsDefault = 3_600_000;
const runMsMax = 7 * 86_400_000;
const objectsMax = 1_000;
/** A Job's name has at most 63 characters, 13 of them ours. */
const jobNameCharsMax = 50;
/** A typing error must not order a million pods. */
export const replicasMax = 10_000;
/** Octets of a script. Linux takes 128 KiB in one word of a command line; what is longer belongs into an image. */
export const scriptOctetsMax = 65_536;
/** A bundle's namespaces and the time (ms) that it looks back: events live an hour in most clusters. */
const collectNamespacesMax = 50;
export const collectSinceMs = { least: 60_000, most: 7 * 86_400_000, byDefault: 3_600_000 } as const;
/** A pod that wants longer (ms) to end than this is not waited for by any drain. */
export const gracePeriodMsMax = 86_400_000;
/** Kinds that have pods of their own to restart, and revisions of them to go back to. */
const ROLLED: readonly string[] = ["Deployment", "StatefulSet", "DaemonSet"];
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;

export function invalidField(field: string, why: string): Fault {
  return new Fault("COMMAND_INVALID", { what: `the command's "${field}" is not valid`, why, hint: `mend "${field}" and give the order again; nothing of it was taken` });
}

export function requireText(value: unknown, field: string, charsMax: number): string {
  if (typeof value !== "string" || value === "" || value.length > charsMax) throw invalidField(field, `it must be a text of 1 to ${charsMax} characters`);
  return value;
}

/** A key that people choose: it is shown in lists, so it must be printable. */
export function requireKey(value: unknown, field: string): string {
  const text = requireText(value, field, orderingKeyCharsMax);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw invalidField(field, "it holds a control character");
  return text;
}

type Spec<Kind extends CommandSpec["kind"]> = Extract<CommandSpec, { kind: Kind }>;
type Fields = Readonly<Record<string, unknown>>;

const PARSERS: { readonly [Kind in CommandSpec["kind"]]: (fields: Fields) => Spec<Kind> } = {
  apply: parseApply,
  delete: parseDelete,
  scale: parseScale,
  restart: ({ object }) => ({ kind: "restart", object: parseRolled(object, "restarted") }),
  undo: parseUndo,
  cordon: ({ node, isOn }) => ({ kind: "cordon", node: requireNode(node), isOn: requireClaim(isOn, "spec.isOn") }),
  drain: parseDrain,
  job: (fields) => ({ kind: "job", ...parseJobParts(fields), command: requireTexts(fields["command"], "spec.command") }),
  script: parseScript,
  collect: parseCollect,
};

export function parseCommandSpec(spec: unknown): CommandSpec {
  if (typeof spec !== "object" || spec === null) throw invalidField("spec", "it must be an object");
  const fields = spec as Fields;
  const { kind } = fields;
  if (typeof kind === "string" && Object.hasOwn(PARSERS, kind)) return PARSERS[kind as CommandSpec["kind"]](fields);
  throw new Fault("COMMAND_INVALID", { what: `there is no command kind "${shown(kind, 40)}"`, why: `${COMMAND_KIND_NAMES.join(", ")} are known`, hint: "bowline --help" });
}

/** What a command's envelope holds. `cls`: the class in the signed header, which must be the kind's own: a key that may only read must not sign a write. */
export function parseCommandBody(value: unknown, cls: string): CommandBody {
  if (typeof value !== "object" || value === null) throw invalidField("body", "it must be an object");
  const record = value as Record<string, unknown>;
  const operator = requireText(record["operator"], "operator", operatorCharsMax);
  if (!OPERATOR_NAME.test(operator)) throw invalidField("operator", operatorNameRule);
  const spec = parseCommandSpec(record["spec"]);
  const kind = findCommandKind(spec.kind)!;
  if (kind.cls !== cls) throw new Fault("POLICY_REFUSED", { what: `a command ${spec.kind} signed as ${cls.slice(0, 16)}`, why: `its class is ${kind.cls}`, hint: "a key signs only what it may: give the order through the relay, or sign it with its class" });
  const orderingKey = record["orderingKey"];
  return { operator, tier: requireText(record["tier"], "tier", 64), spec, ...(orderingKey === undefined ? {} : { orderingKey: requireKey(orderingKey, "orderingKey") }) };
}

function parseApply(record: Fields): Spec<"apply"> {
  const { objects } = record;
  if (!Array.isArray(objects)) throw invalidField("spec.objects", "it must be a list");
  if (objects.length === 0) throw new Fault("MANIFEST_EMPTY", { what: "there is nothing to apply", why: "the manifest holds no object", hint: "an object has apiVersion, kind and metadata.name" });
  if (objects.length > objectsMax) throw invalidField("spec.objects", `it has ${objects.length} objects, at most ${objectsMax} go into one command`);
  for (const [index, object] of objects.entries()) requireObject(object, index);
  return { kind: "apply", objects: objects as KubeObject[], forceConflicts: record["forceConflicts"] === true };
}

function requireObject(object: unknown, index: number): void {
  const record = object as { apiVersion?: unknown; kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } } | null;
  const at = `spec.objects[${index}]`;
  if (typeof record !== "object" || record === null) throw invalidField(at, "it must be an object");
  requireRef({ apiVersion: record.apiVersion, kind: record.kind, name: record.metadata?.name, namespace: record.metadata?.namespace }, at, `${at}.metadata`);
}

/** `at` and `named`: where kind and name stand. */
function requireRef(ref: Readonly<Record<keyof ObjectRef, unknown>>, at: string, named: string): ObjectRef {
  const { apiVersion, kind, name, namespace } = ref;
  if (typeof apiVersion !== "string" || !/^(?:[a-z0-9.-]+\/)?v[a-z0-9]+$/.test(apiVersion)) throw invalidField(`${at}.apiVersion`, 'it must be like "v1" or "apps/v1"');
  if (typeof kind !== "string" || !/^[A-Za-z][A-Za-z0-9]{0,62}$/.test(kind)) throw invalidField(`${at}.kind`, "it must name a kind");
  if (typeof name !== "string" || name === "" || name.length > 253) throw invalidField(`${named}.name`, "every object needs a name (generateName could not be applied twice)");
  if (namespace !== undefined && (typeof namespace !== "string" || namespace.length > 63 || !LABEL.test(namespace))) throw invalidField(`${named}.namespace`, "it must be a DNS label");
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

function parseRef(value: unknown, at: string): ObjectRef {
  if (typeof value !== "object" || value === null) throw invalidField(at, "it must be an object with apiVersion, kind and name");
  const record = value as Record<string, unknown>;
  return requireRef({ apiVersion: record["apiVersion"], kind: record["kind"], name: record["name"], namespace: record["namespace"] }, at, at);
}

function parseDelete({ objects }: Fields): Spec<"delete"> {
  if (!Array.isArray(objects) || objects.length === 0 || objects.length > objectsMax) throw invalidField("spec.objects", `it must be a list of 1 to ${objectsMax} objects`);
  return { kind: "delete", objects: objects.map((value, index) => parseRef(value, `spec.objects[${index}]`)) };
}

function parseScale({ object, replicas }: Fields): Spec<"scale"> {
  return { kind: "scale", object: parseRef(object, "spec.object"), replicas: requireWhole(replicas, "spec.replicas", [0, replicasMax]) };
}

function parseRolled(object: unknown, done: string): ObjectRef {
  const ref = parseRef(object, "spec.object");
  if (!ROLLED.includes(ref.kind)) throw invalidField("spec.object.kind", `${ROLLED.join(", ")} can be ${done}`);
  return ref;
}

function parseUndo({ object, toRevision = 0 }: Fields): Spec<"undo"> {
  const ref = parseRolled(object, "rolled back");
  if (ref.apiVersion !== "apps/v1") throw invalidField("spec.object.apiVersion", 'it must be "apps/v1": there the revisions are');
  return { kind: "undo", object: ref, toRevision: requireWhole(toRevision, "spec.toRevision", [0, Number.MAX_SAFE_INTEGER]) };
}

function parseDrain({ node, force = false, deleteEmptyDir = false, gracePeriodMs = null, timeoutMs = runMsDefault }: Fields): Spec<"drain"> {
  return {
    kind: "drain",
    node: requireNode(node),
    force: requireClaim(force, "spec.force"),
    deleteEmptyDir: requireClaim(deleteEmptyDir, "spec.deleteEmptyDir"),
    gracePeriodMs: gracePeriodMs === null ? null : requireWhole(gracePeriodMs, "spec.gracePeriodMs", [0, gracePeriodMsMax]),
    timeoutMs: requireRunMs(timeoutMs),
  };
}

function parseJobParts(fields: Fields): Pick<Spec<"job">, "name" | "namespace" | "image" | "env" | "timeoutMs"> {
  const name = requireText(fields["name"], "spec.name", jobNameCharsMax);
  if (!LABEL.test(name)) throw invalidField("spec.name", "it must be a DNS label: lower case letters, digits and -");
  const env = fields["env"] ?? {};
  if (typeof env !== "object" || env === null || Object.values(env).some((value) => typeof value !== "string")) throw invalidField("spec.env", "it must be an object of texts");
  return { name, namespace: requireNamespace(fields["namespace"] ?? "default", "spec.namespace"), image: requireText(fields["image"], "spec.image", 512), env: env as Record<string, string>, timeoutMs: requireRunMs(fields["timeoutMs"] ?? runMsDefault) };
}

function parseScript(fields: Fields): Spec<"script"> {
  const { script, shell = "/bin/sh" } = fields;
  if (typeof script !== "string" || script.trim() === "") throw invalidField("spec.script", "it must be a text that is not empty");
  const octets = new TextEncoder().encode(script).length;
  if (octets > scriptOctetsMax) throw invalidField("spec.script", `it has ${octets} octets, at most ${scriptOctetsMax} go into one command; put what is longer into the image`);
  const args = requireTexts(fields["args"], "spec.args");
  if ([script, ...args].some((text) => text.includes("\0"))) throw invalidField("spec.script", "neither a script nor its arguments can hold a NUL: they are words of a command line");
  return { kind: "script", ...parseJobParts(fields), script, shell: requireText(shell, "spec.shell", 256), args };
}

function parseCollect({ namespaces = [], sinceMs = collectSinceMs.byDefault }: Fields): Spec<"collect"> {
  if (!Array.isArray(namespaces) || namespaces.length > collectNamespacesMax) throw invalidField("spec.namespaces", `it must be a list of at most ${collectNamespacesMax} namespaces; none stands for all of them`);
  const named = namespaces.map((name, index) => requireNamespace(name, `spec.namespaces[${index}]`));
  if (typeof sinceMs !== "number" || !Number.isSafeInteger(sinceMs) || sinceMs < collectSinceMs.least || sinceMs > collectSinceMs.most) throw invalidField("spec.sinceMs", "it must be from 1 minute to 7 days");
  return { kind: "collect", namespaces: [...new Set(named)], sinceMs };
}

function requireNamespace(value: unknown, field: string): string {
  const namespace = requireText(value, field, 63);
  if (!LABEL.test(namespace)) throw invalidField(field, "it must be a DNS label");
  return namespace;
}

function requireNode(value: unknown): string {
  const node = requireText(value, "spec.node", 253);
  if (!SUBDOMAIN.test(node)) throw invalidField("spec.node", "it must be a node's name: lower case letters, digits, - and .");
  return node;
}

function requireClaim(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw invalidField(field, "it must be true or false");
  return value;
}

function requireWhole(value: unknown, field: string, [least, most]: readonly [number, number]): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) throw invalidField(field, `it must be a whole number from ${least} to ${most}`);
  return value;
}

function requireTexts(value: unknown, field: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.some((word) => typeof word !== "string")) throw invalidField(field, "it must be a list of texts");
  return value as string[];
}

function requireRunMs(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1_000 || value > runMsMax) throw invalidField("spec.timeoutMs", "it must be from 1 second to 7 days");
  return value;
}

/** An apply has no deadline of its own in the cluster: it may take this long (ms) while the API server is away. A Job's own deadline ends it; the rest is for noticing. */
const applyMs = 3_600_000;
const endGraceMs = 300_000;
/** Lists and logs of a cluster that is not well, for somebody who waits. */
const collectMs = 900_000;

/** How long (ms) a run may take before it is given up. */
export function runMsOf(spec: CommandSpec): number {
  if (spec.kind === "collect") return collectMs;
  return spec.kind === "job" || spec.kind === "script" || spec.kind === "drain" ? spec.timeoutMs + endGraceMs : applyMs;
}
