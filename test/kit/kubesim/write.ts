// Create, update, patch and apply, with what the API server does around them: names and generations, defaults, validation, status kept
// apart from spec, field owners, dry runs, and no new revision for a change that changes nothing. Synchronous over the store.
import { applyTo, recordUpdate, type Writer } from "./apply.ts";
import type { Patch } from "./body.ts";
import { fillDefaults } from "./defaults.ts";
import { groupVersionOf, type Kind } from "./kinds.ts";
import { jsonPatched, mergePatched, strategicPatched } from "./patch.ts";
import { rootType } from "./schema.ts";
import { alreadyExists, badRequest, conflict, invalid, notFound, required, StatusError } from "./status.ts";
import { isSame, isTree, text, without, type KubeObject, type Metadata, type Tree } from "./tree.ts";
import { checkDecoding, pruned, requireValid } from "./validation.ts";
import type { World } from "./world.ts";

export interface WriteRequest {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  /** "" for the object itself. */
  readonly subresource: string;
  readonly query: URLSearchParams;
  /** Who owns the fields when the request does not say. */
  readonly defaultWriter: string;
}

export interface Written {
  readonly object: KubeObject;
  readonly isNew: boolean;
  readonly warnings: readonly string[];
}

const isDryRun = (query: URLSearchParams): boolean => {
  const value = query.get("dryRun");
  if (value !== null && value !== "All" && value !== "") throw badRequest(`CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "${value}": supported values: "All"`);
  return value === "All";
};

function writerOf(world: World, request: WriteRequest, operation: Writer["operation"]): Writer {
  const name = request.query.get("fieldManager") ?? "";
  return { name: name === "" ? request.defaultWriter : name, operation, apiVersion: groupVersionOf(request.kind), subresource: request.subresource, time: world.store.now() };
}

/** The body as an object of this kind and place; refuses one that names another. */
function placed(request: WriteRequest, body: Tree, name: string): KubeObject {
  const { kind, namespace } = request;
  const apiVersion = text(body, "apiVersion") || groupVersionOf(kind);
  const kindName = text(body, "kind") || kind.kind;
  if (apiVersion !== groupVersionOf(kind) || kindName !== kind.kind) {
    throw badRequest(`the API version in the data (${apiVersion}, Kind=${kindName}) does not match the expected API version (${groupVersionOf(kind)}, Kind=${kind.kind})`);
  }
  const metadata = isTree(body["metadata"]) ? body["metadata"] : {};
  const bodyNamespace = text(metadata, "namespace");
  if (kind.namespaced && bodyNamespace !== "" && bodyNamespace !== namespace) throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  const cleaned = without(metadata, "namespace", "selfLink");
  const placedMetadata = { ...cleaned, name, ...(kind.namespaced ? { namespace: namespace! } : {}) } as Metadata;
  return { ...body, apiVersion, kind: kind.kind, metadata: placedMetadata };
}

function requireNamespace(world: World, request: WriteRequest): void {
  if (!request.kind.namespaced) return;
  const namespaces = world.kinds.find("", "v1", "namespaces")!;
  const found = world.store.find(namespaces, undefined, request.namespace ?? "");
  if (found === null) throw notFound(namespaces, request.namespace ?? "");
  if (found.metadata.deletionTimestamp !== undefined) {
    throw new StatusError(403, `unable to create new content in namespace ${request.namespace} because it is being terminated`, {
      details: { causes: [{ reason: "NamespaceTerminating", message: `namespace ${request.namespace} is being terminated`, field: "metadata.namespace" }] },
    });
  }
}

function decoded(request: WriteRequest, body: Tree): { body: Tree; warnings: string[] } {
  const warnings = checkDecoding(request.kind, body, request.query.get("fieldValidation") ?? "Warn");
  return { body: pruned(request.kind, body), warnings };
}

export function create(world: World, request: WriteRequest, given: Tree): Written {
  const { kind } = request;
  const { body, warnings } = decoded(request, given);
  requireNamespace(world, request);
  const metadata = isTree(body["metadata"]) ? body["metadata"] : {};
  const generateName = text(metadata, "generateName");
  const name = text(metadata, "name") || (generateName === "" ? "" : generateName + world.store.newSuffix());
  if (name === "") throw invalid(kind, "", [{ ...required("metadata.name"), message: "Required value: name or generateName is required" }]);
  if (text(metadata, "resourceVersion") !== "") throw new StatusError(500, "resourceVersion should not be set on objects to be created");
  return { ...insertNew(world, request, placed(request, body, name), writerOf(world, request, "Update")), warnings };
}

function insertNew(world: World, request: WriteRequest, object: KubeObject, writer: Writer | null): Written {
  const { kind } = request;
  if (world.store.find(kind, request.namespace, object.metadata.name) !== null) throw alreadyExists(kind, object.metadata.name);
  const clean = structuredClone(kind.hasStatus ? without(object, "status") : object) as KubeObject;
  for (const field of ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"]) delete clean.metadata[field];
  if (writer !== null) delete clean.metadata.managedFields;
  const owned = writer === null ? clean : recordUpdate(null, clean, writer, rootType(kind.kind, kind.isCustom));
  if (!kind.isCustom) fillDefaults(world, kind.kind, owned);
  requireValid(kind, owned, null);
  if (!isDryRun(request.query)) return { object: world.store.insert(kind, owned), isNew: true, warnings: [] };
  const imagined = { ...owned, metadata: { ...owned.metadata, uid: world.store.newUid(), creationTimestamp: world.store.now() } } as KubeObject;
  return { object: imagined, isNew: true, warnings: [] };
}

/** Fields of metadata that only the server writes. */
const serverFields = ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] as const;

/** What of `next` may take effect: the rest stays as it was. */
function admitted(kind: Kind, subresource: string, before: KubeObject, next: KubeObject): KubeObject {
  const kept: Tree = Object.fromEntries(serverFields.filter((field) => before.metadata[field] !== undefined).map((field) => [field, before.metadata[field]]));
  const metadata = { ...without(next.metadata, ...serverFields), ...kept } as Metadata;
  if (subresource === "status") {
    const whole: Metadata = { ...before.metadata, resourceVersion: metadata.resourceVersion };
    if (metadata.managedFields !== undefined) whole.managedFields = metadata.managedFields;
    return { ...before, status: next["status"], metadata: whole };
  }
  const result: KubeObject = { ...next, metadata };
  if (kind.hasStatus) {
    if (before["status"] === undefined) delete result["status"];
    else result["status"] = before["status"];
  }
  return result;
}

const visible = (object: KubeObject): Tree => ({ ...object, metadata: without(object.metadata, "resourceVersion", "managedFields", "generation") });
const desired = (object: KubeObject): Tree => without(object, "status", "metadata");
const ownersOf = (object: KubeObject): unknown => (object.metadata.managedFields ?? []).map((entry) => without(entry, "time"));

/** Puts `next` in the place of `before`. `writer` null: the book of owners in `next` is already kept (server-side apply). */
function settle(world: World, request: WriteRequest, before: KubeObject, given: KubeObject, writer: Writer | null): KubeObject {
  const { kind, subresource } = request;
  const wanted = text(given.metadata, "resourceVersion");
  const { name, uid } = before.metadata;
  if (wanted !== "" && wanted !== before.metadata.resourceVersion) throw conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
  const givenUid = text(given.metadata, "uid");
  if (givenUid !== "" && givenUid !== uid) throw conflict(kind, name, `Precondition failed: UID in precondition: ${givenUid}, UID in object meta: ${uid}`);
  let next = structuredClone(admitted(kind, subresource, before, given)) as KubeObject;
  if (next.metadata.managedFields === undefined && before.metadata.managedFields !== undefined && !Array.isArray(given.metadata.managedFields)) next.metadata.managedFields = before.metadata.managedFields;
  if (!kind.isCustom && subresource === "") fillDefaults(world, kind.kind, next);
  if (kind.kind === "Service" && subresource === "") next = keepAddress(before, next);
  requireValid(kind, next, before);
  if (writer !== null) next = recordUpdate(before, next, writer, rootType(kind.kind, kind.isCustom));
  if (isSame(visible(before), visible(next)) && isSame(ownersOf(before), ownersOf(next))) return before;
  if (before.metadata.generation !== undefined && !isSame(desired(before), desired(next))) next.metadata.generation = before.metadata.generation + 1;
  next.metadata.resourceVersion = before.metadata.resourceVersion;
  if (isDryRun(request.query)) return next;
  const isReleased = next.metadata.deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0;
  return isReleased ? world.store.remove(kind, request.namespace, name) : world.store.replace(kind, next);
}

/** A Service keeps the address that it was given. */
function keepAddress(before: KubeObject, next: KubeObject): KubeObject {
  const old = before["spec"] as Tree | undefined;
  const spec = next["spec"] as Tree | undefined;
  if (old === undefined || spec === undefined || old["clusterIP"] === undefined || spec["type"] === "ExternalName" || spec["clusterIP"] === "None") return next;
  return { ...next, spec: { ...spec, clusterIP: old["clusterIP"], clusterIPs: old["clusterIPs"] } };
}

export function update(world: World, request: WriteRequest, name: string, given: Tree): Written {
  const { body, warnings } = decoded(request, given);
  const bodyName = text(body, "metadata", "name");
  if (bodyName !== "" && bodyName !== name) throw badRequest(`the name of the object (${bodyName}) does not match the name on the URL (${name})`);
  const before = world.store.get(request.kind, request.namespace, name);
  const object = settle(world, request, before, placed(request, body, name), writerOf(world, request, "Update"));
  return { object, isNew: false, warnings };
}

export function patch(world: World, request: WriteRequest, name: string, { form, body }: Patch): Written {
  if (form === "apply") return apply(world, request, name, body);
  const { kind } = request;
  const before = world.store.get(kind, request.namespace, name);
  const type = rootType(kind.kind, kind.isCustom);
  const raw = form === "json" ? jsonPatched(before, body) : form === "merge" ? mergePatched(before, body) : strategicPatched(before, body, type);
  if (!isTree(raw)) throw badRequest("the patch leaves no object");
  const result = decoded(request, raw);
  if (text(result.body, "metadata", "name") !== name) throw badRequest(`metadata.name: Invalid value: field is immutable`);
  const next = placed(request, result.body, name);
  // A patch that does not speak of the resourceVersion carries the one it was made from: it cannot be stale.
  return { object: settle(world, request, before, next, writerOf(world, request, "Update")), isNew: false, warnings: result.warnings };
}

function apply(world: World, request: WriteRequest, name: string, body: unknown): Written {
  const { kind, query } = request;
  if (!isTree(body)) throw badRequest("error decoding YAML: the body is not an object");
  if ((query.get("fieldManager") ?? "") === "") {
    throw new StatusError(422, `PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch`, {
      details: { group: "meta.k8s.io", kind: "PatchOptions", causes: [required("fieldManager")] },
    });
  }
  if (text(body, "apiVersion") === "" || text(body, "kind") === "") throw badRequest("invalid object type: /, Kind=");
  if (Array.isArray((body["metadata"] as Tree | undefined)?.["managedFields"])) throw badRequest("metadata.managedFields must be nil");
  const { body: config, warnings } = decoded(request, body);
  const configName = text(config, "metadata", "name");
  if (configName !== "" && configName !== name) throw badRequest(`the name of the object (${configName}) does not match the name on the URL (${name})`);
  const applied = placed(request, config, name);
  const writer = writerOf(world, request, "Apply");
  const type = rootType(kind.kind, kind.isCustom);
  const before = world.store.find(kind, request.namespace, name);
  const isForced = query.get("force") === "true" || query.get("force") === "1";
  if (before === null) {
    if (request.subresource !== "") throw notFound(kind, name);
    requireNamespace(world, request);
    const first = applyTo({ apiVersion: applied.apiVersion, kind: applied.kind, metadata: {} }, applied, writer, type, isForced) as KubeObject;
    return { ...insertNew(world, request, first, null), warnings };
  }
  const next = applyTo(before, applied, writer, type, isForced) as KubeObject;
  const wanted = text(applied.metadata, "resourceVersion");
  next.metadata = { ...next.metadata, resourceVersion: wanted === "" ? before.metadata.resourceVersion : wanted };
  return { object: settle(world, request, before, next, null), isNew: false, warnings };
}
