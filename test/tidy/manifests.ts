// Package manifests: exact pins, a lockfile that says the same, no package that runs a script when it is installed. And the README's commands: each exists
// and starts a file that is there.
import type { Finding, Tree } from "./tree.ts";

interface PackageManifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly packages: Readonly<Record<string, PackageManifest & { readonly hasInstallScript?: boolean; readonly resolved?: string }>>;
}

/** Their scripts are not run (`ignore-scripts`), and they work without. */
const INSTALL_SCRIPTS_ALLOWED = new Map([["node_modules/esbuild", "it only shortens the way to its binary, which is a package of its own"]]);
const EXACT = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
const KINDS = ["dependencies", "devDependencies", "optionalDependencies"] as const;

function lineOf(text: string, part: string): number {
  return text.slice(0, Math.max(0, text.indexOf(part))).split("\n").length;
}

export function pins(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    if (!/(?:^|\/)package\.json$/.test(path)) continue;
    const manifest = JSON.parse(text) as PackageManifest;
    const lockText = tree.files.get(path.replace(/package\.json$/, "package-lock.json"));
    const locked = lockText === undefined ? undefined : (JSON.parse(lockText) as Lockfile).packages[""];
    for (const kind of KINDS) {
      for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
        const add = (what: string): void => void findings.push({ rule: "pins", path, line: lineOf(text, `"${name}"`), what });
        if (!EXACT.test(version.replace(/^npm:.*@/, ""))) add(`${name} is not pinned to one version: ${version}`);
        if (locked?.[kind]?.[name] !== version) add(`the lockfile does not have ${name} ${version}`);
      }
    }
  }
  return findings;
}

export function installScripts(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    if (!/(?:^|\/)package-lock\.json$/.test(path)) continue;
    for (const [place, { hasInstallScript, resolved }] of Object.entries((JSON.parse(text) as Lockfile).packages)) {
      const add = (what: string): void => void findings.push({ rule: "install-scripts", path, line: lineOf(text, `"${place}"`), what });
      if (hasInstallScript === true && !INSTALL_SCRIPTS_ALLOWED.has(place)) add(`${place} runs a script when it is installed`);
      if (resolved !== undefined) add(`${place} names the registry that it came from`);
    }
  }
  for (const [path, text] of tree.files)
    if (/(?:^|\/)\.npmrc$/.test(path) && !/^ignore-scripts=true$/m.test(text))
      findings.push({ rule: "install-scripts", path, line: 1, what: "ignore-scripts=true is missing" });
  return findings;
}

/** Files that a script starts: words that look like one. */
const SCRIPT_FILE = /(?:^|\s)([\w./-]+\.(?:ts|mjs))(?=\s|$)/g;

export function readmeCommands(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const manifestText = tree.files.get("package.json") ?? "{}";
  const scripts = (JSON.parse(manifestText) as PackageManifest).scripts ?? {};
  for (const [path, text] of tree.files) {
    if (!path.endsWith(".md")) continue;
    for (const [index, line] of text.split("\n").entries()) {
      const add = (what: string): void => void findings.push({ rule: "readme-commands", path, line: index + 1, what });
      for (const [, named, short] of line.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)/g))
        if (!Object.hasOwn(scripts, named ?? short!)) add(`there is no script "${named ?? short!}" in package.json`);
      for (const [, target] of line.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g))
        if (!hasPath(tree, path, target!)) add(`the link to ${target} leads nowhere`);
      for (const [, file] of line.matchAll(/(?:^|\s)(\.ci\/[\w-]+)/g)) if (!tree.files.has(file!)) add(`there is no ${file}`);
    }
  }
  for (const [name, script] of Object.entries(scripts)) {
    for (const [, file] of script.matchAll(SCRIPT_FILE))
      if (!tree.files.has(file!))
        findings.push({
          rule: "readme-commands",
          path: "package.json",
          line: lineOf(manifestText, `"${name}":`),
          what: `the script "${name}" starts ${file}, which is not there`,
        });
  }
  return findings;
}

function hasPath(tree: Tree, from: string, target: string): boolean {
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  const path = parts.join("/");
  return tree.files.has(path) || [...tree.files.keys()].some((file) => file.startsWith(`${path}/`));
}
