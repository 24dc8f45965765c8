// What a command asks for, judged the same at both ends: by the relay before it accepts, by the agent before it stores, because a signature says who asked and
// not that what was asked makes sense. Names the field that is wrong. Returns only members that it knows. Pure.
import type { CommandBody, CommandSpec, KubeObject, ObjectRef } from "../api.ts";
import { Fault } from "../kit/errors.ts";
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
/** Kinds that have pods of their own to restart. */
const RESTARTABLE: readonly string[] = ["Deployment", "StatefulSet", "DaemonSet"];
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

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

export function parseCommandSpec(spec: unknown): CommandSpec {
  if (typeof spec !== "object" || spec === null) throw invalidField("spec", "it must be an object");
  const record = spec as Record<string, unknown>;
  if (record["kind"] === "apply") return parseApply(record);
  if (record["kind"] === "job") return parseJob(record);
  if (record["kind"] === "delete") return parseDelete(record);
  if (record["kind"] === "scale") return parseScale(record);
  if (record["kind"] === "restart") return parseRestart(record);
  throw new Fault("COMMAND_INVALID", { what: `there is no command kind "${String(record["kind"]).slice(0, 40)}"`, why: `${COMMAND_KIND_NAMES.join(", ")} are known`, hint: "bowline --help" });
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

function parseApply(record: Record<string, unknown>): CommandSpec {
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

function parseDelete({ objects }: Record<string, unknown>): CommandSpec {
  if (!Array.isArray(objects) || objects.length === 0 || objects.length > objectsMax) throw invalidField("spec.objects", `it must be a list of 1 to ${objectsMax} objects`);
  return { kind: "delete", objects: objects.map((value, index) => parseRef(value, `spec.objects[${index}]`)) };
}

function parseScale({ object, replicas }: Record<string, unknown>): CommandSpec {
  if (typeof replicas !== "number" || !Number.isSafeInteger(replicas) || replicas < 0 || replicas > replicasMax) throw invalidField("spec.replicas", `it must be a whole number from 0 to ${replicasMax}`);
  return { kind: "scale", object: parseRef(object, "spec.object"), replicas };
}

function parseRestart({ object }: Record<string, unknown>): CommandSpec {
  const ref = parseRef(object, "spec.object");
  if (!RESTARTABLE.includes(ref.kind)) throw invalidField("spec.object.kind", `${RESTARTABLE.join(", ")} can be restarted`);
  return { kind: "restart", object: ref };
}

function parseJob(record: Record<string, unknown>): CommandSpec {
  const name = requireText(record["name"], "spec.name", jobNameCharsMax);
  if (!LABEL.test(name)) throw invalidField("spec.name", "it must be a DNS label: lower case letters, digits and -");
  const namespace = requireText(record["namespace"] ?? "default", "spec.namespace", 63);
  if (!LABEL.test(namespace)) throw invalidField("spec.namespace", "it must be a DNS label");
  const command = record["command"] ?? [];
  if (!Array.isArray(command) || command.some((word) => typeof word !== "string")) throw invalidField("spec.command", "it must be a list of texts");
  const env = record["env"] ?? {};
  if (typeof env !== "object" || env === null || Object.values(env).some((value) => typeof value !== "string")) throw invalidField("spec.env", "it must be an object of texts");
  const timeoutMs = record["timeoutMs"] ?? runMsDefault;
  if (typeof timeoutMs !== "number" || !Number.isSafeInteger(timeoutMs) || timeoutMs < 1_000 || timeoutMs > runMsMax) throw invalidField("spec.timeoutMs", "it must be from 1 second to 7 days");
  return { kind: "job", name, namespace, image: requireText(record["image"], "spec.image", 512), command: command as string[], env: env as Record<string, string>, timeoutMs };
}

/** An apply has no deadline of its own in the cluster: it may take this long (ms) while the API server is away. A Job's own deadline ends it; the rest is for noticing. */
const applyMs = 3_600_000;
const jobGraceMs = 300_000;

/** How long (ms) a run may take before it is given up. */
export function runMsOf(spec: CommandSpec): number {
  return spec.kind === "job" ? spec.timeoutMs + jobGraceMs : applyMs;
}
