// `login`, `logout`, `whoami`, `context`, `operator add|ls|rm`, `kube login`: who may speak to the relay, and kubectl's way in. Tokens are written to files of mode
// 0600. See tokens.ts for those that are handed over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../shared/kit/errors.ts";
import type { Listing } from "../../shared/api.ts";
import type { KubeLoginAnswer, LoginAnswer } from "../../shared/api-people.ts";
import { dropContext, readContexts, saveContext, useContext } from "./contexts.ts";
import { kubeconfigText, requireOwnFile, writeKubeconfig } from "./kubeconfig.ts";
import { printList, printOne, type Column } from "./output.ts";
import type { Run } from "./run.ts";

/** What a renewed login gets (ms): as a first one. */
const loginMs = 30 * 86_400_000;

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

/** A fresh token for the context in use, while its old one is still good. The old one ends at its own time: another machine may have it as well. */
export async function renewLogin(run: Run): Promise<void> {
  const context = run.context();
  const answer = await run.client().post<LoginAnswer>("/operator-tokens", { ttlMs: loginMs });
  saveContext(run.options.contextFile, { ...context, operator: answer.operator, token: answer.token, expires: answer.expires });
  run.terminal.say(`logged in to ${context.server} as ${answer.operator} until ${answer.expires}; context "${context.name}"\n`);
}

function readCa(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `the CA file ${path} cannot be read`, why: (error as Error).message, hint: "the relay keeps it in DATA/tls/ca.crt" });
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new Fault("FILE_INVALID", { what: `${path} is not a certificate`, why: "it holds no PEM block CERTIFICATE", hint: "the relay keeps it in DATA/tls/ca.crt" });
  return text;
}

/** The relay does not take the token any more: then there is nothing to revoke. */
const OVER: readonly string[] = ["TOKEN_UNKNOWN", "TOKEN_EXPIRED", "TOKEN_REVOKED"];

export async function logout(run: Run): Promise<void> {
  const context = run.context();
  let said = "its token is revoked";
  try {
    await run.client().post("/logout", {});
  } catch (error) {
    if (!(error instanceof Fault) || !OVER.includes(error.code)) throw error;
    said = `its token was good no more (${error.code})`;
  }
  dropContext(run.options.contextFile, context.name);
  run.terminal.say(`logged out of ${context.server}; ${said}\n`);
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

/** Writes a kubeconfig with a context for each site and one static token. */
export async function kubeLogin(run: Run, options: { sites: readonly string[]; ttlMs: number; file: string | null }): Promise<void> {
  const context = run.context();
  const file = options.file ?? join(run.options.configDir, "kube", `${context.name.replaceAll(/[^\w.-]/g, "_")}.yaml`);
  const path = file === "-" ? file : requireOwnFile(file);
  const answer = await run.client().post<KubeLoginAnswer>("/kube-login", { ttlMs: options.ttlMs, sites: options.sites });
  if (answer.sites.length === 0) throw new Fault("SITE_UNKNOWN", { what: "there is no site to log in to", hint: "bowline site ls" });
  const text = kubeconfigText(context.server, context.ca, answer);
  if (path === "-") return run.terminal.out(text);
  writeKubeconfig(path, text);
  run.terminal.out(`export KUBECONFIG=${file}\n`);
  run.terminal.say(`wrote ${file} with ${answer.sites.length} ${answer.sites.length === 1 ? "context" : "contexts"} (${answer.sites.slice(0, 8).join(", ")}), good until ${answer.expires}\n`);
}
