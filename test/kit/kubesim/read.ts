// GET of one object and of lists: selectors, pages, and the three forms of an answer. A list is written item by item under
// back-pressure, so that a list of 100 MB costs one item of memory.
import { groupVersionOf, type Kind } from "./kinds.ts";
import { encoded, formatOf, listItem, presented, type Format } from "./present.ts";
import type { Exchange } from "./reply.ts";
import type { ResourceRoute } from "./route.ts";
import { selection } from "./selectors.ts";
import { badRequest, gone } from "./status.ts";
import { tableHead, tableRow } from "./tables.ts";
import type { KubeObject, Tree } from "./tree.ts";
import type { World } from "./world.ts";

export async function readOne(world: World, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const format = formatOf(exchange.request.headers.accept, exchange.query);
  const object = world.store.get(route.kind, route.namespace, route.name!);
  exchange.reply.head(200, { "Content-Type": format.media });
  await exchange.reply.end(encoded(presented(route.kind, object, format, world.clock.wallMs()), format));
}

interface Page {
  readonly objects: readonly KubeObject[];
  readonly metadata: Tree;
}

interface Continuation {
  readonly revision: number;
  readonly after: string;
}

const nameOf = (object: KubeObject): string => `${object.metadata.namespace ?? ""}/${object.metadata.name}`;

function parseContinue(token: string, world: World): Continuation {
  let parsed: Partial<Continuation>;
  try {
    parsed = JSON.parse(Buffer.from(token, "base64url").toString("utf8")) as Partial<Continuation>;
  } catch {
    throw badRequest("continue key is not valid");
  }
  if (typeof parsed.revision !== "number" || typeof parsed.after !== "string") throw badRequest("continue key is not valid");
  if (parsed.revision < world.store.oldestRevision) {
    throw gone("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.");
  }
  return { revision: parsed.revision, after: parsed.after };
}

export function pageOf(world: World, kind: Kind, namespace: string | undefined, query: URLSearchParams, name?: string): Page {
  const matches = selection(query, kind.kind);
  const all = world.store.list(kind, namespace).filter((object) => matches(object) && (name === undefined || object.metadata.name === name));
  const token = query.get("continue") ?? "";
  const resumed = token === "" ? null : parseContinue(token, world);
  const revision = resumed?.revision ?? world.store.revision;
  const rest = resumed === null ? all : all.filter((object) => nameOf(object) > resumed.after);
  const limit = Number(query.get("limit") ?? 0);
  const metadata: Tree = { resourceVersion: String(revision) };
  if (!(limit > 0) || rest.length <= limit) return { objects: rest, metadata };
  const objects = rest.slice(0, limit);
  metadata["continue"] = Buffer.from(JSON.stringify({ revision, after: nameOf(objects.at(-1)!) })).toString("base64url");
  metadata["remainingItemCount"] = rest.length - limit;
  return { objects, metadata };
}

function requireKnownRevision(world: World, query: URLSearchParams): void {
  const wanted = query.get("resourceVersion") ?? "";
  if (wanted === "" || wanted === "0") return;
  if (!/^\d+$/.test(wanted)) throw badRequest(`invalid resource version "${wanted}"`);
  if (query.get("resourceVersionMatch") === "Exact" && Number(wanted) < world.store.oldestRevision) {
    throw gone(`The resourceVersion for the provided list is too old.`);
  }
}

function listFrame(kind: Kind, format: Format, metadata: Tree): { head: Tree; field: string } {
  if (format.as === "table") return { head: tableHead(kind, format, metadata), field: "rows" };
  const isMetadata = format.as === "metadata";
  const head = { kind: isMetadata ? "PartialObjectMetadataList" : `${kind.kind}List`, apiVersion: isMetadata ? `meta.k8s.io/${format.metaVersion}` : groupVersionOf(kind), metadata };
  return { head, field: "items" };
}

export async function readList(world: World, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { kind, namespace } = route;
  const format = formatOf(exchange.request.headers.accept, exchange.query);
  requireKnownRevision(world, exchange.query);
  const { objects, metadata } = pageOf(world, kind, namespace, exchange.query);
  const { head, field } = listFrame(kind, format, metadata);
  const nowMs = world.clock.wallMs();
  const item = (object: KubeObject): Tree => (format.as === "table" ? tableRow(kind, object, format, nowMs) : listItem(kind, object, format));
  exchange.reply.head(200, { "Content-Type": format.media });
  if (format.media === "application/yaml") return exchange.reply.end(encoded({ ...head, [field]: objects.map(item) }, format));
  const opening = JSON.stringify(head);
  await exchange.reply.write(`${opening.slice(0, -1)},"${field}":[`);
  // Small items travel together: one write per 64 KiB or so.
  let batch = "";
  for (const [index, object] of objects.entries()) {
    batch += (index === 0 ? "" : ",") + JSON.stringify(item(object));
    if (batch.length < 65_536) continue;
    await exchange.reply.write(batch);
    batch = "";
  }
  await exchange.reply.end(`${batch}]}\n`);
}
