// Entry of the relay: `run`, `init`, `doctor`. Reads the settings, prints, sets exit codes, turns signals into a clean stop. The only file of the relay's side
// that does any of these.
import { join } from "node:path";
import { armCrashPoint, parseCrashPlan } from "../shared/kit/crash.ts";
import { asFault, Fault, faultText } from "../shared/kit/errors.ts";
import { createLogger, type Logger } from "../shared/kit/log.ts";
import { tuneMemory } from "../shared/kit/memory.ts";
import { onStopSignals } from "../shared/kit/stop-signals.ts";
import { ownNames, readRelaySettings, relaySettingsHelp, type RelaySettings } from "./config.ts";
import { checkJson, checkRelay, checkText } from "./doctor.ts";
import { firstLogin, startRelay } from "./relay.ts";
import { openRelayFolder, relayTls } from "./setup.ts";

const HELP = `bowline relay run      serve agents and operators (the default)
bowline relay init     make keys, certificates and database, do not serve; print a first-login token when no operator has a good one
bowline relay doctor   look at this relay's folder, disk, keys, database, certificate and port; changes nothing

Settings (flag, environment, meaning):
${relaySettingsHelp()}
Example:
  bowline relay run --data ./relay-data --listen 0.0.0.0:8443 --names relay.example.com
`;

async function run(settings: RelaySettings): Promise<void> {
  const isText = settings.logFormat === "text" || (settings.logFormat === "auto" && process.stderr.isTTY === true);
  const log: Logger = createLogger({ name: "relay", level: settings.logLevel, pretty: isText });
  process.on("uncaughtException", (error) => {
    log.error({ why: error.message, stack: error.stack ?? "" }, "a bug ended the relay");
    process.exit(70);
  });
  if (settings.crash !== "") armCrashPoint(parseCrashPlan(settings.crash));
  // Before the start: a supervisor that stops the relay the moment it is ready gets a clean stop too.
  const asked = new Promise<void>((resolve) => {
    onStopSignals((signal) => {
      log.info({ signal }, "stopping; once more stops at once");
      resolve();
    }, (code) => process.exit(code));
  });
  const relay = await startRelay(settings, log);
  process.stdout.write(`relay ready at ${relay.address}\n`);
  if (relay.firstLogin !== null) sayFirstLogin(settings, relay.address, relay.firstLogin);
  await asked;
  await relay.stop();
  log.info({}, "stopped");
}

/** The address of a login becomes that of its join tokens, so it is the name that the relay was given for others, where there is one. */
function sayFirstLogin(settings: RelaySettings, local: string, token: string): void {
  const [name] = settings.names;
  const address = name === undefined ? local : `https://${name.includes(":") ? `[${name}]` : name}:${new URL(local).port || "443"}`;
  const file = join(settings.data, "first-login");
  const shown = process.stdout.isTTY === true ? token : `"$(cat ${file})"`;
  const ca = settings.tlsCert === "" ? ` --ca ${join(settings.data, "tls", "ca.crt")}` : settings.tlsCa === "" ? "" : ` --ca ${settings.tlsCa}`;
  process.stdout.write(`no operator has a token that is good; log in within an hour:\n  bowline login ${address}${ca} --token ${shown}\n`);
}

async function init(settings: RelaySettings): Promise<void> {
  const folder = await openRelayFolder(settings.data, settings.newDatabase);
  try {
    await relayTls(settings.data, settings, ownNames(settings.names), Date.now());
    const token = await firstLogin(folder.store, settings.data, settings.firstLogin);
    const identity = folder.keys.identity.publicKey;
    if (settings.output === "json") {
      const made = { apiVersion: "bowline/v1", kind: "RelayFolder", data: settings.data, isFirstStart: folder.isFirstStart, identity, firstLogin: token === null ? null : join(settings.data, "first-login") };
      return void process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
    }
    process.stdout.write(`${folder.isFirstStart ? "set up" : "was set up already:"} ${settings.data}\nidentity ${identity}\n`);
    if (token !== null) sayFirstLogin(settings, `https://localhost:${settings.listen.port}`, token);
  } finally {
    await folder.store.close();
  }
}

async function doctor(settings: RelaySettings): Promise<void> {
  const checks = await checkRelay({ dir: settings.data, listen: settings.listen, tls: settings, names: ownNames(settings.names), nowMs: Date.now() });
  process.stdout.write(settings.output === "json" ? checkJson(checks) : checkText(checks));
  process.exitCode = checks.every(({ isOk }) => isOk) ? 0 : 1;
}

async function main(): Promise<void> {
  const { settings, words, wantsHelp } = readRelaySettings(process.argv.slice(2));
  if (wantsHelp) return void process.stdout.write(HELP);
  const [word = "run", ...rest] = words;
  if (rest.length > 0) throw new Fault("USAGE", { what: `"${rest[0]}" is one word too many`, why: "one of run, init and doctor is all", hint: "bowline relay --help" });
  if (word === "run") return run(settings);
  if (word === "init") return init(settings);
  if (word === "doctor") return doctor(settings);
  throw new Fault("USAGE", { what: `bowline relay cannot "${word}"`, why: "it can run, init and doctor", hint: "bowline relay --help" });
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
