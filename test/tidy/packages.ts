// Doors 5 and 6: one door per package, one builder of outbound sockets, one place each for the environment and for ending the process. Naming a
// package's type elsewhere is no door (it is erased), using it is.
import { isProduct, visit, type AstNode, type Finding, type Source, type Tree } from "./tree.ts";

/** Package -> files or folders (ending in "/") that may use it. A package that is not here has no door yet. */
const PACKAGE_DOORS: Readonly<Record<string, readonly string[]>> = {
  tweetnacl: ["shared/kit/keys.ts"],
  pino: ["shared/kit/log.ts"],
  ws: ["shared/link/", "agent/dial.ts", "relay/agents/accept.ts"],
  "better-sqlite3": ["shared/kit/store-open.ts", "shared/kit/store-engine.ts", "shared/kit/store-salvage.ts"],
  undici: ["agent/kube/", "relay/cli/"],
  "@kubernetes/client-node": ["agent/kube/"],
  "p-retry": ["agent/dial.ts", "agent/enrol.ts"],
  "@peculiar/x509": ["shared/kit/certificates.ts"],
  "reflect-metadata": ["shared/kit/certificates.ts"],
  commander: ["relay/cli/"],
  typebox: ["shared/api-schema.ts"],
  // On an operator's own files and answers; never on bytes from a peer.
  yaml: ["relay/cli/"],
};

function isBehind(path: string, doors: readonly string[]): boolean {
  return doors.some((door) => (door.endsWith("/") ? path.startsWith(door) : path === door));
}

function packageName(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]!;
}

/** Door 5. */
export function packageDoors(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    if (!isProduct(source.path)) continue;
    for (const one of source.imports) {
      if (one.path !== null || one.specifier.startsWith("node:") || one.isTypeOnly) continue;
      const name = packageName(one.specifier);
      const doors = PACKAGE_DOORS[name] ?? [];
      if (isBehind(source.path, doors)) continue;
      findings.push({
        rule: "package-doors",
        path: source.path,
        line: one.line,
        what: doors.length === 0 ? `the package ${name} has no door` : `the package ${name} is used outside its door (${doors.join(", ")})`,
      });
    }
  }
  return findings;
}

/** What opens a socket to somewhere, by module. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  "node:net": ["connect", "createConnection"],
  "node:tls": ["connect"],
  "node:http": ["request", "get", "Agent"],
  "node:https": ["request", "get", "Agent"],
  "node:http2": ["connect"],
  "node:dgram": ["createSocket"],
  // These go through undici's global dispatcher, which dials for itself.
  undici: ["request", "fetch", "stream", "pipeline", "connect", "upgrade", "Agent", "ProxyAgent", "WebSocket", "setGlobalDispatcher"],
};
/** `file name`: what takes another way, and why. */
const OTHER_WAYS = new Map([
  ["agent/kube/upgrade.ts request", "speaks HTTP/1.1 on a socket of dial's"],
  ["agent/local.ts connect", "a socket file of this machine: no network"],
]);
const OPENING_GLOBALS = new Set(["fetch", "EventSource"]);
const SOCKET_CLASSES = new Set(["Socket", "TLSSocket"]);
const DIAL = "shared/kit/dial.ts";

/** Door 6, sockets. A WebSocket and an undici Pool are given dial's socket: their own doors are in the table above, and `connect` or `createConnection` must be there. */
export function oneDial(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    if (!isProduct(source.path) || source.path === DIAL) continue;
    const add = (line: number, what: string): void => void findings.push({ rule: "one-dial", path: source.path, line, what });
    for (const one of source.imports) {
      const openers = one.isTypeOnly ? undefined : OPENERS[one.specifier];
      const opener =
        openers === undefined
          ? undefined
          : one.names.find((name) => (name === "*" || name === "default" || openers.includes(name)) && !OTHER_WAYS.has(`${source.path} ${name}`));
      if (opener !== undefined) add(one.line, `${opener} of ${one.specifier} opens sockets: ${DIAL} is the one that does`);
    }
    visit(source.program, (node) => {
      const what = openedBy(source, node);
      if (what !== null) add(source.lineAt(node.start), what);
    });
  }
  return findings;
}

function openedBy(source: Source, node: AstNode): string | null {
  if (node.type !== "CallExpression" && node.type !== "NewExpression") return null;
  const name = String((node["callee"] as AstNode)["name"] ?? "");
  if (OPENING_GLOBALS.has(name)) return `${name} opens sockets by itself: ${DIAL} is the one that does`;
  if (node.type !== "NewExpression") return null;
  if (SOCKET_CLASSES.has(name)) return `new ${name} opens a socket: ${DIAL} is the one that does`;
  const text = source.text.slice(node.start, node.end);
  if (name === "WebSocket" && !/\bcreateConnection\b/.test(text)) return `this WebSocket dials by itself: give it a socket of ${DIAL} by createConnection`;
  if ((name === "Pool" || name === "Client") && !/\bconnect\b/.test(text)) return `this ${name} dials by itself: give it a connector of ${DIAL}`;
  return null;
}

const ENVIRONMENT_READERS = new Set(["agent/config.ts", "relay/config.ts", "relay/cli/main.ts"]);
const ENTRIES = new Set(["agent/main.ts", "relay/main.ts", "relay/cli/main.ts"]);

function memberName(node: AstNode): string {
  if (node.type !== "MemberExpression") return "";
  const object = (node["object"] as AstNode)["name"];
  const property = node["property"] as AstNode;
  return `${String(object)}.${String(property["name"] ?? property["value"])}`;
}

/** Door 6, the process. */
export function processDoors(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    if (!isProduct(source.path)) continue;
    const add = (line: number, what: string): void => void findings.push({ rule: "process-doors", path: source.path, line, what });
    for (const one of source.imports)
      if (/^(?:node:)?process$/.test(one.specifier)) add(one.line, "process is imported: say process.env or process.exit, so that it is seen");
    visit(source.program, (node) => {
      const name = memberName(node);
      const line = source.lineAt(node.start);
      if (name === "process.env" && !ENVIRONMENT_READERS.has(source.path)) add(line, "process.env is read outside the settings");
      if (name === "process.exit" && !ENTRIES.has(source.path)) add(line, "process.exit ends the process outside an entry");
      if (name.startsWith("console.") && !ENTRIES.has(source.path)) add(line, `${name} writes outside an entry: log, or return what is to be said`);
    });
  }
  return findings;
}
