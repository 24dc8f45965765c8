// Server-side apply and the book of who owns which field. `applyTo` merges a configuration into the live object, removes what its
// writer no longer names, and refuses to change what others own unless forced; `recordUpdate` keeps the book after ordinary writes.
import { fieldsFromPaths, isUnder, keySegment, matchesKey, pathText, pathsFromFields, pathsOf, removeAt, segmentsOf, valueAt, type PathSet } from "./field-paths.ts";
import { childType, itemType, listKeys, type FieldType } from "./schema.ts";
import { StatusError, type Cause } from "./status.ts";
import { isSame, isTree, type KubeObject, type ManagedEntry, type Tree } from "./tree.ts";

export interface Writer {
  readonly name: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
}

interface Holding {
  readonly entry: ManagedEntry;
  readonly paths: PathSet;
}

const isWriters = (entry: ManagedEntry, writer: Writer): boolean =>
  entry.manager === writer.name && entry.operation === writer.operation && (entry.subresource ?? "") === writer.subresource && (writer.operation === "Apply" || entry.apiVersion === writer.apiVersion);

function holdingsOf(object: Tree): Holding[] {
  const entries = ((object["metadata"] as Tree | undefined)?.["managedFields"] ?? []) as ManagedEntry[];
  return entries.map((entry) => ({ entry, paths: pathsFromFields(entry.fieldsV1) }));
}

function withHoldings<T extends Tree>(object: T, holdings: readonly Holding[]): T {
  const managedFields = holdings.filter((holding) => holding.paths.size > 0).map(({ entry, paths }) => ({ ...entry, fieldsV1: fieldsFromPaths(paths) }));
  const { managedFields: _old, ...metadata } = object["metadata"] as Tree;
  return { ...object, metadata: managedFields.length === 0 ? metadata : { ...metadata, managedFields } };
}

function entryFor(writer: Writer): ManagedEntry {
  const entry: ManagedEntry = { manager: writer.name, operation: writer.operation, apiVersion: writer.apiVersion, time: writer.time, fieldsType: "FieldsV1", fieldsV1: {} };
  return writer.subresource === "" ? entry : { ...entry, subresource: writer.subresource };
}

/** `applied` laid over `live`: maps field by field, keyed lists item by item, everything else replaced. */
function merged(live: unknown, applied: unknown, type: FieldType): unknown {
  const keys = listKeys(type);
  if (Array.isArray(live) && Array.isArray(applied) && keys !== null) {
    if (keys.length === 0) return [...live, ...applied.filter((item) => !live.some((other) => isSame(other, item)))];
    const result: unknown[] = live.map((item) => {
      const match = applied.find((other) => matchesKey(item, keySegment(other, keys)));
      return match === undefined ? item : merged(item, match, itemType(type));
    });
    return [...result, ...applied.filter((item) => !live.some((other) => matchesKey(other, keySegment(item, keys))))];
  }
  if (isTree(live) && isTree(applied)) {
    const result: Tree = { ...live };
    for (const [field, value] of Object.entries(applied)) result[field] = merged(live[field], value, childType(type, field));
    return result;
  }
  return applied;
}

interface Clash {
  readonly holding: Holding;
  readonly path: string;
}

function clashesOf(live: Tree, applied: Tree, wanted: PathSet, others: readonly Holding[]): Clash[] {
  return others.flatMap((holding) =>
    [...holding.paths]
      .filter((path) => {
        if (wanted.has(path)) return !isSame(valueAt(live, path), valueAt(applied, path));
        return [...wanted].some((mine) => isUnder(path, mine) && !isSame(valueAt(live, mine), valueAt(applied, mine)));
      })
      .map((path) => ({ holding, path })),
  );
}

function writerText({ entry }: Holding): string {
  const name = JSON.stringify(entry.manager) + (entry.subresource === undefined ? "" : ` with subresource ${JSON.stringify(entry.subresource)}`);
  return entry.operation === "Apply" ? name : `${name} using ${entry.apiVersion}`;
}

function clashError(clashes: readonly Clash[]): StatusError {
  const causes = clashes.map((clash): Cause => ({ reason: "FieldManagerConflict", message: `conflict with ${writerText(clash.holding)}`, field: pathText(clash.path) }));
  if (clashes.length === 1) {
    return new StatusError(409, `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`, { details: { causes } });
  }
  const byWriter = new Map<string, string[]>();
  for (const clash of clashes) byWriter.set(writerText(clash.holding), [...(byWriter.get(writerText(clash.holding)) ?? []), `- ${pathText(clash.path)}`]);
  const parts = [...byWriter].map(([writer, paths]) => `conflicts with ${writer}:\n${paths.join("\n")}`);
  return new StatusError(409, `Apply failed with ${clashes.length} conflicts: ${parts.join("\n")}`, { details: { causes } });
}

const ownedByAny = (holdings: readonly Holding[], path: string): boolean =>
  holdings.some((holding) => holding.paths.has(path) || [...holding.paths].some((other) => isUnder(other, path)));

/** The object after `applied` (a whole configuration of one writer) went into `live`. Throws 409 naming every field in dispute. */
export function applyTo(live: Tree, applied: Tree, writer: Writer, type: FieldType, isForced: boolean): Tree {
  const holdings = holdingsOf(live);
  const mine = holdings.find((holding) => isWriters(holding.entry, writer));
  let others = holdings.filter((holding) => holding !== mine);
  const wanted = pathsOf(applied, type);
  const clashes = clashesOf(live, applied, wanted, others);
  if (clashes.length > 0 && !isForced) throw clashError(clashes);
  const lost = new Set(clashes.map((clash) => clash.path));
  others = others.map((holding) => ({ ...holding, paths: new Set([...holding.paths].filter((path) => !lost.has(path))) }));

  let result = merged(live, applied, type) as Tree;
  const dropped = [...(mine?.paths ?? [])].filter((path) => !wanted.has(path) && !ownedByAny(others, path) && ![...wanted].some((other) => isUnder(other, path)));
  // Deepest first, so that a list item is taken out after the fields that it held.
  for (const path of dropped.sort((left, right) => segmentsOf(right).length - segmentsOf(left).length)) result = removeAt(result, path);

  const unchanged = mine !== undefined && isSame([...mine.paths].sort(), [...wanted].sort()) && lost.size === 0;
  const entry = unchanged ? mine.entry : entryFor(writer);
  return withHoldings(result, [...others, { entry, paths: wanted }]);
}

/** The book after an ordinary write: its writer owns what it changed, and what is gone nobody owns. */
export function recordUpdate(before: Tree | null, after: KubeObject, writer: Writer, type: FieldType): KubeObject {
  const beforePaths = before === null ? new Set<string>() : pathsOf(before, type);
  const afterPaths = pathsOf(after, type);
  const inScope = (path: string): boolean => (writer.subresource === "status") === (path === "f:status" || isUnder(path, "f:status"));
  const changed = new Set([...afterPaths].filter((path) => inScope(path) && (!beforePaths.has(path) || !isSame(valueAt(before, path), valueAt(after, path)))));
  const isGone = (path: string): boolean => valueAt(after, path) === undefined;
  const isTaken = (path: string): boolean => changed.has(path) && before !== null && valueAt(before, path) !== undefined;
  const holdings = holdingsOf(after).map((holding) => {
    if (isWriters(holding.entry, writer)) return { ...holding, paths: new Set([...holding.paths].filter((path) => !isGone(path))) };
    return { ...holding, paths: new Set([...holding.paths].filter((path) => !isGone(path) && !isTaken(path))) };
  });
  if (changed.size === 0) return withHoldings(after, holdings);
  const mine = holdings.find((holding) => isWriters(holding.entry, writer));
  const others = holdings.filter((holding) => holding !== mine);
  return withHoldings(after, [...others, { entry: entryFor(writer), paths: new Set([...(mine?.paths ?? []), ...changed]) }]);
}
