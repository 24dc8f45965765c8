// One word per thing: the words that the house does not use in names that we declare (house.md, design README), as whole words of a name in any
// spelling. Keys of object literals are judged where their type is declared. Names of others keep theirs: the list below says whose.
import { visit, type AstNode, type Finding, type Source, type Tree } from "./tree.ts";

const REFUSED = ["connection", "channel", "session", "tunnel", "manager", "helper", "util", "data", "info"];
const REFUSED_WORDS = new Set(REFUSED.flatMap((word) => [word, `${word}s`]));

/** `file name`: names that are somebody else's, spelled as they spell them. */
const THEIRS = new Map([
  ["shared/kit/log.ts info", "pino's log level"],
  ["agent/kube/facts.ts nodeInfo", "Kubernetes: status of a Node"],
  ["agent/kube/witness-secret.ts data", "Kubernetes: a Secret"],
  ["agent/manifest.test.ts stringData", "Kubernetes: a Secret"],
  ["agent/command/undo.ts data", "Kubernetes: a ControllerRevision"],
  ["relay/cli/upkeep.ts deleteEmptydirData", "kubectl: --delete-emptydir-data, as commander names it"],
  ["test/kit/kubesim/tree.ts manager", "Kubernetes: an entry of managedFields"],
  ["agent/command/apply.ts FIELD_MANAGER", "Kubernetes: fieldManager of a server-side apply"],
]);

/** `getHTTPData_x` -> get, http, data, x. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

export function refusedWords(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const path of tree.files.keys()) {
    const word = wordsOf(path).find((one) => REFUSED_WORDS.has(one));
    if (word !== undefined) findings.push({ rule: "words", path, line: 1, what: `the path has the word "${word}"` });
  }
  for (const source of tree.sources) {
    for (const name of declaredNames(source)) {
      const text = String(name["name"]);
      const word = THEIRS.has(`${source.path} ${text}`) ? undefined : wordsOf(text).find((one) => REFUSED_WORDS.has(one));
      if (word !== undefined)
        findings.push({ rule: "words", path: source.path, line: source.lineAt(name.start), what: `the name ${text} has the word "${word}"` });
    }
  }
  return findings;
}

const WITH_NAME = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ClassDeclaration",
  "ClassExpression",
  "TSInterfaceDeclaration",
  "TSTypeAliasDeclaration",
  "TSEnumDeclaration",
  "TSModuleDeclaration",
  "VariableDeclarator",
]);
const WITH_PARAMETERS = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "TSMethodSignature",
  "TSFunctionType",
  "TSDeclareFunction",
]);
const WITH_KEY = new Set([
  "PropertyDefinition",
  "MethodDefinition",
  "AccessorProperty",
  "TSPropertySignature",
  "TSMethodSignature",
  "TSAbstractMethodDefinition",
]);

function declaredNames(source: Source): AstNode[] {
  const found: AstNode[] = [];
  const add = (pattern: AstNode | null | undefined): void => found.push(...namesIn(pattern)) as unknown as void;
  visit(source.program, (node) => {
    if (WITH_NAME.has(node.type)) add(node["id"] as AstNode | null);
    if (WITH_PARAMETERS.has(node.type)) for (const parameter of node["params"] as AstNode[]) add(parameter);
    if (WITH_KEY.has(node.type) && node["computed"] !== true) add(node["key"] as AstNode);
    if (node.type === "CatchClause") add(node["param"] as AstNode | null);
    if (node.type === "TSTypeParameter") add(node["name"] as AstNode);
    if (node.type === "ImportSpecifier" || node.type === "ImportDefaultSpecifier" || node.type === "ImportNamespaceSpecifier") {
      const imported = (node["imported"] as AstNode | undefined)?.["name"];
      const local = node["local"] as AstNode;
      if (imported !== local["name"]) add(local); // under its own name it was judged where it is declared
    }
  });
  return found;
}

/** The names that a pattern declares; `{ data }` taken out of somebody's object keeps that object's name. */
function namesIn(pattern: AstNode | null | undefined): AstNode[] {
  if (pattern === null || pattern === undefined) return [];
  switch (pattern.type) {
    case "Identifier":
    case "PrivateIdentifier":
      return [pattern];
    case "ObjectPattern":
      return (pattern["properties"] as AstNode[]).flatMap((property) =>
        property.type === "RestElement"
          ? namesIn(property["argument"] as AstNode)
          : property["shorthand"] === true
            ? []
            : namesIn(property["value"] as AstNode),
      );
    case "ArrayPattern":
      return (pattern["elements"] as (AstNode | null)[]).flatMap(namesIn);
    case "AssignmentPattern":
      return namesIn(pattern["left"] as AstNode);
    case "RestElement":
      return namesIn(pattern["argument"] as AstNode);
    case "TSParameterProperty":
      return namesIn(pattern["parameter"] as AstNode);
    default:
      return [];
  }
}
