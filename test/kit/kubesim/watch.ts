// Watches: the state first where it was asked for, then every event that touches the selection, each flushed at once. Bookmarks,
// `sendInitialEvents`, 410 for revisions no longer known. A slow reader holds its own events back, up to a ceiling.
import type { Kind } from "./kinds.ts";
import { formatOf, presented, type Format } from "./present.ts";
import type { Exchange } from "./reply.ts";
import type { ResourceRoute } from "./route.ts";
import { selection, type Predicate } from "./selectors.ts";
import { badRequest, StatusError, statusOf } from "./status.ts";
import type { StoreEvent } from "./store.ts";
import type { KubeObject, Tree } from "./tree.ts";
import type { World } from "./world.ts";

/** A watcher this far behind is ended, as the real watch cache ends it. */
const waitingEventsMax = 10_000;

interface Sight {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
}

/** How an event looks to a watch with a selection; null when it does not touch it. */
function sightOf(event: StoreEvent, matches: Predicate): Sight | null {
  const isIn = event.type !== "DELETED" && matches(event.object);
  const wasIn = event.previous !== null && matches(event.previous);
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", object: event.object };
  if (!wasIn) return null;
  // What left the view is shown as it last was in it, with the revision of its leaving.
  const object = { ...event.previous!, metadata: { ...event.previous!.metadata, resourceVersion: event.object.metadata.resourceVersion } };
  return { type: "DELETED", object };
}

interface WatchOrder {
  readonly isInitialStateWanted: boolean;
  readonly isEndMarked: boolean;
  readonly sinceRevision: number;
  readonly hasBookmarks: boolean;
  readonly timeoutMs: number;
}

function orderOf(world: World, query: URLSearchParams): WatchOrder {
  const version = query.get("resourceVersion") ?? "";
  const hasBookmarks = query.get("allowWatchBookmarks") === "true" || query.get("allowWatchBookmarks") === "1";
  const initial = query.get("sendInitialEvents");
  if (version !== "" && !/^\d+$/.test(version)) throw badRequest(`invalid resource version "${version}"`);
  if (initial === "true" && query.get("resourceVersionMatch") !== "NotOlderThan") {
    throw new StatusError(422, `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`, { details: { group: "meta.k8s.io", kind: "ListOptions" } });
  }
  if (Number(version) > world.store.revision) {
    throw new StatusError(504, `Too large resource version: ${version}, current: ${world.store.revision}`, {
      details: { causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }], retryAfterSeconds: 1 },
      headers: { "Retry-After": "1" },
    });
  }
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  return {
    isInitialStateWanted: initial === "true" || (initial === null && (version === "" || version === "0")),
    isEndMarked: initial === "true" && hasBookmarks,
    sinceRevision: version === "" || version === "0" || initial === "true" ? world.store.revision : Number(version),
    hasBookmarks,
    timeoutMs: seconds > 0 ? seconds * 1000 : 3_600_000,
  };
}

function bookmark(kind: Kind, revision: number, isInitialEnd: boolean, format: Format): Tree {
  const annotations = isInitialEnd ? { "k8s.io/initial-events-end": "true" } : undefined;
  const metadata: Tree = { resourceVersion: String(revision), ...(annotations === undefined ? {} : { annotations }) };
  const object: Tree =
    format.as === "table"
      ? { kind: "Table", apiVersion: `meta.k8s.io/${format.metaVersion}`, metadata, columnDefinitions: null, rows: [{ cells: [], object: { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${format.metaVersion}`, metadata: { ...metadata, creationTimestamp: null } } }] }
      : format.as === "metadata"
        ? { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${format.metaVersion}`, metadata: { ...metadata, creationTimestamp: null } }
        : { kind: kind.kind, apiVersion: kind.group === "" ? kind.version : `${kind.group}/${kind.version}`, metadata: { ...metadata, creationTimestamp: null } };
  return { type: "BOOKMARK", object };
}

/** Lines waiting for a reader, and the end. */
class LineQueue {
  readonly #lines: string[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  get length(): number {
    return this.#lines.length;
  }

  push(line: string): void {
    this.#lines.push(line);
    this.#wake();
  }

  finish(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** All lines that wait, joined; null at the end. */
  async next(): Promise<string | null> {
    while (this.#lines.length === 0) {
      if (this.#isOver) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#lines.splice(0).join("");
  }
}

export async function watch(world: World, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { kind, namespace, name } = route;
  const { reply, query } = exchange;
  const format = { ...formatOf(exchange.request.headers.accept, query), media: "application/json" as const };
  const order = orderOf(world, query);
  const selected = selection(query, kind.kind);
  const matches: Predicate = (object) => (namespace === undefined || object.metadata.namespace === namespace) && (name === undefined || object.metadata.name === name) && selected(object);
  const queue = new LineQueue();
  const line = (value: Tree): void => queue.push(`${JSON.stringify(value)}\n`);
  const show = ({ type, object }: Sight): void => line({ type, object: presented(kind, object, format, world.clock.wallMs()) });
  const follow = (event: StoreEvent): void => {
    if (event.kind.plural !== kind.plural || event.kind.group !== kind.group) return;
    const sight = sightOf(event, matches);
    if (sight !== null) show(sight);
    if (queue.length > waitingEventsMax) queue.finish();
  };

  const missed = world.store.eventsSince(kind, order.sinceRevision);
  reply.head(200, { "Content-Type": format.media });
  if (missed === null) {
    const text = `too old resource version: ${order.sinceRevision} (${world.store.oldestRevision})`;
    return reply.end(`${JSON.stringify({ type: "ERROR", object: statusOf(410, text) })}\n`);
  }
  if (order.isInitialStateWanted) for (const object of world.store.list(kind, namespace)) if (matches(object)) show({ type: "ADDED", object });
  if (order.isEndMarked) line(bookmark(kind, world.store.revision, true, format));
  for (const event of missed) follow(event);
  const unsubscribe = world.store.subscribe(follow);
  const cancelTimeout = world.clock.after(order.timeoutMs, () => queue.finish());
  let cancelBookmark = (): void => undefined;
  const bookmarkLater = (): void => {
    cancelBookmark = world.clock.after(world.settings.bookmarkMs, () => {
      line(bookmark(kind, world.store.revision, false, format));
      bookmarkLater();
    });
  };
  if (order.hasBookmarks) bookmarkLater();
  const finish = (): void => queue.finish();
  reply.signal.addEventListener("abort", finish, { once: true });
  if (reply.signal.aborted) finish();
  const endOfWorld = world.scope.onEnd(finish);
  try {
    for (let lines = await queue.next(); lines !== null; lines = await queue.next()) await reply.write(lines);
    await reply.end();
  } finally {
    unsubscribe();
    cancelTimeout();
    cancelBookmark();
    endOfWorld();
  }
}
