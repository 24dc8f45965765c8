// Reads the schema table once into types, and answers what the rest asks of a schema: the type behind a field, the merge keys of a
// list, and what is wrong with a body (unknown fields, wrong JSON types). Strategic merge, server-side apply, strict validation and
// OpenAPI all use it, so they cannot disagree.
import { schemaTable } from "./schema-table.ts";
import { isTree } from "./tree.ts";

export type FieldType =
  | { readonly kind: "text" | "number" | "flag" | "quantity" | "intOrText" | "time" | "any" }
  | { readonly kind: "map"; readonly of: FieldType }
  /** keys: null = atomic, [] = a set of texts, else the fields that name an item. */
  | { readonly kind: "list"; readonly of: FieldType; readonly keys: readonly string[] | null }
  | { readonly kind: "struct"; readonly name: string };

export interface Field {
  readonly type: FieldType;
  readonly isRequired: boolean;
}

const anyType: FieldType = { kind: "any" };
const scalars: Readonly<Record<string, FieldType>> = {
  s: { kind: "text" },
  i: { kind: "number" },
  b: { kind: "flag" },
  q: { kind: "quantity" },
  p: { kind: "intOrText" },
  t: { kind: "time" },
  any: anyType,
};

function parseType(source: string): FieldType {
  if (source.startsWith("{")) return { kind: "map", of: parseType(source.slice(1, -1)) };
  const listMatch = /^\[(.*)\](@(.*))?$/.exec(source);
  if (listMatch !== null) {
    const keys = listMatch[2] === undefined ? null : listMatch[3] === "" ? [] : listMatch[3]!.split(",");
    return { kind: "list", of: parseType(listMatch[1]!), keys };
  }
  return scalars[source] ?? { kind: "struct", name: source };
}

function parseFields(source: string): ReadonlyMap<string, Field> {
  const fields = new Map<string, Field>();
  for (const word of source.trim().split(/\s+/)) {
    const colon = word.indexOf(":");
    const isRequired = word.endsWith("!");
    fields.set(word.slice(0, colon), { type: parseType(word.slice(colon + 1, isRequired ? -1 : undefined)), isRequired });
  }
  return fields;
}

export const structs: ReadonlyMap<string, ReadonlyMap<string, Field>> = new Map(
  schemaTable
    .trim()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf(":")), parseFields(line.slice(line.indexOf(":") + 1))]),
);

/** The type of a whole object of this kind. Kinds without a row of their own still have typed metadata. */
export function rootType(kind: string, isCustom = false): FieldType {
  return !isCustom && structs.has(kind) ? { kind: "struct", name: kind } : { kind: "struct", name: "" };
}

/** Types that kubesim lists only in part: fields they do not name are allowed. */
const isOpen = (name: string): boolean => name === "" || name === "Status";

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
  const known = type.kind === "struct" && !isOpen(type.name) ? structs.get(type.name) : undefined;
  const found: string[] = [];
  for (const [field, child] of Object.entries(value)) {
    const childPath = path === "" ? field : `${path}.${field}`;
    if (known !== undefined && !known.has(field)) found.push(childPath);
    else found.push(...unknownFields(child, childType(type, field), childPath));
  }
  return found;
}

const goTypes: Readonly<Record<string, string>> = { text: "string", number: "int32", flag: "bool", map: "map[string]string", list: "[]", struct: "struct" };

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
      return typeof value === "string";
    case "number":
      return Number.isInteger(value);
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
