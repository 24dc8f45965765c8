// Entry of the agent: `run`, `join`, `status`, `doctor`, `manifest`. Reads the settings, prints, sets exit codes, turns signals into a clean stop. The only file
// of the agent's side that does any of these.
import { readFileSync } from "node:fs";
import { armCrashPoint, parseCrashPlan } from "../shared/kit/crash.ts";
import { asFault, Fault, faultText } from "../shared/kit/errors.ts";
import { matchCode } from "../shared/kit/keys.ts";
import { createLogger, silentLog, type Logger } from "../shared/kit/log.ts";
import { tuneMemory } from "../shared/kit/memory.ts";
import { onStopSignals } from "../shared/kit/stop-signals.ts";
import { Agent, clusterOf } from "./agent.ts";
import { agentSettingsHelp, proxyOf, readAgentSettings, type AgentSettings } from "./config.ts";
import { checkCluster, checkDatabase, checkDisk, checkLines, checkRelay, checkRunning, diagnosis, verdict, type Check, type Diagnosis } from "./doctor.ts";
import { askToJoin, findJoinToken, interruptedJoin, prepareJoin } from "./enrol.ts";
import { hasIdentity, openAgentFolder, recordOf, type AgentFolder, type RelayRecord } from "./folder.ts";
import { askStatus, type AgentStatus } from "./local.ts";
import { machinePorts } from "./ports.ts";
import type { Renewal } from "./witness.ts";
import type { QuarantineRecord } from "./store/carry.ts";
import { agentManifest, manifestText, rbacManifest } from "./manifest.ts";

const HELP = `bowline agent run        serve this cluster (joins first when a token is given and there is no identity yet)
bowline agent join       make keys, ask the relay, print the code to read out; --wait waits for the approval
bowline agent status     how the agent that runs on this folder is
bowline agent doctor     check relay, identity, clock, cluster and disk; says whose problem it is
bowline agent manifest   print the manifest of an in-cluster agent (needs --token), or only its roles (--rbac-only)

Settings (flag, environment, meaning):
${agentSettingsHelp()}
Examples:
  bowline agent join --token TOKEN --kubeconfig ~/.kube/config && bowline agent run --kubeconfig ~/.kube/config
  bowline agent manifest --token TOKEN | kubectl apply -f -
`;

/** All checks of a doctor's visit (ms): a relay that does not answer takes 20 s of it. */
const doctorMs = 60_000;

const product = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

function makeLog(settings: AgentSettings): Logger {
  const isText = settings.logFormat === "text" || (settings.logFormat === "auto" && process.stderr.isTTY === true);
  return createLogger({ name: "agent", level: settings.logLevel, pretty: isText });
}

/** Prepares a join when there is a token and no site yet. */
async function prepare(settings: AgentSettings, folder: AgentFolder): Promise<void> {
  const facts = await folder.store.call("allFacts", null);
  if (facts.site !== undefined) return;
  const token = findJoinToken(settings);
  if (token !== null) await prepareJoin(folder, token, settings.name);
}

async function run(settings: AgentSettings): Promise<void> {
  const log = makeLog(settings);
  process.on("uncaughtException", (error) => {
    log.error({ why: error.message, stack: error.stack ?? "" }, "a bug ended the agent");
    process.exit(70);
  });
  if (settings.crash !== "") armCrashPoint(parseCrashPlan(settings.crash));
  let running: Agent | null = null;
  let isStopping = false;
  onStopSignals((signal) => {
    log.info({ signal }, "stopping; once more stops at once");
    isStopping = true;
    void running?.stop();
  }, (code) => process.exit(code));
  let renewal: Renewal | null = null;
  do {
    const folder: AgentFolder = await openAgentFolder(settings.data, { renewal, acceptNew: settings.acceptNewDatabase, onQuarantine: ({ why, told }) => log.error({ why, told }, "the database was put aside, and a new one is in its place") });
    try {
      await prepare(settings, folder);
      running = new Agent({ settings, folder, log, version: product.version, ports: machinePorts(settings, log) });
      renewal = isStopping ? null : await running.run();
    } finally {
      await folder.store.close();
    }
  } while (renewal !== null && !isStopping);
  log.info({}, "stopped");
}

/** One document of the JSON output, or the text for people. */
function say(settings: AgentSettings, kind: string, document: object, text: string): void {
  process.stdout.write(settings.output === "json" ? `${JSON.stringify({ apiVersion: "bowline/v1", kind, ...document }, null, 2)}\n` : text);
}

async function join(settings: AgentSettings): Promise<void> {
  const abort = new AbortController();
  let hasJoined = false;
  process.once("SIGINT", () => abort.abort(interruptedJoin(settings.data, hasJoined)));
  const token = findJoinToken(settings);
  if (token === null && !hasIdentity(settings.data)) throw new Fault("USAGE", { what: "no join token was given", hint: "bowline agent join --token TOKEN" });
  const folder = await openAgentFolder(settings.data);
  try {
    if (token !== null) await prepareJoin(folder, token, settings.name);
    const facts = await folder.store.call("allFacts", null);
    const relay = recordOf<RelayRecord>(facts, "relay");
    const checks = relay === null ? [] : await allChecks(settings, folder, relay, abort.signal);
    const isBarred = checks.some((check) => !check.isOk && check.culprit !== "cluster");
    if (settings.output === "text") process.stdout.write(`${checkLines(checks)}${isBarred ? verdict(diagnosis(checks)) : ""}`);
    const { name } = await askToJoin(folder, machinePorts(settings, silentLog), abort.signal);
    hasJoined = true;
    const code = matchCode(folder.keys.sign.publicKey);
    const asked = { name, site: folder.siteId, matchCode: code, checks };
    say(settings, "AgentJoin", { ...asked, state: "waiting" }, `\nThis agent asks to join as ${name}.\nTell the person at the centre this code: ${code}\nSafe to leave. Start it with: bowline agent run --data ${settings.data}\n`);
    if (!settings.wait) return;
    await waitForApproval(settings, folder, abort.signal);
    say(settings, "AgentJoin", { ...asked, state: "linked" }, "approved and linked\n"); // a second document: the first one's code had to be read before
  } finally {
    await folder.store.close();
  }
}

/** Runs the agent until it is linked: that is what approval looks like from here. */
async function waitForApproval(settings: AgentSettings, folder: AgentFolder, signal: AbortSignal): Promise<void> {
  process.stderr.write("waiting for the approval, Ctrl-C only stops waiting ...\n");
  const agent = new Agent({ settings, folder, log: silentLog, version: product.version, ports: machinePorts(settings, silentLog) });
  const done = agent.run();
  try {
    for (;;) {
      signal.throwIfAborted();
      const { state } = await askStatus(settings.data).catch(() => ({ state: "dialling" }));
      if (state === "linked") return;
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 300))]);
    }
  } finally {
    await agent.stop();
    await done;
  }
}

async function allChecks(settings: AgentSettings, folder: AgentFolder, relay: RelayRecord, signal: AbortSignal): Promise<Check[]> {
  const checks = await checkRelay(relay, folder.keys, proxyOf(settings), signal);
  checks.push(...(await clusterChecks(settings, signal)), checkDisk(folder.dir));
  return checks;
}

async function clusterChecks(settings: AgentSettings, signal: AbortSignal): Promise<Check[]> {
  try {
    const cluster = await clusterOf(settings);
    try {
      return await checkCluster(cluster.access, cluster.pool, signal);
    } finally {
      await cluster.close();
    }
  } catch (error) {
    const fault = asFault(error);
    return [{ name: "cluster", isOk: false, said: `${fault.message}: ${fault.why}`, culprit: "cluster" }];
  }
}

async function doctor(settings: AgentSettings): Promise<void> {
  const found = await diagnose(settings);
  const isOk = found.checks.every((check) => check.isOk);
  say(settings, "AgentDoctor", { isOk, ...found }, `${checkLines(found.checks)}${verdict(found)}`);
  process.exitCode = isOk ? 0 : 1;
}

async function diagnose(settings: AgentSettings): Promise<Diagnosis> {
  const limit = AbortSignal.timeout(doctorMs);
  if (!hasIdentity(settings.data)) {
    const checks = await clusterChecks(settings, limit);
    const folder: Check = { name: "folder", isOk: false, said: `${settings.data} holds no identity: bowline agent join --token TOKEN`, culprit: "token" };
    return { checks: [folder, ...checks], problemAt: diagnosis(checks).problemAt ?? "token" };
  }
  const running = await checkRunning(settings.data);
  if (running !== null) {
    const kubeconfig = settings.kubeconfig === "" ? running.kubeconfig : settings.kubeconfig;
    return diagnosis([running.check, ...(running.database === null ? [] : [running.database]), ...(await clusterChecks({ ...settings, kubeconfig }, limit))]);
  }
  const folder = await openAgentFolder(settings.data);
  try {
    const facts = await folder.store.call("allFacts", null);
    const relay = recordOf<RelayRecord>(facts, "relay");
    if (relay === null) throw new Fault("NOT_INITIALISED", { what: "this agent has not joined a relay", hint: "bowline agent join --token TOKEN" });
    return diagnosis([...(await allChecks(settings, folder, relay, limit)), checkDatabase(recordOf<QuarantineRecord>(facts, "quarantined"))]);
  } finally {
    await folder.store.close();
  }
}

async function status(settings: AgentSettings): Promise<void> {
  const found = await askStatus(settings.data);
  const code = found.matchCode === "" ? "" : `code       ${found.matchCode} (tell it to the person at the centre)\n`;
  const text = `site       ${found.name} (${found.site})\nstate      ${found.state} since ${found.since}${found.why === "" ? "" : `\n           ${found.why}`}\n${code}version    ${found.version}\nstreams    ${found.streams}\nwaiting    ${found.lettersWaiting} letters, ${found.commandsOpen} commands\n${roomText(found.store)}${quarantineLine(found)}`;
  say(settings, "AgentStatus", found, text);
}

/** How full the store is, by part, and what that or a full disk keeps out. */
function roomText({ limit, inbox, results, reserved, history, gaps, rest, shed, isFull }: AgentStatus["store"]): string {
  const mib = (octets: number): string => (octets / 1_048_576).toFixed(1);
  const used = inbox + results + reserved + history + rest;
  const parts = `store      ${mib(used)} of ${mib(limit)} MiB: orders ${mib(inbox)}, results ${mib(results)} and ${mib(reserved)} reserved, history ${mib(history)}, other ${mib(rest)}\n`;
  const lacks = gaps === 0 ? "" : `           history has gaps: ${gaps} events were not kept\n`;
  const sheds = shed.length === 0 ? "" : `           takes no orders of the lanes ${shed.join(", ")} until there is room\n`;
  return `${parts}${lacks}${sheds}disk       ${isFull ? "full: nothing new is taken; the reserve is given up until there is room" : "has room, and its reserve"}\n`;
}

function quarantineLine({ quarantined }: AgentStatus): string {
  return quarantined === null ? "" : `database   made anew ${new Date(quarantined.atMs).toISOString()}: ${quarantined.why}\n           ${quarantined.told}\n`;
}

function manifest(settings: AgentSettings): void {
  if (settings.rbacOnly) return void process.stdout.write(manifestText(rbacManifest()));
  const token = findJoinToken(settings);
  if (token === null) throw new Fault("USAGE", { what: "the manifest needs a join token", why: "it goes into a Secret", hint: "bowline agent manifest --token \"$(bowline token create --name NAME)\"" });
  const text = settings.token !== "" ? settings.token : readFileSync(settings.tokenFile, "utf8").trim();
  const { image, storageClass, isConstrained, httpProxy, httpsProxy, noProxy } = settings;
  process.stdout.write(manifestText(agentManifest({ token: text, image, storageClass, isConstrained, proxy: { httpProxy, httpsProxy, noProxy } })));
}

async function main(): Promise<void> {
  const { settings, words, wantsHelp } = readAgentSettings(process.argv.slice(2));
  if (wantsHelp) return void process.stdout.write(HELP);
  const [word = "run", ...rest] = words;
  if (rest.length > 0) throw new Fault("USAGE", { what: `"${rest[0]}" is one word too many`, hint: "bowline agent --help" });
  if (word === "run") return run(settings);
  if (word === "join") return join(settings);
  if (word === "status") return status(settings);
  if (word === "doctor") return doctor(settings);
  if (word === "manifest") return manifest(settings);
  throw new Fault("USAGE", { what: `bowline agent cannot "${word}"`, why: "it can run, join, status, doctor and manifest", hint: "bowline agent --help" });
}

tuneMemory();
try {
  await main();
} catch (error) {
  const fault = asFault(error);
  process.stderr.write(`${faultText(fault)}\n`);
  if (fault.family === "bug" && fault.cause instanceof Error) process.stderr.write(`${fault.cause.stack ?? ""}\n`);
  process.exitCode = fault.exitCode;
}
