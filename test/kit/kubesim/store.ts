// The objects, one revision counter for all of them, and the ring of events that watches read from. Everything is synchronous: a
// write is visible to every list and watch that begins after it. Objects handed in or out are never changed in place afterwards.
import type { Clock } from "../../../shared/kit/clock.ts";
import type { Random } from "../../../shared/kit/random.ts";
import type { Kind } from "./kinds.ts";
import { alreadyExists, conflict, notFound } from "./status.ts";
import { timeText, type KubeObject, type Tree } from "./tree.ts";

export interface StoreEvent {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly kind: Kind;
  readonly object: KubeObject;
  /** The object before the event: a watch with a selector needs it to tell what left its view. */
  readonly previous: KubeObject | null;
}

type EventListener = (event: StoreEvent) => void;

/** Events kept for watches that come back; older ones answer 410, as an API server's watch cache does. */
const historyEventsMax = 20_000;

/** Versions of one resource share their objects. */
const shelfName = (kind: Pick<Kind, "group" | "plural">): string => `${kind.group}/${kind.plural}`;
const objectName = (namespace: string | undefined, name: string): string => `${namespace ?? ""}/${name}`;

export class ObjectStore {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #shelves = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Set<EventListener>();
  /** Owner uid to the number of references to it, so that deleting what owns nothing costs nothing. */
  readonly #dependents = new Map<string, number>();
  #history: StoreEvent[] = [];
  #revision = 1;
  #forgotten = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get revision(): number {
    return this.#revision;
  }

  /** A watch may begin at this revision or later. */
  get oldestRevision(): number {
    return this.#forgotten;
  }

  now(): string {
    return timeText(this.#clock.wallMs());
  }

  find(kind: Kind, namespace: string | undefined, name: string): KubeObject | null {
    return this.#shelves.get(shelfName(kind))?.get(objectName(kind.namespaced ? namespace : undefined, name)) ?? null;
  }

  get(kind: Kind, namespace: string | undefined, name: string): KubeObject {
    const found = this.find(kind, namespace, name);
    if (found === null) throw notFound(kind, name);
    return found;
  }

  /** Sorted by namespace and name, as etcd's keys are: paging counts on that. */
  list(kind: Kind, namespace?: string): KubeObject[] {
    const shelf = this.#shelves.get(shelfName(kind));
    if (shelf === undefined) return [];
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    return [...shelf.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort()
      .map((key) => shelf.get(key)!);
  }

  /** Whether any object names this uid as an owner. */
  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid);
  }

  /** Gives the object its uid, times and revision, and keeps it. */
  insert(kind: Kind, object: Tree & { metadata: Tree & { name: string; namespace?: string } }): KubeObject {
    const { name, namespace } = object.metadata;
    if (this.find(kind, namespace, name) !== null) throw alreadyExists(kind, name);
    const metadata = {
      ...object.metadata,
      uid: this.newUid(),
      creationTimestamp: this.now(),
      resourceVersion: this.#nextRevision(),
      ...(kind.hasStatus || "spec" in object ? { generation: 1 } : {}),
    };
    const stored = { ...object, metadata } as unknown as KubeObject;
    this.#shelf(kind).set(objectName(namespace, name), stored);
    this.#publish({ type: "ADDED", kind, object: stored, previous: null });
    return stored;
  }

  /** Puts `next` in the place of the object of the same name; a resourceVersion in it must be the current one. */
  replace(kind: Kind, next: KubeObject): KubeObject {
    const { name, namespace, resourceVersion } = next.metadata;
    const previous = this.get(kind, namespace, name);
    if (resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== previous.metadata.resourceVersion) {
      throw conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
    }
    const stored = { ...next, metadata: { ...next.metadata, resourceVersion: this.#nextRevision() } };
    this.#shelf(kind).set(objectName(namespace, name), stored);
    this.#publish({ type: "MODIFIED", kind, object: stored, previous });
    return stored;
  }

  /** Changes an object if it is still there; `change` answers null to leave it. For the simulated controllers. */
  amend(kind: Kind, namespace: string | undefined, name: string, change: (object: KubeObject) => KubeObject | null): KubeObject | null {
    const found = this.find(kind, namespace, name);
    const next = found === null ? null : change(found);
    return next === null ? null : this.replace(kind, next);
  }

  remove(kind: Kind, namespace: string | undefined, name: string): KubeObject {
    const previous = this.get(kind, namespace, name);
    this.#shelf(kind).delete(objectName(kind.namespaced ? namespace : undefined, name));
    const object = { ...previous, metadata: { ...previous.metadata, resourceVersion: this.#nextRevision() } };
    this.#publish({ type: "DELETED", kind, object, previous });
    return object;
  }

  /** Events of one resource after `revision`; null when they are no longer all known. */
  eventsSince(kind: Kind, revision: number): StoreEvent[] | null {
    if (revision < this.#forgotten) return null;
    const shelf = shelfName(kind);
    return this.#history.filter((event) => event.revision > revision && shelfName(event.kind) === shelf);
  }

  /** Forgets all history: watches from any earlier revision get 410 from now on. */
  compact(): void {
    this.#history = [];
    this.#forgotten = this.#revision;
  }

  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  newUid(): string {
    const hex = Array.from({ length: 32 }, () => Math.floor(this.#random() * 16).toString(16)).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  /** Five characters as generated names end in: no vowels, so that no words arise. */
  newSuffix(): string {
    const letters = "bcdfghjklmnpqrstvwxz2456789";
    return Array.from({ length: 5 }, () => letters[Math.floor(this.#random() * letters.length)]).join("");
  }

  #shelf(kind: Kind): Map<string, KubeObject> {
    const name = shelfName(kind);
    const found = this.#shelves.get(name) ?? new Map<string, KubeObject>();
    this.#shelves.set(name, found);
    return found;
  }

  #nextRevision(): string {
    this.#revision += 1;
    return String(this.#revision);
  }

  #countOwners(object: KubeObject | null, step: 1 | -1): void {
    for (const { uid } of object?.metadata.ownerReferences ?? []) {
      const count = (this.#dependents.get(uid) ?? 0) + step;
      if (count > 0) this.#dependents.set(uid, count);
      else this.#dependents.delete(uid);
    }
  }

  #publish(event: Omit<StoreEvent, "revision">): void {
    this.#countOwners(event.previous, -1);
    if (event.type !== "DELETED") this.#countOwners(event.object, 1);
    const whole = { ...event, revision: Number(event.object.metadata.resourceVersion) };
    this.#history.push(whole);
    if (this.#history.length > historyEventsMax) {
      const half = this.#history.splice(0, historyEventsMax / 2);
      this.#forgotten = half.at(-1)!.revision;
    }
    for (const listener of Array.from(this.#listeners)) listener(whole);
  }
}
