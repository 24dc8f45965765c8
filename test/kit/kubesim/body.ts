// Reading request bodies: bounded, decoded by their media type. Refuses what the API server refuses: too large (413), unreadable
// (400), of a type it does not know (415).
import { parseAllDocuments, parse as parseYaml } from "yaml";
import { decodeProtobuf } from "./proto-decode.ts";
import type { Exchange } from "./reply.ts";
import { badRequest, StatusError, unsupportedMedia } from "./status.ts";
import { isTree, type Tree } from "./tree.ts";

export async function readBody(exchange: Exchange, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const tooLarge = (): StatusError => new StatusError(413, `Request entity too large: limit is ${bytesMax}`);
  if (Number(exchange.request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge();
  for await (const chunk of exchange.request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function mediaType(exchange: Exchange): string {
  return (exchange.request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
}

function parsed(source: string, isYaml: boolean): unknown {
  try {
    if (!isYaml) return JSON.parse(source);
    const documents = parseAllDocuments(source);
    if (documents.length > 1) throw new Error("yaml: more than one document");
    // Older YAML readers take yes and no for flags; the API server's does not, and neither does this one.
    return parseYaml(source);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

const protobuf = "application/vnd.kubernetes.protobuf";
const objectTypes = ["application/json", "application/yaml", protobuf];

/** A whole object as POST and PUT bring it. */
export async function readObject(exchange: Exchange, bytesMax: number): Promise<Tree> {
  const type = mediaType(exchange);
  if (type !== "" && !objectTypes.includes(type)) throw unsupportedMedia(objectTypes);
  if (type === protobuf) return decodeProtobuf(await readBody(exchange, bytesMax));
  const body = parsed((await readBody(exchange, bytesMax)).toString("utf8"), type === "application/yaml");
  if (!isTree(body)) throw badRequest("the body of the request is not an object");
  return body;
}

/** The options that DELETE may carry; an empty body is no options. */
export async function readOptions(exchange: Exchange, bytesMax: number): Promise<Tree> {
  const bytes = await readBody(exchange, bytesMax);
  if (mediaType(exchange) === protobuf && bytes.length > 0) return decodeProtobuf(bytes);
  const body = bytes.toString("utf8");
  const options = body.trim() === "" ? {} : parsed(body, mediaType(exchange) === "application/yaml");
  return isTree(options) ? options : {};
}

export interface Patch {
  readonly form: "json" | "merge" | "strategic" | "apply";
  readonly body: unknown;
}

const patchForms: Readonly<Record<string, Patch["form"]>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

export async function readPatch(exchange: Exchange, isCustom: boolean, bytesMax: number): Promise<Patch> {
  const form = patchForms[mediaType(exchange)];
  if (form === undefined || (form === "strategic" && isCustom)) {
    throw unsupportedMedia(Object.keys(patchForms).filter((type) => !isCustom || !type.includes("strategic")));
  }
  const source = (await readBody(exchange, bytesMax)).toString("utf8");
  return { form, body: parsed(source, form === "apply") };
}
