// What `kubectl get` prints: columns and cells per kind, as the API server's own printers make them. A kind without a row in the
// table gets Name and Age; a custom one gets the printer columns of its definition.
import { partialMetadata, versioned } from "./forms.ts";
import type { Kind } from "./kinds.ts";
import type { Format } from "./present.ts";
import { columnsByKind, type Column } from "./table-columns.ts";
import { isTree, text, type KubeObject, type Tree } from "./tree.ts";
import { humanAge } from "./ages.ts";

function customCell(object: KubeObject, jsonPath: string, type: string, nowMs: number): unknown {
  const steps = jsonPath.replace(/^\./, "").match(/(?:[^.[\]\\]|\\.)+|\[[^\]]*\]/g) ?? [];
  let here: unknown = object;
  for (const raw of steps) {
    const step = raw.replaceAll("\\", "");
    const filter = /^\[\?\(@\.([\w-]+)\s*==\s*["'](.*)["']\)\]$/.exec(step);
    if (filter !== null) here = Array.isArray(here) ? here.find((item) => text(item, filter[1]!) === filter[2]) : undefined;
    else if (/^\[\d+\]$/.test(step)) here = Array.isArray(here) ? here[Number(step.slice(1, -1))] : undefined;
    else here = isTree(here) ? here[step] : undefined;
  }
  if (here === undefined) return type === "string" ? "" : null;
  if (type === "date") return humanAge(String(here), nowMs);
  return isTree(here) || Array.isArray(here) ? JSON.stringify(here) : here;
}

function customColumns(kind: Kind): Column[] {
  const own = (Array.isArray(kind.columns) ? kind.columns : []) as Tree[];
  const columns = own.map((column): Column => {
    const type = text(column, "type") || "string";
    return { name: text(column, "name"), type, priority: Number(column["priority"] ?? 0), cell: (object, nowMs) => customCell(object, text(column, "jsonPath"), type, nowMs) };
  });
  return columns.length > 0 ? columns : [{ name: "Age", type: "date", priority: 0, cell: (object, nowMs) => humanAge(object.metadata.creationTimestamp, nowMs) }];
}

const nameColumn: Column = { name: "Name", type: "string", priority: 0, cell: (object) => object.metadata.name };

function columnsOf(kind: Kind): readonly Column[] {
  if (kind.isCustom) return [nameColumn, ...customColumns(kind)];
  const own = columnsByKind[kind.kind];
  if (own !== undefined) return own[0]?.name === "Last Seen" ? own : [nameColumn, ...own];
  return [nameColumn, { name: "Age", type: "date", priority: 0, cell: (object, nowMs) => humanAge(object.metadata.creationTimestamp, nowMs) }];
}

export function tableRow(kind: Kind, object: KubeObject, format: Format, nowMs: number): Tree {
  const row: Tree = { cells: columnsOf(kind).map((column) => column.cell(object, nowMs)) };
  if (format.includeObject === "Object") row["object"] = versioned(kind, object);
  else if (format.includeObject === "Metadata") row["object"] = partialMetadata(object, format.metaVersion);
  return row;
}

export function tableHead(kind: Kind, format: Format, metadata: Tree): Tree {
  const columnDefinitions = columnsOf(kind).map(({ name, type, priority }) => ({
    name,
    type: type === "date" ? "string" : type,
    format: name === "Name" ? "name" : "",
    description: `${name} of the ${kind.kind}`,
    priority,
  }));
  return { kind: "Table", apiVersion: `meta.k8s.io/${format.metaVersion}`, metadata, columnDefinitions };
}

export function tableOf(kind: Kind, objects: readonly KubeObject[], format: Format, nowMs: number, metadata: Tree): Tree {
  return { ...tableHead(kind, format, metadata), rows: objects.map((object) => tableRow(kind, object, format, nowMs)) };
}

