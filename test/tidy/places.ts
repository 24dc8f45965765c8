// What must never be in the tree, whatever the file: a machine's own paths, the registries that this machine happens to use, hosts that are neither an
// example nor loopback. And what Git must keep out: keys, certificates, databases, tokens.
import type { Finding, Tree } from "./tree.ts";

/** Home and work folders of some machine. Written in parts, so that this file does not find itself. */
const MACHINE_FOLDERS = ["work", "root", "home"];
const MACHINE_PATH = new RegExp(`(?<![\\w.}~$)-])/(?:${MACHINE_FOLDERS.join("|")})/`);

/** `here`: paths that name this machine (the checkout, a home folder); `hosts`: names that its registries have. */
export function machineWords(tree: Tree, here: readonly string[], hosts: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    for (const [index, line] of text.split("\n").entries()) {
      const place = MACHINE_PATH.exec(line)?.[0] ?? here.find((one) => line.includes(one));
      if (place !== undefined) findings.push({ rule: "machine-words", path, line: index + 1, what: `a machine's own path: ${place}` });
      const host = hosts.find((one) => line.includes(one));
      if (host !== undefined) findings.push({ rule: "machine-words", path, line: index + 1, what: `a registry's host: ${host}` });
    }
  }
  return findings;
}

/** Hosts of registries and proxies as the environment names them. */
export function registryHosts(env: Readonly<Record<string, string | undefined>>): string[] {
  const hosts = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !/registry|goproxy|gosumdb|index_url|https?_proxy/i.test(name)) continue;
    for (const [, host] of value.matchAll(/https?:\/\/(?:[^@/\s]*@)?([a-z0-9.-]+)/gi))
      if (host!.includes(".") && !/^127\.|^\d+(?:\.\d+){3}$/.test(host!)) hosts.add(host!);
  }
  return [...hosts];
}

/** A host in an address: examples (RFC 2606), loopback, private and cluster-internal ones; a placeholder or a name without a dot is nobody's. */
const HOST = /\b(?:https?|wss?):\/\/(?:[^\s/@"'`]*@)?([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)/g;
const NOBODYS_HOST =
  /^(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|169\.254\.\d+\.\d+|(?:[\w-]+\.)*(?:example|test|invalid|localhost|local|internal|svc)|(?:[\w-]+\.)*example\.(?:com|net|org)|[A-Za-z0-9-]+)$/i;
/** Standards and projects that a comment may point to. */
const POINTED_TO = /^(?:www\.)?(?:rfc-editor\.org|github\.com|kubernetes\.io|sqlite\.org|nodejs\.org)$/;

export function strangeHosts(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    if (/(?:^|\/)(?:package-lock\.json|go\.sum)$/.test(path)) continue;
    for (const [index, line] of text.split("\n").entries()) {
      for (const [, host] of line.matchAll(HOST))
        if (!NOBODYS_HOST.test(host!) && !POINTED_TO.test(host!))
          findings.push({ rule: "strange-hosts", path, line: index + 1, what: `an address at ${host}: examples are *.example or *.example.com` });
    }
  }
  return findings;
}

/** What a careless `git add .` must not take: each is asked of Git by the caller. */
const SECRET_SAMPLES = [
  "certs-dev/out/ca.key",
  "relay.key",
  "agent/identity.key",
  "tls/ca.crt",
  "tls/server.pem",
  "request.csr",
  "store.p12",
  "relay.db",
  "agent/agent.db",
  "relay.db-wal",
  "relay.db-shm",
  "copy.sqlite",
  "operator.token",
  "first-login",
  "kubeconfig",
  "prod.kubeconfig",
  ".bowline/relay/relay.db",
  "dist/agent.mjs",
  "node_modules/ws/index.js",
  ".node/node/bin/node",
  "run.log",
] as const;

export function keptOut(isIgnored: (path: string) => boolean): Finding[] {
  return SECRET_SAMPLES.filter((path) => !isIgnored(path)).map((path) => ({
    rule: "kept-out",
    path: ".gitignore",
    line: 1,
    what: `Git would take in ${path}`,
  }));
}
