// The form an answer takes, by the Accept header: the object itself, a Table for people, or its metadata alone; JSON or YAML.
// Protobuf is not spoken; clients list JSON behind it and get that.
import { stringify } from "yaml";
import { partialMetadata, versioned } from "./forms.ts";
import type { Kind } from "./kinds.ts";
import { StatusError } from "./status.ts";
import { tableOf } from "./tables.ts";
import { without, type KubeObject, type Tree } from "./tree.ts";

export interface Format {
  readonly as: "object" | "table" | "metadata";
  /** v1 or v1beta1, of meta.k8s.io. */
  readonly metaVersion: string;
  readonly media: "application/json" | "application/yaml";
  /** Whether a Table's rows carry metadata, the whole object, or nothing. */
  readonly includeObject: "Metadata" | "Object" | "None";
}

export const plainFormat: Format = { as: "object", metaVersion: "v1", media: "application/json", includeObject: "Metadata" };

export function formatOf(accept: string | undefined, query: URLSearchParams): Format {
  if (accept === undefined || accept.trim() === "") return plainFormat;
  const include = query.get("includeObject");
  const includeObject = include === "Object" || include === "None" ? include : "Metadata";
  for (const clause of accept.split(",")) {
    const [type = "", ...parameters] = clause.split(";").map((part) => part.trim());
    const parameter = (name: string): string => parameters.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    const media = type === "application/yaml" ? "application/yaml" : ["application/json", "application/*", "*/*"].includes(type) ? "application/json" : null;
    if (media === null) continue;
    const as = parameter("as");
    if (as === "") return { as: "object", metaVersion: "v1", media, includeObject };
    if (parameter("g") !== "meta.k8s.io" || !["v1", "v1beta1"].includes(parameter("v"))) continue;
    if (as === "Table") return { as: "table", metaVersion: parameter("v"), media, includeObject };
    if (as.startsWith("PartialObjectMetadata")) return { as: "metadata", metaVersion: parameter("v"), media, includeObject };
  }
  throw new StatusError(406, "only the following media types are accepted: application/json, application/yaml, application/json;as=Table;v=v1;g=meta.k8s.io");
}

/** One object in the asked form (also the object of a watch event). */
export function presented(kind: Kind, object: KubeObject, format: Format, nowMs: number): Tree {
  if (format.as === "table") return tableOf(kind, [object], format, nowMs, { resourceVersion: object.metadata.resourceVersion });
  if (format.as === "metadata") return partialMetadata(object, format.metaVersion);
  return versioned(kind, object);
}

export function listItem(kind: Kind, object: KubeObject, format: Format): Tree {
  if (format.as === "metadata") return partialMetadata(object, format.metaVersion);
  const whole = versioned(kind, object);
  // Items of built-in lists carry no kind of their own, as in the real API.
  return kind.isCustom ? whole : without(whole, "kind", "apiVersion");
}

export function encoded(value: unknown, format: Format): string {
  return format.media === "application/yaml" ? stringify(value) : `${JSON.stringify(value)}\n`;
}
