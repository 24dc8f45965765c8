// `login`, `logout`, `whoami`, `context`, `operator add|ls|rm|token`, `kube login`: who may speak to the relay, and kubectl's way in. Tokens are written to
// files of mode 0600 and printed only where the command's purpose is to hand one over.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { Fault } from "../../shared/kit/errors.ts";
import type { KubeLoginAnswer, Listing, LoginAnswer } from "../../shared/api.ts";
import { dropContext, readContexts, saveContext, useContext } from "./contexts.ts";
import { printList, printOne, type Column } from "./output.ts";
import type { Run } from "./run.ts";

export async function login(run: Run, server: string, options: { caFile: string | null; token: string; name: string | null }): Promise<void> {
  const ca = options.caFile === null ? null : readCa(options.caFile);
  const client = run.clientFor(server, ca, null);
  try {
    const answer = await client.post<LoginAnswer>("/login", { token: options.token });
    const name = options.name ?? new URL(client.server).host;
    saveContext(run.options.contextFile, { name, server: client.server, ca, operator: answer.operator, token: answer.token, expires: answer.expires });
    run.terminal.say(`logged in to ${client.server} as ${answer.operator} (tier ${answer.tier}) until ${answer.expires}; context "${name}"\n`);
  } finally {
    await client.close();
  }
}

function readCa(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `the CA file ${path} cannot be read`, why: (error as Error).message, hint: "the relay keeps it in DATA/tls/ca.crt" });
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new Fault("FILE_INVALID", { what: `${path} is not a certificate`, why: "it holds no PEM block CERTIFICATE" });
  return text;
}

export async function logout(run: Run): Promise<void> {
  const context = run.context();
  await run.client().post("/logout", {});
  dropContext(run.options.contextFile, context.name);
  run.terminal.say(`logged out of ${context.server}; its token is revoked\n`);
}

export async function whoami(run: Run): Promise<void> {
  const me = await run.client().get<{ operator: string; tier: string; expires: string }>("/whoami");
  const context = run.context();
  printOne(run.terminal, run.format, { ...me, server: context.server, context: context.name }, me.operator, () => `${me.operator} (tier ${me.tier}) at ${context.server} until ${me.expires}\n`);
}

export function listContexts(run: Run, use: string | null): void {
  if (use !== null) useContext(run.options.contextFile, use);
  const { contexts, current } = readContexts(run.options.contextFile);
  const rows = contexts.map(({ name, server, operator, expires }) => ({ current: name === current, name, server, operator, expires }));
  const columns: Column<(typeof rows)[number]>[] = [
    { title: "CURRENT", value: (row) => (row.current ? "*" : "") },
    { title: "NAME", value: (row) => row.name },
    { title: "SERVER", value: (row) => row.server },
    { title: "OPERATOR", value: (row) => row.operator },
    { title: "EXPIRES", value: (row) => row.expires },
  ];
  printList(run.terminal, run.format, rows, columns, (row) => row.name, "no contexts; bowline login https://HOST:8443 --ca FILE --token TOKEN");
}

interface OperatorRow {
  readonly name: string;
  readonly tier: string;
  readonly created: string;
  readonly tokens: number;
}

export async function listOperators(run: Run): Promise<void> {
  const { items } = await run.client().get<Listing<OperatorRow>>("/operators");
  const columns: Column<OperatorRow>[] = [
    { title: "NAME", value: (row) => row.name },
    { title: "TIER", value: (row) => row.tier },
    { title: "TOKENS", value: (row) => String(row.tokens) },
    { title: "CREATED", value: (row) => row.created },
  ];
  printList(run.terminal, run.format, items, columns, (row) => `operator/${row.name}`, "no operators");
}

export async function addOperator(run: Run, name: string, tier: string): Promise<void> {
  await run.client().post("/operators", { name, tier });
  run.terminal.say(`operator ${name} is added; make a token for them: bowline operator token ${name}\n`);
}

export async function removeOperator(run: Run, name: string): Promise<void> {
  await run.client().delete(`/operators/${encodeURIComponent(name)}`);
  run.terminal.say(`operator ${name} is removed and every token of theirs revoked\n`);
}

export async function operatorToken(run: Run, name: string | null, ttlMs: number): Promise<void> {
  const answer = await run.client().post<LoginAnswer>("/operator-tokens", { ...(name === null ? {} : { operator: name }), ttlMs });
  printOne(run.terminal, run.format, answer, answer.operator, () => `${answer.token}\n`);
  if (run.format === "table") run.terminal.say(`for ${answer.operator}, until ${answer.expires}; it is shown once\n`);
}

/** Writes a kubeconfig with a context for each site and one static token. */
export async function kubeLogin(run: Run, options: { sites: readonly string[]; ttlMs: number; file: string | null }): Promise<void> {
  const answer = await run.client().post<KubeLoginAnswer>("/kube-login", { ttlMs: options.ttlMs, sites: options.sites });
  if (answer.sites.length === 0) throw new Fault("SITE_UNKNOWN", { what: "there is no site to log in to", hint: "bowline site ls" });
  const context = run.context();
  const text = kubeconfig(context.server, context.ca, answer);
  const file = options.file ?? join(run.options.configDir, "kube", `${context.name.replaceAll(/[^\w.-]/g, "_")}.yaml`);
  if (file === "-") return run.terminal.out(text);
  writePrivate(file, text);
  run.terminal.out(`export KUBECONFIG=${file}\n`);
  run.terminal.say(`wrote ${file} with ${answer.sites.length} ${answer.sites.length === 1 ? "context" : "contexts"} (${answer.sites.slice(0, 8).join(", ")}), good until ${answer.expires}\n`);
}

function kubeconfig(server: string, ca: string | null, answer: KubeLoginAnswer): string {
  const authority = ca === null ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: answer.sites.map((site) => ({ name: site, cluster: { server: `${server}/k8s/${site}`, ...authority } })),
    users: [{ name: "bowline", user: { token: answer.token } }],
    contexts: answer.sites.map((site) => ({ name: site, context: { cluster: site, user: "bowline" } })),
    "current-context": answer.sites[0],
  });
}

function writePrivate(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${process.pid}.tmp`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, file);
}
