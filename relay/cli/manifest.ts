// Reads manifests for `apply`: files, folders and stdin, YAML or JSON, several documents each. An error names file, line and column, and
// nothing is sent. Bounded in size, documents and alias expansion, so that hostile YAML costs little.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { LineCounter, parseAllDocuments, type Document } from "yaml";
import { Fault } from "../../shared/kit/errors.ts";
import type { KubeObject } from "../../shared/api.ts";

/** Octets of one command's manifests: an envelope's body is 4 MiB, and JSON is a little larger than YAML. */
const manifestBytesMax = 3 * 1_048_576;
/** Objects in one apply. */
const objectsMax = 1_000;
/** Nodes that one document may expand to by aliases ("billion laughs"). */
const aliasesMax = 100;

/** Objects of all files in order. Faults: FILE_MISSING, MANIFEST_INVALID (file:line:column), MANIFEST_EMPTY, BODY_TOO_LARGE. */
export function readManifests(paths: readonly string[], readStdin: () => string): KubeObject[] {
  const objects: KubeObject[] = [];
  let octets = 0;
  for (const file of paths.flatMap(expand)) {
    const text = file === "-" ? readStdin() : readFile(file);
    octets += Buffer.byteLength(text);
    if (octets > manifestBytesMax) throw new Fault("BODY_TOO_LARGE", { what: `the manifests are over ${manifestBytesMax / 1_048_576} MiB`, why: `the limit was passed in ${file}`, hint: "apply in several commands" });
    objects.push(...parseManifest(text, file === "-" ? "standard input" : file));
  }
  if (objects.length === 0) {
    throw new Fault("MANIFEST_EMPTY", { what: `there is no object in ${paths.join(", ")}`, why: "every document is empty or only comments", hint: "check the file: an object has apiVersion, kind and metadata.name" });
  }
  if (objects.length > objectsMax) throw new Fault("BODY_TOO_LARGE", { what: `the manifests hold ${objects.length} objects`, why: `one command takes ${objectsMax}`, hint: "apply in several commands" });
  return objects;
}

function expand(path: string): string[] {
  if (path === "-") return [path];
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `${path} cannot be read`, why: (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message, hint: "-f takes a file, a folder, or - for standard input" });
  }
  if (!isFolder) return [path];
  return readdirSync(path)
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `${path} cannot be read`, why: (error as Error).message, hint: "check its owner and mode; -f takes a file, a folder, or - for standard input" });
  }
}

/** Objects of one text; `List` kinds are taken apart as kubectl does. */
export function parseManifest(text: string, file: string): KubeObject[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true }) as Document[];
  const objects: KubeObject[] = [];
  for (const document of Array.isArray(documents) ? documents : []) {
    const problem = document.errors[0];
    if (problem) {
      const at = lines.linePos(problem.pos[0]);
      throw invalid(file, at.line, at.col, problem.message.split("\n")[0]!);
    }
    const start = lines.linePos(document.contents?.range?.[0] ?? 0);
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: aliasesMax });
    } catch (error) {
      throw invalid(file, start.line, start.col, (error as Error).message);
    }
    if (value === null || value === undefined) continue;
    for (const item of isList(value) ? value.items : [value]) objects.push(requireObject(item, file, start.line, start.col));
  }
  return objects;
}

function isList(value: unknown): value is { items: unknown[] } {
  const list = value as { kind?: unknown; items?: unknown };
  return typeof list.kind === "string" && list.kind.endsWith("List") && Array.isArray(list.items);
}

function requireObject(value: unknown, file: string, line: number, column: number): KubeObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(file, line, column, "a document must be an object with apiVersion, kind and metadata");
  const object = value as Partial<KubeObject>;
  for (const name of ["apiVersion", "kind"] as const) {
    if (typeof object[name] !== "string" || object[name] === "") throw invalid(file, line, column, `the object has no ${name}`);
  }
  if (typeof object.metadata?.name !== "string" || object.metadata.name === "") throw invalid(file, line, column, `the ${object.kind} has no metadata.name`);
  return object as KubeObject;
}

function invalid(file: string, line: number, column: number, why: string): Fault {
  return new Fault("MANIFEST_INVALID", { what: `${file}:${line}:${column}: the manifest cannot be read`, why, hint: "nothing was sent; mend the file and run the command again", facts: { file, line, column } });
}
