// OpenAPI documents from the schema table: v2 for older clients (JSON here, protobuf in openapi-proto.ts), v3 per group. They carry
// what kubectl looks at: kinds, fields, merge keys, and the dryRun and fieldValidation parameters of PATCH.
import { groupVersionOf, type Kind, type KindRegistry } from "./kinds.ts";
import { schemaTexts } from "./schema-texts.ts";
import { structs, type FieldType } from "./schema.ts";
import { isTree, type Tree } from "./tree.ts";

type Dialect = "v2" | "v3";

const groupPart = (group: string): string => (group === "" ? "core" : group.split(".")[0]!);
const rootName = (kind: Kind): string => (kind.isCustom ? `${kind.group.split(".").reverse().join(".")}.${kind.version}.${kind.kind}` : `io.k8s.api.${groupPart(kind.group)}.${kind.version}.${kind.kind}`);
const innerName = (struct: string): string => (struct === "ObjectMeta" || struct === "OwnerReference" || struct === "LabelSelector" ? `io.k8s.apimachinery.pkg.apis.meta.v1.${struct}` : `io.k8s.api.core.v1.${struct}`);

function reference(struct: string, dialect: Dialect): Tree {
  const pointer = dialect === "v2" ? `#/definitions/${innerName(struct)}` : `#/components/schemas/${innerName(struct)}`;
  return dialect === "v2" ? { $ref: pointer } : { allOf: [{ $ref: pointer }] };
}

function typeSchema(type: FieldType, dialect: Dialect): Tree {
  switch (type.kind) {
    case "text":
      return { type: "string" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "float":
      return { type: "number", format: "double" };
    case "microTime":
    case "quantity":
      return dialect === "v2" ? { type: "string" } : { oneOf: [{ type: "string" }, { type: "number" }] };
    case "time":
      return { type: "string", format: "date-time" };
    case "number":
      return { type: "integer", format: "int32" };
    case "flag":
      return { type: "boolean" };
    case "intOrText":
      return dialect === "v2" ? { type: "string", format: "int-or-string" } : { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] };
    case "any":
      return { type: "object" };
    case "map":
      return { type: "object", additionalProperties: typeSchema(type.of, dialect) };
    case "list":
      return { type: "array", items: typeSchema(type.of, dialect), ...listMarks(type.keys) };
    case "struct":
      return reference(type.name, dialect);
  }
}

function listMarks(keys: readonly string[] | null): Tree {
  if (keys === null) return { "x-kubernetes-list-type": "atomic" };
  if (keys.length === 0) return { "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge" };
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "x-kubernetes-patch-merge-key": keys[0], "x-kubernetes-patch-strategy": "merge" };
}

function structSchema(struct: string, dialect: Dialect): Tree {
  const fields = [...(structs.get(struct) ?? [])];
  const properties = Object.fromEntries(fields.map(([name, field]) => [name, { description: `${name} of the ${struct}.`, ...typeSchema(field.type, dialect) }]));
  const required = fields.filter(([, field]) => field.isRequired).map(([name]) => name);
  return { description: schemaTexts[struct] ?? `${struct} of the Kubernetes API.`, type: "object", properties, ...(required.length > 0 ? { required } : {}) };
}

const groupVersionKind = (kind: Kind): Tree => ({ group: kind.group, kind: kind.kind, version: kind.version });

function customSchema(kind: Kind, dialect: Dialect): Tree {
  const own = isTree(kind.schema) ? kind.schema : { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const properties = { ...(isTree(own["properties"]) ? own["properties"] : {}), apiVersion: { type: "string" }, kind: { type: "string" }, metadata: reference("ObjectMeta", dialect) };
  return { ...own, properties };
}

function rootSchema(kind: Kind, dialect: Dialect): Tree {
  const marks = { "x-kubernetes-group-version-kind": [groupVersionKind(kind)] };
  if (kind.isCustom) return { ...customSchema(kind, dialect), ...marks };
  if (structs.has(kind.kind)) return { ...structSchema(kind.kind, dialect), ...marks };
  // A kind whose fields kubesim does not list: an object not looked into, as a custom resource without a schema is.
  return { description: `${kind.kind} of ${groupVersionOf(kind)}.`, type: "object", "x-kubernetes-preserve-unknown-fields": true, ...marks };
}

/** The struct types that a field leads to, itself included. */
function reached(type: FieldType, into: Set<string>): void {
  if (type.kind === "map" || type.kind === "list") reached(type.of, into);
  if (type.kind !== "struct" || into.has(type.name)) return;
  into.add(type.name);
  for (const field of structs.get(type.name)?.values() ?? []) reached(field.type, into);
}

function definitions(kinds: readonly Kind[], dialect: Dialect): Tree {
  const inner = new Set<string>(["ObjectMeta", "OwnerReference", "ManagedFieldsEntry"]);
  for (const kind of kinds) for (const field of structs.get(kind.isCustom ? "" : kind.kind)?.values() ?? []) reached(field.type, inner);
  return Object.fromEntries([...[...inner].map((name) => [innerName(name), structSchema(name, dialect)] as const), ...kinds.map((kind) => [rootName(kind), rootSchema(kind, dialect)] as const)]);
}

const patchParameters = ["dryRun", "fieldManager", "fieldValidation", "force"] as const;

function pathOf(kind: Kind): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  return `${root}${kind.namespaced ? "/namespaces/{namespace}" : ""}/${kind.plural}/{name}`;
}

function patchOperation(kind: Kind, dialect: Dialect): Tree {
  const parameters = patchParameters.map((name) => ({ name, in: "query", ...(dialect === "v2" ? { type: "string", uniqueItems: true } : { schema: { type: "string", uniqueItems: true } }) }));
  return { description: `partially update the specified ${kind.kind}`, operationId: `patch${kind.kind}`, parameters, responses: { 200: { description: "OK" } }, "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": groupVersionKind(kind) };
}

export function openapiV2(kinds: KindRegistry, version: string): Tree {
  const all = kinds.all();
  const paths = Object.fromEntries(all.map((kind) => [pathOf(kind), { patch: patchOperation(kind, "v2") }]));
  return { swagger: "2.0", info: { title: "Kubernetes", version }, paths, definitions: definitions(all, "v2") };
}

const groupPath = (kind: Kind): string => (kind.group === "" ? `api/${kind.version}` : `apis/${kind.group}/${kind.version}`);

/** The hash in an address changes with the content, as clients that cache by it expect. */
export function openapiV3Index(kinds: KindRegistry): Tree {
  const paths: Tree = {};
  for (const path of new Set(kinds.all().map(groupPath))) {
    const names = kinds.all().filter((kind) => groupPath(kind) === path).map((kind) => kind.kind);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${Buffer.from(names.join()).toString("hex").slice(-32)}` };
  }
  return { paths };
}

export function openapiV3(kinds: KindRegistry, path: string, version: string): Tree | null {
  const mine = kinds.all().filter((kind) => groupPath(kind) === path);
  if (mine.length === 0) return null;
  const paths = Object.fromEntries(mine.map((kind) => [`${pathOf(kind)}`, { patch: patchOperation(kind, "v3") }]));
  return { openapi: "3.0.0", info: { title: "Kubernetes", version }, paths, components: { schemas: definitions(mine, "v3") } };
}
