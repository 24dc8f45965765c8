// The three patches that carry no owner: JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic merge patch with its
// directives ($patch, $retainKeys, $deleteFromPrimitiveList, $setElementOrder). Pure: each answers a new object.
import { childType, itemType, listKeys, type FieldType } from "./schema.ts";
import { badRequest, StatusError } from "./status.ts";
import { isSame, isTree, type Tree } from "./tree.ts";

export function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isTree(patch)) return patch;
  const result: Tree = isTree(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = mergePatched(result[field], value);
  }
  return result;
}

const unprocessable = (why: string): StatusError => new StatusError(422, `the server rejected our request due to an error in our request: ${why}`, { reason: "Invalid", details: {} });

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

const stepsOf = (pointer: string): string[] => {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw unprocessable(`"${pointer}" is not a JSON pointer`);
  return pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
};

function readAt(root: unknown, pointer: string): unknown {
  let here = root;
  for (const step of stepsOf(pointer)) {
    if (Array.isArray(here) && /^\d+$/.test(step)) here = here[Number(step)];
    else here = isTree(here) ? here[step] : undefined;
    if (here === undefined) throw unprocessable(`the path ${pointer} does not exist`);
  }
  return here;
}

type Edit = (parent: Tree | unknown[], step: string) => void;

/** A copy in which `edit` changed the parent of the place that `pointer` names. */
function edited(root: unknown, pointer: string, edit: Edit): unknown {
  const copy = structuredClone(root);
  const steps = stepsOf(pointer);
  const last = steps.pop();
  if (last === undefined) throw unprocessable("the whole document cannot be removed");
  const parentPointer = pointer.slice(0, pointer.lastIndexOf("/"));
  const parent = readAt(copy, parentPointer);
  if (!Array.isArray(parent) && !isTree(parent)) throw unprocessable(`the parent of ${pointer} holds no fields`);
  edit(parent, last);
  return copy;
}

const addEdit =
  (value: unknown): Edit =>
  (parent, step) => {
    if (!Array.isArray(parent)) parent[step] = value;
    else if (step === "-") parent.push(value);
    else if (/^\d+$/.test(step) && Number(step) <= parent.length) parent.splice(Number(step), 0, value);
    else throw unprocessable(`index ${step} is outside the list`);
  };

const removeEdit: Edit = (parent, step) => {
  if (Array.isArray(parent)) parent.splice(Number(step), 1);
  else delete parent[step];
};

const replaceEdit =
  (value: unknown): Edit =>
  (parent, step) => {
    if (Array.isArray(parent)) parent[Number(step)] = value;
    else parent[step] = value;
  };

function operated(root: unknown, operation: Operation): unknown {
  const { op, path, from = "", value } = operation;
  switch (op) {
    case "add":
      return path === "" ? value : edited(root, path, addEdit(value));
    case "remove":
      readAt(root, path);
      return edited(root, path, removeEdit);
    case "replace":
      readAt(root, path);
      return path === "" ? value : edited(root, path, replaceEdit(value));
    case "move":
      return edited(edited(root, from, removeEdit), path, addEdit(readAt(root, from)));
    case "copy":
      return edited(root, path, addEdit(structuredClone(readAt(root, from))));
    case "test":
      if (!isSame(readAt(root, path), value)) throw unprocessable(`testing value ${path} failed`);
      return root;
    default:
      throw unprocessable(`unexpected kind: ${op}`);
  }
}

export function jsonPatched(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  return (patch as Operation[]).reduce(operated, target);
}

const directive = /^\$(patch|retainKeys|setElementOrder\/.*|deleteFromPrimitiveList\/.*)$/;

export function strategicPatched(target: unknown, patch: unknown, type: FieldType): unknown {
  if (!isTree(patch)) return patch;
  if (patch["$patch"] === "delete") return undefined;
  if (patch["$patch"] === "replace") return stripped(patch);
  let result: Tree = isTree(target) ? { ...target } : {};
  const retained = patch["$retainKeys"];
  if (Array.isArray(retained)) result = Object.fromEntries(Object.entries(result).filter(([field]) => retained.includes(field)));
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith("$deleteFromPrimitiveList/")) {
      const name = field.slice(field.indexOf("/") + 1);
      const gone = Array.isArray(value) ? value : [];
      if (Array.isArray(result[name])) result[name] = (result[name] as unknown[]).filter((item) => !gone.includes(item));
    }
    if (directive.test(field)) continue;
    if (value === null) delete result[field];
    else if (Array.isArray(value)) result[field] = strategicList(result[field], value, childType(type, field), patch[`$setElementOrder/${field}`]);
    else result[field] = strategicPatched(result[field], value, childType(type, field));
    if (result[field] === undefined) delete result[field];
  }
  return result;
}

function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([field, child]) => !directive.test(field) && child !== null).map(([field, child]) => [field, stripped(child)]));
}

function strategicList(target: unknown, patch: readonly unknown[], type: FieldType, order: unknown): unknown {
  const keys = listKeys(type);
  if (keys === null || patch.some((item) => isTree(item) && item["$patch"] === "replace" && Object.keys(item).length === 1)) {
    return patch.filter((item) => !(isTree(item) && item["$patch"] === "replace" && Object.keys(item).length === 1)).map(stripped);
  }
  const result: unknown[] = Array.isArray(target) ? [...target] : [];
  if (keys.length === 0) return [...result, ...patch.filter((item) => !result.some((other) => isSame(other, item)))];
  // A strategic patch names items by the first key only.
  const key = keys[0]!;
  const keyOf = (item: unknown): unknown => (isTree(item) ? item[key] : undefined);
  for (const item of patch) {
    const index = result.findIndex((other) => isSame(keyOf(other), keyOf(item)));
    const next = strategicPatched(index < 0 ? undefined : result[index], item, itemType(type));
    if (next === undefined) {
      if (index >= 0) result.splice(index, 1);
    } else if (index < 0) result.push(next);
    else result[index] = next;
  }
  if (!Array.isArray(order)) return result;
  const rank = (item: unknown): number => order.findIndex((named) => isSame(isTree(named) ? named[key] : named, keyOf(item)));
  return result.sort((left, right) => (rank(left) < 0 || rank(right) < 0 ? 0 : rank(left) - rank(right)));
}
