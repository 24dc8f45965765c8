// Accepts an order for a site: judged here as far as the centre can, stored with its place in the queue, then answered. The answer comes after the
// commit. What is refused is refused whole, with the field that is wrong. delivery.md sections 2 and 3.
import { createHash } from "node:crypto";
import type { CommandRequest, CommandSpec, KubeObject } from "../../shared/api.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { uuidV7 } from "../../shared/kit/random.ts";
import { shown } from "../../shared/kit/shown.ts";
import { envelopeBodyBytesMax } from "../../shared/trust/envelope.ts";
import type { CommandRow, NewCommand } from "../store/commands.ts";
import { unknownSite } from "../store/sites.ts";
import type { RelayStore } from "../store/store.ts";

const dayMs = 86_400_000;
/** Default and greatest time to start: class `write`. trust.md section 2. */
const deadlineMsDefault = 7 * dayMs;
const deadlineMsMax = 30 * dayMs;
const runMsDefault = 3_600_000;
const runMsMax = 7 * dayMs;
const objectsMax = 1_000;

export interface SubmitOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
}

export interface Asked {
  readonly request: CommandRequest;
  readonly operator: { readonly name: string; readonly tier: string };
  readonly idempotencyKey: string | null;
}

export async function submitCommand(options: SubmitOptions, asked: Asked): Promise<CommandRow> {
  const nowMs = options.clock.wallMs();
  const spec = parseSpec(asked.request.spec);
  const expiresInMs = asked.request.expiresInMs ?? deadlineMsDefault;
  if (!Number.isSafeInteger(expiresInMs) || expiresInMs <= 0) throw invalid("expiresInMs", "it must be a whole number of milliseconds above 0");
  if (expiresInMs > deadlineMsMax) throw new Fault("USAGE", { what: "the deadline is too far away", why: `a command may wait ${deadlineMsMax / dayMs} days at most`, hint: "--expires 30d" });
  const body = Buffer.from(JSON.stringify({ operator: asked.operator.name, tier: asked.operator.tier, spec }));
  if (body.length > envelopeBodyBytesMax) throw new Fault("BODY_TOO_LARGE", { what: `the command has ${body.length} octets`, why: `at most ${envelopeBodyBytesMax / 1_048_576} MiB go into one`, hint: "split the manifest into several files" });
  const siteName = requireText(asked.request.site, "site", 63);
  const site = await options.store.call("findSite", { name: siteName });
  if (site === null) throw unknownSite(siteName);
  crashPoint("parsed-before-commit");
  const command: NewCommand = {
    id: commandId(asked, site.id, nowMs),
    siteName,
    kind: spec.kind,
    what: describe(spec),
    orderingKey: spec.kind === "job" ? `job/${spec.namespace}/${spec.name}` : "apply",
    body,
    operator: asked.operator.name,
    deadlineMs: nowMs + expiresInMs,
    nowMs,
    idempotencyKey: asked.idempotencyKey,
    bodyHash: createHash("sha256").update(JSON.stringify(asked.request)).digest("hex"),
  };
  const row = await options.store.call("submitCommand", command);
  crashPoint("commit-before-answer");
  return row;
}

/** From the caller's key and the site's id (a name may come again with another cluster behind it), so that a retry names the same command; else a time-ordered id. */
function commandId(asked: Asked, siteId: string, nowMs: number): string {
  if (asked.idempotencyKey === null) return uuidV7(nowMs);
  const hash = createHash("sha256").update(JSON.stringify([asked.operator.name, asked.idempotencyKey, siteId])).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

function invalid(field: string, why: string): Fault {
  return new Fault("COMMAND_INVALID", { what: `the command's "${field}" is not valid`, why });
}

function requireText(value: unknown, field: string, charsMax: number): string {
  if (typeof value !== "string" || value === "" || value.length > charsMax) throw invalid(field, `it must be a text of 1 to ${charsMax} characters`);
  return value;
}

function parseSpec(spec: unknown): CommandSpec {
  if (typeof spec !== "object" || spec === null) throw invalid("spec", "it must be an object");
  const record = spec as Record<string, unknown>;
  if (record["kind"] === "apply") return parseApply(record);
  if (record["kind"] === "job") return parseJob(record);
  throw new Fault("COMMAND_INVALID", { what: `there is no command kind "${shown(record["kind"], 40)}"`, why: "apply and job are known" });
}

function parseApply(record: Record<string, unknown>): CommandSpec {
  const { objects } = record;
  if (!Array.isArray(objects)) throw invalid("spec.objects", "it must be a list");
  if (objects.length === 0) throw new Fault("MANIFEST_EMPTY", { what: "there is nothing to apply", why: "the manifest holds no object" });
  if (objects.length > objectsMax) throw invalid("spec.objects", `it has ${objects.length} objects, at most ${objectsMax} go into one command`);
  for (const [index, object] of objects.entries()) requireObject(object, index);
  return { kind: "apply", objects: objects as KubeObject[], forceConflicts: record["forceConflicts"] === true };
}

function requireObject(object: unknown, index: number): void {
  const record = object as { apiVersion?: unknown; kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } } | null;
  const at = `spec.objects[${index}]`;
  if (typeof record !== "object" || record === null) throw invalid(at, "it must be an object");
  if (typeof record.apiVersion !== "string" || !/^(?:[a-z0-9.-]+\/)?v[a-z0-9]+$/.test(record.apiVersion)) throw invalid(`${at}.apiVersion`, 'it must be like "v1" or "apps/v1"');
  if (typeof record.kind !== "string" || !/^[A-Za-z][A-Za-z0-9]{0,62}$/.test(record.kind)) throw invalid(`${at}.kind`, "it must name a kind");
  const name = record.metadata?.name;
  if (typeof name !== "string" || name === "" || name.length > 253) throw invalid(`${at}.metadata.name`, "every object needs a name (generateName could not be applied twice)");
}

function parseJob(record: Record<string, unknown>): CommandSpec {
  const name = requireText(record["name"], "spec.name", 50);
  if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) throw invalid("spec.name", "it must be a DNS label: lower case letters, digits and -");
  const command = record["command"] ?? [];
  if (!Array.isArray(command) || command.some((word) => typeof word !== "string")) throw invalid("spec.command", "it must be a list of texts");
  const env = record["env"] ?? {};
  if (typeof env !== "object" || env === null || Object.values(env).some((value) => typeof value !== "string")) throw invalid("spec.env", "it must be an object of texts");
  const timeoutMs = record["timeoutMs"] ?? runMsDefault;
  if (typeof timeoutMs !== "number" || !Number.isSafeInteger(timeoutMs) || timeoutMs < 1_000 || timeoutMs > runMsMax) throw invalid("spec.timeoutMs", "it must be from 1 second to 7 days");
  return { kind: "job", name, namespace: requireText(record["namespace"] ?? "default", "spec.namespace", 63), image: requireText(record["image"], "spec.image", 512), command: command as string[], env: env as Record<string, string>, timeoutMs };
}

function describe(spec: CommandSpec): string {
  if (spec.kind === "job") return `job ${spec.namespace}/${spec.name}`;
  const first = spec.objects[0]!;
  const rest = spec.objects.length - 1;
  return `apply ${first.kind}/${first.metadata.name}${rest === 0 ? "" : ` and ${rest} more`}`.slice(0, 200);
}
