// How files look (house.md sections 2, 3 and 5): their length, the length of functions, the comment at the head, no barrels, no default exports, no third
// folder level, and no test that no ring runs.
import { matchesGlob } from "node:path";
import { isTest, placeOf, visit, type AstNode, type Finding, type Source, type Tree } from "./tree.ts";

const fileLinesMax = 300;
/** A function fits a screen. */
const functionLinesMax = 60;
const headLinesMax = 8;
/** A head shorter than this says nothing that the file's name does not. */
const headCharsMin = 60;
/** A code file's folders: side and room; under test/ a ring's parts may have parts. */
const folderLevels = { product: 2, test: 4 } as const;

export function parses(tree: Tree): Finding[] {
  return tree.sources
    .filter(({ error }) => error !== null)
    .map(({ path, error }) => ({ rule: "parses", path, line: 1, what: `the file cannot be read: ${error}` }));
}

export function fileLength(tree: Tree): Finding[] {
  return tree.sources
    .filter(({ lines }) => lines.length > fileLinesMax)
    .map(({ path, lines }) => ({ rule: "file-length", path, line: lines.length, what: `the file has ${lines.length} lines, ${fileLinesMax} are the most` }));
}

export function functionLength(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    visit(source.program, (node, parents) => {
      if (!["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(node.type) || isDescribe(parents.at(-1))) return;
      const line = source.lineAt(node.start);
      const lines = source.lineAt(node.end) - line + 1;
      if (lines > functionLinesMax)
        findings.push({ rule: "function-length", path: source.path, line, what: `a function has ${lines} lines, ${functionLinesMax} are the most` });
    });
  }
  return findings;
}

/** `describe(..., () => {...})` is a chapter and not a function; so is `describeNeeding` of test/kit/needs.ts. */
function isDescribe(parent: AstNode | undefined): boolean {
  return parent?.type === "CallExpression" && ["describe", "describeNeeding"].includes(String((parent["callee"] as AstNode)["name"]));
}

export function headComment(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    const lines = source.lines[0]?.startsWith("#!") === true ? source.lines.slice(1) : source.lines;
    const end = lines.findIndex((line) => !line.startsWith("//"));
    const head = lines.slice(0, end === -1 ? lines.length : end);
    const chars = head.join("").length;
    const what =
      head.length === 0
        ? "the file does not open with a comment: what it promises, what it refuses, who calls it"
        : head.length > headLinesMax
          ? `the head has ${head.length} lines, ${headLinesMax} are the most`
          : chars < headCharsMin
            ? "the head says too little"
            : null;
    if (what !== null) findings.push({ rule: "head-comment", path: source.path, line: 1, what });
  }
  return findings;
}

function bodyOf(source: Source): readonly AstNode[] {
  return source.program["body"] as AstNode[];
}

/** A barrel has nothing of its own; `export *` hides what a room shows. */
export function barrels(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    const body = bodyOf(source);
    for (const node of body)
      if (node.type === "ExportAllDeclaration")
        findings.push({ rule: "barrels", path: source.path, line: source.lineAt(node.start), what: "export * hides what the file shows: name it" });
    const isReExport = (node: AstNode): boolean => node.type === "ExportNamedDeclaration" && (node["declaration"] ?? null) === null;
    if (body.some(isReExport) && body.every((node) => isReExport(node) || node.type === "ImportDeclaration"))
      findings.push({ rule: "barrels", path: source.path, line: 1, what: "the file only passes on what others declare: import it from where it is" });
  }
  return findings;
}

/** Tools ask for a default export of their configuration. */
const CONFIGURATION = /\.config\.ts$/;

export function defaultExports(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    if (CONFIGURATION.test(source.path)) continue;
    for (const node of bodyOf(source)) {
      const named =
        (node["specifiers"] as AstNode[] | undefined)?.some((specifier) => (specifier["exported"] as AstNode | undefined)?.["name"] === "default") === true;
      if (node.type === "ExportDefaultDeclaration" || (node.type === "ExportNamedDeclaration" && named))
        findings.push({
          rule: "default-exports",
          path: source.path,
          line: source.lineAt(node.start),
          what: "a default export has no name that a reader could search for",
        });
    }
  }
  return findings;
}

export function folderLevel(tree: Tree): Finding[] {
  return tree.sources
    .filter(({ path }) => path.split("/").length - 1 > (placeOf(path).side === "" ? folderLevels.test : folderLevels.product))
    .map(({ path }) => ({ rule: "folder-level", path, line: 1, what: "the file lies too deep: no folder below a room" }));
}

/** `included`: the globs of every ring's configuration. */
export function orphanTests(tree: Tree, included: readonly string[]): Finding[] {
  return tree.sources
    .filter(({ path }) => isTest(path) && !included.some((glob) => matchesGlob(path, glob)))
    .map(({ path }) => ({ rule: "orphan-tests", path, line: 1, what: "no ring runs this test" }));
}
