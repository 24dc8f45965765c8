// Reads the schema tables once into types, and answers what the rest asks of a schema: the type behind a field, the merge keys of a
// list, and what is wrong with a body (unknown fields, wrong JSON types). Strategic merge, server-side apply, strict validation,
// OpenAPI and the protobuf decoder all use it, so they cannot disagree.
import { coreSchema } from "./schema-core.ts";
import { groupSchema } from "./schema-groups.ts";
import { isTree } from "./tree.ts";

export type FieldType =
  | { readonly kind: "text" | "number" | "float" | "flag" | "bytes" | "quantity" | "intOrText" | "time" | "microTime" | "any" }
  | { readonly kind: "map"; readonly of: FieldType }
  /** keys: null = atomic, [] = a set of texts, else the fields that name an item. */
  | { readonly kind: "list"; readonly of: FieldType; readonly keys: readonly string[] | null }
  | { readonly kind: "struct"; readonly name: string };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly isRequired: boolean;
  /** Zero is a value of its own, not the absence of one. */
  readonly isPointer: boolean;
  /** Protobuf field number; 0 for fields that do not travel in protobuf. */
  readonly number: number;
}

const anyType: FieldType = { kind: "any" };
const scalars: Readonly<Record<string, FieldType>> = {
  s: { kind: "text" },
  i: { kind: "number" },
  f: { kind: "float" },
  b: { kind: "flag" },
  y: { kind: "bytes" },
  q: { kind: "quantity" },
  p: { kind: "intOrText" },
  t: { kind: "time" },
  u: { kind: "microTime" },
  raw: anyType,
};

function parseType(source: string, keys: readonly string[] | null): FieldType {
  if (source.startsWith("{")) return { kind: "map", of: parseType(source.slice(1, -1), null) };
  if (source.startsWith("[")) return { kind: "list", of: parseType(source.slice(1, -1), null), keys };
  return scalars[source] ?? { kind: "struct", name: source };
}

function parseField(word: string): Field {
  const match = /^([\w^]+):([^@*!#]+)(@([\w,]*))?(\*)?(!)?(?:#(\d+))?$/.exec(word);
  if (match === null) throw new TypeError(`the schema table cannot be read at ${word}`);
  const keys = match[3] === undefined ? null : match[4] === "" ? [] : match[4]!.split(",");
  return { name: match[1]!, type: parseType(match[2]!, keys), isPointer: match[5] !== undefined, isRequired: match[6] !== undefined, number: Number(match[7] ?? 0) };
}

/** Messages as they travel: inlined ones stand as a field named ^. */
export const messages: ReadonlyMap<string, readonly Field[]> = new Map(
  `${coreSchema.trim()}\n${groupSchema.trim()}`.split("\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim().split(" ").filter((word) => word !== "").map(parseField)];
  }),
);

function flattened(fields: readonly Field[]): Field[] {
  return fields.flatMap((field) => (field.name === "^" && field.type.kind === "struct" ? flattened(messages.get(field.type.name) ?? []) : [field]));
}

/** Messages as JSON shows them: the fields of inlined ones in their place. */
export const structs: ReadonlyMap<string, ReadonlyMap<string, Field>> = new Map([...messages].map(([name, fields]) => [name, new Map(flattened(fields).map((field) => [field.name, field]))]));

/** The type of a whole object of this kind. Kinds without a row of their own still have typed metadata. */
export function rootType(kind: string, isCustom = false): FieldType {
  return !isCustom && structs.has(kind) ? { kind: "struct", name: kind } : { kind: "struct", name: "" };
}

export function childType(parent: FieldType, field: string): FieldType {
  if (parent.kind === "map") return parent.of;
  if (parent.kind !== "struct") return anyType;
  if (parent.name === "") return field === "metadata" ? { kind: "struct", name: "ObjectMeta" } : anyType;
  return structs.get(parent.name)?.get(field)?.type ?? anyType;
}

/** The merge keys of the list at `type`; null when the list is replaced as a whole. */
export function listKeys(type: FieldType): readonly string[] | null {
  return type.kind === "list" ? type.keys : null;
}

export const itemType = (type: FieldType): FieldType => (type.kind === "list" ? type.of : anyType);

/** Paths of fields that the schema does not know, as strict field validation names them. */
export function unknownFields(value: unknown, type: FieldType, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => unknownFields(item, itemType(type), `${path}[${index}]`));
  if (!isTree(value)) return [];
  const known = type.kind === "struct" && type.name !== "" ? structs.get(type.name) : undefined;
  const found: string[] = [];
  for (const [field, child] of Object.entries(value)) {
    const childPath = path === "" ? field : `${path}.${field}`;
    if (known !== undefined && !known.has(field)) found.push(childPath);
    else found.push(...unknownFields(child, childType(type, field), childPath));
  }
  return found;
}

const goTypes: Readonly<Record<string, string>> = { text: "string", number: "int32", float: "float64", bytes: "[]uint8", time: "v1.Time", flag: "bool", map: "map[string]string", list: "[]", struct: "struct" };

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}

function fits(value: unknown, type: FieldType): boolean {
  if (value === null || value === undefined) return true;
  switch (type.kind) {
    case "text":
    case "time":
    case "microTime":
    case "bytes":
      return typeof value === "string";
    case "number":
      return Number.isInteger(value);
    case "float":
      return typeof value === "number";
    case "flag":
      return typeof value === "boolean";
    case "quantity":
    case "intOrText":
      return typeof value === "string" || typeof value === "number";
    case "list":
      return Array.isArray(value);
    case "map":
    case "struct":
      return isTree(value);
    case "any":
      return true;
  }
}

/** The first value whose JSON type is not the schema's, in the words of Go's decoder; null when all fit. */
export function typeMistake(value: unknown, type: FieldType, owner = "", path = ""): string | null {
  if (!fits(value, type)) {
    const wanted = type.kind === "struct" ? `v1.${type.name}` : (goTypes[type.kind] ?? type.kind);
    return `json: cannot unmarshal ${jsonKind(value)} into Go struct field ${owner}.${path} of type ${wanted}`;
  }
  const nextOwner = type.kind === "struct" && type.name !== "" ? type.name : owner;
  if (Array.isArray(value)) {
    for (const item of value) {
      const mistake = typeMistake(item, itemType(type), nextOwner, path);
      if (mistake !== null) return mistake;
    }
  } else if (isTree(value)) {
    for (const [field, child] of Object.entries(value)) {
      const mistake = typeMistake(child, childType(type, field), nextOwner, path === "" ? field : `${path}.${field}`);
      if (mistake !== null) return mistake;
    }
  }
  return null;
}
