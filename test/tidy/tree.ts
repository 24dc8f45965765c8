// The tree as the house rules see it: files by path, code parsed once, what each file imports and how. A tree may be the repository or a few
// made-up files, so that each rule can be shown a violation. Parses with oxc-parser: it reads what TypeScript 7 reads, and says where.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, visitorKeys, type ParseResult } from "oxc-parser";

export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** A node of the syntax tree (ESTree with TypeScript's additions); the rules look at a few members of a few types. */
export interface AstNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [member: string]: unknown;
}

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path in the tree for a relative one, else null. */
  readonly path: string | null;
  readonly line: number;
  /** Erased before it runs: a name for a thing that somebody else hands over. */
  readonly isTypeOnly: boolean;
  /** Names taken; "*" for all of them. */
  readonly names: readonly string[];
}

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly program: AstNode;
  readonly comments: readonly { readonly type: string; readonly start: number; readonly end: number }[];
  readonly imports: readonly Import[];
  /** Why it cannot be read, or null. The other rules then see what could be. */
  readonly error: string | null;
  lineAt(offset: number): number;
}

const CODE = /\.(?:ts|mts|mjs|js)$/;
export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export class Tree {
  readonly files: ReadonlyMap<string, string>;
  #sources: readonly Source[] | null = null;

  constructor(files: ReadonlyMap<string, string> | Readonly<Record<string, string>>) {
    this.files = files instanceof Map ? files : new Map(Object.entries(files));
  }

  /** Every file that is code, parsed. */
  get sources(): readonly Source[] {
    this.#sources ??= [...this.files].filter(([path]) => CODE.test(path)).map(([path, text]) => parseSource(path, text));
    return this.#sources;
  }
}

/** What Git knows of, and what it would take in; without Git (an unpacked archive) what lies there and is no product of a build. */
export function repositoryTree(): Tree {
  const files = new Map<string, string>();
  for (const path of repositoryPaths()) {
    const file = join(repositoryRoot, path);
    if (existsSync(file) && statSync(file).isFile()) files.set(path, readFileSync(file, "utf8"));
  }
  return new Tree(files);
}

export function hasGit(): boolean {
  return existsSync(join(repositoryRoot, ".git"));
}

function repositoryPaths(): string[] {
  if (hasGit())
    return execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: repositoryRoot, encoding: "utf8", maxBuffer: 1 << 26 })
      .split("\0")
      .filter((path) => path !== "");
  const skipped = new Set(["node_modules", ".node", ".bowline", "dist", "cache", "out", ".vitest"]);
  const walk = (folder: string): string[] =>
    readdirSync(join(repositoryRoot, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      return skipped.has(entry.name) ? [] : entry.isDirectory() ? walk(path) : [path];
    });
  return walk("");
}

function parseSource(path: string, text: string): Source {
  const parsed = parseSync(path, text);
  const starts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)];
  const lineAt = (offset: number): number => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
  const program = parsed.program as unknown as AstNode;
  return {
    path,
    text,
    lines: text.replace(/\n$/, "").split("\n"),
    program,
    comments: parsed.comments,
    imports: importsOf(path, text, parsed, program, lineAt),
    error: parsed.errors[0]?.message ?? null,
    lineAt,
  };
}

function importsOf(path: string, text: string, parsed: ParseResult, program: AstNode, lineAt: (offset: number) => number): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, offset: number, isTypeOnly: boolean, names: readonly string[]): void => {
    found.push({ specifier, path: specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : null, line: lineAt(offset), isTypeOnly, names });
  };
  const { module } = parsed;
  for (const one of module.staticImports) {
    const isTypeOnly = one.entries.length > 0 && one.entries.every((entry) => entry.isType);
    const names = one.entries
      .filter((entry) => isTypeOnly || !entry.isType)
      .map(({ importName }) => importName.name ?? (String(importName.kind) === "Default" ? "default" : "*"));
    add(one.moduleRequest.value, one.start, isTypeOnly, names);
  }
  for (const one of module.staticExports) {
    const from = one.entries.filter((entry) => entry.moduleRequest !== null);
    if (from.length > 0)
      add(
        from[0]!.moduleRequest!.value,
        one.start,
        from.every((entry) => entry.isType),
        from.map((entry) => entry.importName.name ?? "*"),
      );
  }
  for (const { moduleRequest, start } of module.dynamicImports) {
    const literal = /^["'`]([^"'`$]+)["'`]$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    if (literal !== null) add(literal[1]!, start, false, ["*"]);
  }
  visit(program, (node) => {
    if (node.type === "TSImportType") {
      const specifier = (node["source"] as AstNode | undefined)?.["value"];
      if (typeof specifier === "string") add(specifier, node.start, true, []);
    }
    // A module that is loaded by its address (the store's operations, a worker) is a door like any other.
    if (node.type !== "NewExpression" || (node["callee"] as AstNode)["name"] !== "URL") return;
    const [address, base] = node["arguments"] as AstNode[];
    const specifier = address?.["value"];
    if (base?.type === "MemberExpression" && typeof specifier === "string" && /^\.\.?\/.*\.ts$/.test(specifier)) add(specifier, node.start, false, ["*"]);
  });
  return found;
}

/** Every node, parents before children. */
export function visit(root: AstNode, see: (node: AstNode, parents: readonly AstNode[]) => void): void {
  const parents: AstNode[] = [];
  const walk = (node: AstNode): void => {
    see(node, parents);
    parents.push(node);
    for (const member of visitorKeys[node.type] ?? []) {
      const child = node[member];
      if (Array.isArray(child)) {
        for (const item of child as (AstNode | null)[]) if (item !== null) walk(item);
      } else if (child !== null && child !== undefined) walk(child as AstNode);
    }
    parents.pop();
  };
  walk(root);
}

/** `shared/kit/x.ts` -> side "shared", room "kit"; a file at a side's root has no room; elsewhere both are empty. */
export function placeOf(path: string): { readonly side: string; readonly room: string } {
  const parts = path.split("/");
  const side = ["shared", "agent", "relay"].includes(parts[0]!) && parts.length > 1 ? parts[0]! : "";
  return { side, room: side !== "" && parts.length > 2 ? parts[1]! : "" };
}

export function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}

/** The product: what the doors bind. */
export function isProduct(path: string): boolean {
  return placeOf(path).side !== "" && !isTest(path);
}
