// Entry of the agent: `run`, `join`, `status`, `doctor`, `manifest`. Reads the settings, prints, sets exit codes, turns signals into a clean stop. The only file
// of the agent's side that does any of these.
import { readFileSync } from "node:fs";
import { armCrashPoint, parseCrashPlan } from "../shared/kit/crash.ts";
import { asFault, Fault, faultText } from "../shared/kit/errors.ts";
import { matchCode } from "../shared/kit/keys.ts";
import { createLogger, silentLog, type Logger } from "../shared/kit/log.ts";
import { tuneMemory } from "../shared/kit/memory.ts";
import { Agent, clusterOf } from "./agent.ts";
import { agentSettingsHelp, proxyOf, readAgentSettings, type AgentSettings } from "./config.ts";
import { checkCluster, checkDisk, checkLines, checkRelay, verdict, type Check } from "./doctor.ts";
import { askToJoin, findJoinToken, prepareJoin } from "./enrol.ts";
import { hasIdentity, openAgentFolder, recordOf, type AgentFolder, type RelayRecord } from "./folder.ts";
import { askStatus } from "./local.ts";
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
  const folder = await openAgentFolder(settings.data);
  try {
    await prepare(settings, folder);
    const agent = new Agent(settings, folder, log, product.version);
    const stop = (signal: string): void => {
      log.info({ signal }, "stopping; once more stops at once");
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      void agent.stop();
    };
    process.once("SIGINT", () => stop("SIGINT"));
    process.once("SIGTERM", () => stop("SIGTERM"));
    await agent.run();
  } finally {
    await folder.store.close();
  }
  log.info({}, "stopped");
}

async function join(settings: AgentSettings): Promise<void> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort(new Fault("INTERRUPTED", { what: "interrupted", why: "the keys are kept; run the same command again" })));
  const token = findJoinToken(settings);
  if (token === null && !hasIdentity(settings.data)) throw new Fault("USAGE", { what: "no join token was given", hint: "bowline agent join --token TOKEN" });
  const folder = await openAgentFolder(settings.data);
  try {
    if (token !== null) await prepareJoin(folder, token, settings.name);
    const facts = await folder.store.call("allFacts", null);
    const relay = recordOf<RelayRecord>(facts, "relay");
    if (relay !== null) {
      const checks = await allChecks(settings, folder, relay, abort.signal);
      process.stdout.write(checkLines(checks));
      const failed = checks.find((check) => !check.isOk && check.culprit !== "cluster");
      if (failed !== undefined) process.stdout.write(verdict(checks));
    }
    const standing = await askToJoin(folder, proxyOf(settings), abort.signal);
    process.stdout.write(`\nThis agent asks to join as ${standing.name}.\nTell the person at the centre this code: ${matchCode(folder.keys.sign.publicKey)}\nSafe to leave. Start it with: bowline agent run --data ${settings.data}\n`);
    if (settings.wait) await waitForApproval(settings, folder, abort.signal);
  } finally {
    await folder.store.close();
  }
}

/** Runs the agent until it is linked: that is what approval looks like from here. */
async function waitForApproval(settings: AgentSettings, folder: AgentFolder, signal: AbortSignal): Promise<void> {
  process.stderr.write("waiting for the approval, Ctrl-C only stops waiting ...\n");
  const agent = new Agent(settings, folder, silentLog, product.version);
  const done = agent.run();
  try {
    for (;;) {
      signal.throwIfAborted();
      const { state } = await askStatus(settings.data).catch(() => ({ state: "dialling" }));
      if (state === "linked") return void process.stdout.write("approved and linked\n");
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
  if (!hasIdentity(settings.data)) {
    const checks = await clusterChecks(settings, AbortSignal.timeout(30_000));
    process.stdout.write(`FAIL  folder       ${settings.data} holds no identity: bowline agent join --token TOKEN\n${checkLines(checks)}${checks.some((check) => !check.isOk) ? verdict(checks) : "the problem is at: token\n"}`);
    process.exitCode = 1;
    return;
  }
  const running = await askStatus(settings.data).catch(() => null);
  if (running !== null) {
    const isOk = running.state === "linked";
    process.stdout.write(`${isOk ? "ok   " : "FAIL "} agent        runs, ${running.state} since ${running.since}${running.why === "" ? "" : `: ${running.why}`}\n`);
    const checks = await clusterChecks({ ...settings, kubeconfig: settings.kubeconfig === "" ? running.kubeconfig : settings.kubeconfig }, AbortSignal.timeout(30_000));
    process.stdout.write(`${checkLines(checks)}${isOk ? verdict(checks) : "the problem is at: site network or relay; stop the agent and run doctor again for each step\n"}`);
    process.exitCode = isOk && checks.every((check) => check.isOk) ? 0 : 1;
    return;
  }
  const folder = await openAgentFolder(settings.data);
  try {
    const relay = recordOf<RelayRecord>(await folder.store.call("allFacts", null), "relay");
    if (relay === null) throw new Fault("NOT_INITIALISED", { what: "this agent has not joined a relay", hint: "bowline agent join --token TOKEN" });
    const checks = await allChecks(settings, folder, relay, AbortSignal.timeout(60_000));
    process.stdout.write(`${checkLines(checks)}${verdict(checks)}`);
    process.exitCode = checks.every((check) => check.isOk) ? 0 : 1;
  } finally {
    await folder.store.close();
  }
}

async function status(settings: AgentSettings): Promise<void> {
  const found = await askStatus(settings.data);
  if (settings.output === "json") return void process.stdout.write(`${JSON.stringify({ apiVersion: "bowline/v1", kind: "AgentStatus", ...found }, null, 2)}\n`);
  const code = found.matchCode === "" ? "" : `code       ${found.matchCode} (tell it to the person at the centre)\n`;
  process.stdout.write(`site       ${found.name} (${found.site})\nstate      ${found.state} since ${found.since}${found.why === "" ? "" : `\n           ${found.why}`}\n${code}version    ${found.version}\nstreams    ${found.streams}\nwaiting    ${found.lettersWaiting} letters, ${found.commandsOpen} commands\n`);
}

function manifest(settings: AgentSettings): void {
  if (settings.rbacOnly) return void process.stdout.write(manifestText(rbacManifest()));
  const token = findJoinToken(settings);
  if (token === null) throw new Fault("USAGE", { what: "the manifest needs a join token", why: "it goes into a Secret", hint: "bowline agent manifest --token \"$(bowline token create --name NAME)\"" });
  const text = settings.token !== "" ? settings.token : readFileSync(settings.tokenFile, "utf8").trim();
  const { httpProxy, httpsProxy, noProxy } = settings;
  process.stdout.write(manifestText(agentManifest({ token: text, image: settings.image, storageClass: settings.storageClass, proxy: { httpProxy, httpsProxy, noProxy } })));
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
