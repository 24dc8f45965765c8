// Door 3: pure rooms have no clock, no timer, no chance, no await, no log, no package and nothing of Node. Time and chance are arguments, so that everything
// replays from a seed.
import { isTest, placeOf, visit, type AstNode, type Finding, type Source, type Tree } from "./tree.ts";

const PURE_ROOMS = new Set(["shared/wire", "shared/mux", "shared/rules"]);
const PURE_FILES = new Set(["agent/kube/policy.ts", "agent/status/report.ts"]);
/** Pure apart from kit/keys. */
const NEARLY_PURE_ROOM = "shared/trust";
/** What of kit is itself pure. */
const PURE_KIT = new Set(["shared/kit/assert.ts", "shared/kit/errors.ts", "shared/kit/shown.ts"]);
const KEYS = "shared/kit/keys.ts";

const REFUSED_GLOBALS = new Set([
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "clearTimeout",
  "clearInterval",
  "process",
  "console",
  "crypto",
  "fetch",
  "globalThis",
  "require",
  "Promise",
  "WebSocket",
]);
/** A Node global; trust's statements are made of it. */
const NODE_GLOBALS = new Set(["Buffer"]);
const REFUSED_MEMBERS = new Set(["Date.now", "Math.random"]);

type Purity = "pure" | "nearly" | null;

function purityOf(path: string): Purity {
  const { side, room } = placeOf(path);
  if (isTest(path)) return null;
  if (PURE_ROOMS.has(`${side}/${room}`) || PURE_FILES.has(path)) return "pure";
  return `${side}/${room}` === NEARLY_PURE_ROOM ? "nearly" : null;
}

export function pureRooms(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    const purity = purityOf(source.path);
    if (purity === null) continue;
    const add = (line: number, what: string): void => void findings.push({ rule: "pure-rooms", path: source.path, line, what });
    for (const one of source.imports) {
      if (one.isTypeOnly) continue;
      if (one.path === null) add(one.line, `a pure file imports ${one.specifier}`);
      else if (one.path.startsWith("shared/kit/") && !PURE_KIT.has(one.path) && !(purity === "nearly" && one.path === KEYS))
        add(one.line, `a pure file imports ${one.path}, which is not pure`);
    }
    visit(source.program, (node, parents) => {
      const what = impurityOf(source, node, parents.at(-1), purity);
      if (what !== null) add(source.lineAt(node.start), what);
    });
  }
  return findings;
}

function impurityOf(source: Source, node: AstNode, parent: AstNode | undefined, purity: Purity): string | null {
  switch (node.type) {
    case "AwaitExpression":
      return "a pure file awaits";
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      return node["async"] === true ? "a pure file has an async function" : null;
    case "ImportExpression":
      return "a pure file loads a module while it runs";
    case "NewExpression":
      return (node["callee"] as AstNode)["name"] === "Date" && (node["arguments"] as unknown[]).length === 0
        ? "a pure file reads the clock (new Date())"
        : null;
    case "MemberExpression": {
      const name = source.text.slice(node.start, node.end).replaceAll(/\s/g, "");
      return REFUSED_MEMBERS.has(name) ? `a pure file uses ${name}` : null;
    }
    case "Identifier": {
      const name = String(node["name"]);
      const isRefused = REFUSED_GLOBALS.has(name) || (purity === "pure" && NODE_GLOBALS.has(name));
      return isRefused && !isOwnName(node, parent) ? `a pure file uses ${name}` : null;
    }
    default:
      return null;
  }
}

/** `a.process` and `{ process: 1 }` name a member and use nothing. */
function isOwnName(node: AstNode, parent: AstNode | undefined): boolean {
  if (parent === undefined) return false;
  if (parent.type === "MemberExpression") return parent["property"] === node && parent["computed"] === false;
  return (
    ["Property", "PropertyDefinition", "MethodDefinition", "TSPropertySignature", "TSMethodSignature"].includes(parent.type) &&
    parent["key"] === node &&
    parent["shorthand"] !== true
  );
}
