// An OpenAPI v2 document as protobuf (gnostic's openapi.v2.Document), the only form that kubectl asks for at /openapi/v2. Only the
// fields that openapi.ts writes are encoded. Field numbers stand beside the names of the message they belong to.
import { stringify } from "yaml";
import { isTree, list, text, type Tree } from "./tree.ts";

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A length-delimited field: the tag is number << 3 | 2. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

const optional = (number: number, content: string): Buffer => (content === "" ? Buffer.alloc(0) : field(number, content));

/** NamedAny { name = 1; Any value = 2 { yaml = 2 } }: how vendor extensions travel. */
function extensions(tree: Tree, number: number): Buffer[] {
  return Object.entries(tree)
    .filter(([name]) => name.startsWith("x-"))
    .map(([name, value]) => field(number, Buffer.concat([field(1, name), field(2, field(2, stringify(value)))])));
}

/** Schema: _ref 1, format 2, description 4, required 19, additional_properties 21, type 22, items 23, properties 25, extension 31. */
function schema(tree: Tree): Buffer {
  const parts = [optional(1, text(tree, "$ref")), optional(2, text(tree, "format")), optional(4, text(tree, "description"))];
  for (const name of list(tree, "required")) parts.push(field(19, String(name)));
  if (isTree(tree["additionalProperties"])) parts.push(field(21, field(1, schema(tree["additionalProperties"]))));
  if (text(tree, "type") !== "") parts.push(field(22, field(1, text(tree, "type"))));
  if (isTree(tree["items"])) parts.push(field(23, field(1, schema(tree["items"]))));
  if (isTree(tree["properties"])) parts.push(field(25, namedSchemas(tree["properties"])));
  return Buffer.concat([...parts, ...extensions(tree, 31)]);
}

/** Properties and Definitions alike: repeated NamedSchema { name = 1; Schema value = 2 } = 1. */
function namedSchemas(schemas: Tree): Buffer {
  return Buffer.concat(Object.entries(schemas).map(([name, value]) => field(1, Buffer.concat([field(1, name), field(2, schema(isTree(value) ? value : {}))]))));
}

/** ParametersItem.parameter 1 > Parameter.non_body 2 > query_parameter_sub_schema 3 { in 2, name 4, type 6 }. */
const queryParameter = (parameter: unknown): Buffer =>
  field(1, field(2, field(3, Buffer.concat([field(2, text(parameter, "in")), field(4, text(parameter, "name")), field(6, text(parameter, "type"))]))));

/** Operation: description 3, operation_id 5, parameters 8, extension 13. */
function operation(tree: Tree): Buffer {
  const parameters = list(tree, "parameters").map((parameter) => field(8, queryParameter(parameter)));
  return Buffer.concat([optional(3, text(tree, "description")), optional(5, text(tree, "operationId")), ...parameters, ...extensions(tree, 13)]);
}

/** Paths.path 2: NamedPathItem { name = 1; PathItem value = 2 { patch = 8 } }. */
function paths(tree: Tree): Buffer {
  return Buffer.concat(
    Object.entries(tree).map(([path, item]) => {
      const patch = isTree(item) && isTree(item["patch"]) ? field(8, operation(item["patch"])) : Buffer.alloc(0);
      return field(2, Buffer.concat([field(1, path), field(2, patch)]));
    }),
  );
}

/** Document: swagger 1, info 2 { title 1, version 2 }, paths 8, definitions 9. */
export function openapiProto(document: Tree): Buffer {
  const about = Buffer.concat([field(1, text(document, "info", "title")), field(2, text(document, "info", "version"))]);
  const sections = [field(1, text(document, "swagger")), field(2, about), field(8, paths(document["paths"] as Tree)), field(9, namedSchemas(document["definitions"] as Tree))];
  return Buffer.concat(sections);
}
