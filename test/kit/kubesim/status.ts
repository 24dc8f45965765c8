// Refusals in Kubernetes' own words: a Status object with the code, reason and details that kubectl, helm and client-go look at.
// Thrown as StatusError anywhere below the server, which writes it. The sentences are the real API server's.
import type { Tree } from "./tree.ts";

const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** The name of a resource type as messages say it: `pods` or `deployments.apps`. */
interface ResourceName {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

const qualifiedName = (resource: Pick<ResourceName, "group" | "plural">): string =>
  resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;

export interface Cause extends Tree {
  reason: string;
  message: string;
  field?: string;
}

export function statusOf(code: number, message: string, details?: Tree, reason = reasons[code] ?? "Unknown"): Tree {
  const status: Tree = { kind: "Status", apiVersion: "v1", metadata: {}, status: code < 400 ? "Success" : "Failure", message, reason };
  if (details !== undefined) status["details"] = details;
  status["code"] = code;
  return status;
}

export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;
  readonly status: Tree;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: number, message: string, parts: { details?: Tree; reason?: string; headers?: Record<string, string> } = {}) {
    super(message);
    this.code = code;
    this.status = statusOf(code, message, parts.details, parts.reason);
    this.headers = parts.headers ?? {};
  }
}

const detailsOf = (resource: ResourceName, name: string): Tree => ({ name, ...(resource.group === "" ? {} : { group: resource.group }), kind: resource.plural });

export const notFound = (resource: ResourceName, name: string): StatusError =>
  new StatusError(404, `${qualifiedName(resource)} "${name}" not found`, { details: detailsOf(resource, name) });

/** What an API server says about a path it does not serve at all. */
export const noSuchPath = (): StatusError => new StatusError(404, "the server could not find the requested resource", { details: {} });

export const alreadyExists = (resource: ResourceName, name: string): StatusError =>
  new StatusError(409, `${qualifiedName(resource)} "${name}" already exists`, { details: detailsOf(resource, name), reason: "AlreadyExists" });

export const conflict = (resource: ResourceName, name: string, why: string): StatusError =>
  new StatusError(409, `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${why}`, { details: detailsOf(resource, name) });

export const badRequest = (message: string): StatusError => new StatusError(400, message);

export const gone = (message: string): StatusError => new StatusError(410, message);

export const unsupportedMedia = (accepted: readonly string[]): StatusError =>
  new StatusError(415, `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`);

export function methodNotAllowed(): StatusError {
  return new StatusError(405, "the server does not allow this method on the requested resource", { details: {} });
}

export function invalid(resource: ResourceName, name: string, causes: readonly Cause[]): StatusError {
  const sentences = causes.map((cause) => `${cause.field ?? ""}: ${cause.message}`);
  const summary = sentences.length === 1 ? sentences[0]! : `[${sentences.join(", ")}]`;
  const qualifiedKind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  const details: Tree = { ...detailsOf(resource, name), kind: resource.kind, causes };
  return new StatusError(422, `${qualifiedKind} "${name}" is invalid: ${summary}`, { details });
}

export const required = (field: string): Cause => ({ reason: "FieldValueRequired", message: "Required value", field });

export function forbiddenValue(field: string, why: string): Cause {
  return { reason: "FieldValueForbidden", message: `Forbidden: ${why}`, field };
}

export function invalidValue(field: string, value: unknown, why: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}
