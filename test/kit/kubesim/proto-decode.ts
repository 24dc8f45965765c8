// Kubernetes' protobuf bodies as JSON objects: newer kubectl sends its `create` commands in this form. The envelope is `k8s\0` and a
// runtime.Unknown { typeMeta = 1 { apiVersion = 1, kind = 2 }, raw = 2 }; the rest follows the numbers of the schema tables. Answers
// always leave as JSON, which every client takes.
import { messages, type Field, type FieldType } from "./schema.ts";
import { badRequest } from "./status.ts";
import { isTree, timeText, type Tree } from "./tree.ts";

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

interface Wire {
  readonly number: number;
  /** A varint or fixed number, or the bytes of a length-delimited field. */
  readonly value: number | Buffer;
}

/** The fields of one message. Numbers beyond 2^53 lose precision; no field here has them. */
function* wires(bytes: Buffer): Generator<Wire> {
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined || shift > 63n) throw badRequest("the protobuf body is cut short");
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    const form = tag & 7;
    if (form === 0) yield { number, value: varint() };
    else if (form === 1) {
      yield { number, value: bytes.readDoubleLE(at) };
      at += 8;
    } else if (form === 2) {
      const length = varint();
      if (at + length > bytes.length) throw badRequest("the protobuf body is cut short");
      yield { number, value: bytes.subarray(at, at + length) };
      at += length;
    } else throw badRequest(`the protobuf body has wire type ${form}`);
  }
}

const bytesOf = (value: number | Buffer): Buffer => (typeof value === "number" ? Buffer.alloc(0) : value);
const inside = (value: number | Buffer, number: number): number | Buffer | undefined => [...wires(bytesOf(value))].findLast((wire) => wire.number === number)?.value;

function decodedTime(value: number | Buffer, isMicro: boolean): string | null {
  const seconds = Number(inside(value, 1) ?? 0);
  const nanos = Number(inside(value, 2) ?? 0);
  // Go's zero time, the year 1, travels as an empty message.
  if (bytesOf(value).length === 0) return null;
  if (!isMicro) return timeText(seconds * 1000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z`;
}

function decodedIntOrText(value: number | Buffer): unknown {
  const isText = inside(value, 1) === 1;
  return isText ? bytesOf(inside(value, 3) ?? 0).toString("utf8") : Number(inside(value, 2) ?? 0);
}

function decodedRaw(value: number | Buffer): unknown {
  const raw = inside(value, 1);
  return Buffer.isBuffer(raw) && raw.length > 0 ? JSON.parse(raw.toString("utf8")) : undefined;
}

function decodedValue(value: number | Buffer, type: FieldType): unknown {
  switch (type.kind) {
    case "text":
      return bytesOf(value).toString("utf8");
    case "bytes":
      return bytesOf(value).toString("base64");
    case "number":
    case "float":
      return typeof value === "number" ? value : 0;
    case "flag":
      return value === 1;
    case "quantity":
      return bytesOf(inside(value, 1) ?? 0).toString("utf8");
    case "intOrText":
      return decodedIntOrText(value);
    case "time":
    case "microTime":
      return decodedTime(value, type.kind === "microTime");
    case "any":
      return decodedRaw(value);
    case "struct":
      return decodedMessage(bytesOf(value), type.name);
    case "list":
    case "map":
      return undefined;
  }
}

/** What JSON leaves out: the zero of a field that is no pointer. */
const isZero = (value: unknown, field: Field): boolean =>
  value === undefined || value === null || (!field.isPointer && (value === "" || value === 0 || value === false)) || (isTree(value) && !field.isPointer && !field.isRequired && field.name !== "emptyDir" && Object.keys(value).length === 0);

function decodedMessage(bytes: Buffer, name: string): Tree {
  const fields = messages.get(name) ?? [];
  const result: Tree = {};
  for (const { number, value } of wires(bytes)) {
    const field = fields.find((each) => each.number === number && number !== 0);
    if (field === undefined) continue;
    if (field.name === "^") Object.assign(result, decodedValue(value, field.type));
    else if (field.type.kind === "list") result[field.name] = [...((result[field.name] ?? []) as unknown[]), decodedValue(value, field.type.of)];
    else if (field.type.kind === "map") {
      const key = bytesOf(inside(value, 1) ?? 0).toString("utf8");
      result[field.name] = { ...(result[field.name] as Tree | undefined), [key]: decodedValue(inside(value, 2) ?? Buffer.alloc(0), field.type.of) };
    } else {
      const decoded = decodedValue(value, field.type);
      if (!isZero(decoded, field)) result[field.name] = decoded;
    }
  }
  return result;
}

export function decodeProtobuf(body: Buffer): Tree {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  const envelope = body.subarray(4);
  const typeMeta = inside(envelope, 1) ?? Buffer.alloc(0);
  const apiVersion = bytesOf(inside(typeMeta, 1) ?? 0).toString("utf8");
  const kind = bytesOf(inside(typeMeta, 2) ?? 0).toString("utf8");
  if (!messages.has(kind)) throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}" in protobuf`);
  return { apiVersion, kind, ...decodedMessage(bytesOf(inside(envelope, 2) ?? 0), kind) };
}
