// Entry of the relay: `run`, `init`, `doctor`. Reads the settings, prints, sets exit codes, turns signals into a clean stop. The only file of the relay's side
// that does any of these.
import { existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { certificateEndMs } from "../shared/kit/certificates.ts";
import { armCrashPoint, parseCrashPlan } from "../shared/kit/crash.ts";
import { asFault, Fault, faultText } from "../shared/kit/errors.ts";
import { createLogger, type Logger } from "../shared/kit/log.ts";
import { tuneMemory } from "../shared/kit/memory.ts";
import { ownNames, readRelaySettings, relaySettingsHelp, type RelaySettings } from "./config.ts";
import { firstLogin, startRelay } from "./relay.ts";
import { openRelayFolder, relayTls } from "./setup.ts";

const HELP = `bowline relay run      serve agents and operators (the default)
bowline relay init     make keys, certificates and database, print the first-login token, do not serve
bowline relay doctor   check this relay's folder, certificate, port and disk

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
    const stop = (signal: string): void => {
      log.info({ signal }, "stopping; once more stops at once");
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      resolve();
    };
    process.once("SIGINT", () => stop("SIGINT"));
    process.once("SIGTERM", () => stop("SIGTERM"));
  });
  const relay = await startRelay(settings, log);
  process.stdout.write(`relay ready at ${relay.address}\n`);
  if (relay.firstLogin !== null) sayFirstLogin(settings, relay.address, relay.firstLogin);
  await asked;
  await relay.stop();
  log.info({}, "stopped");
}

function sayFirstLogin(settings: RelaySettings, address: string, token: string): void {
  const file = join(settings.data, "first-login");
  const shown = process.stdout.isTTY === true ? token : `"$(cat ${file})"`;
  const ca = settings.tlsCert === "" ? ` --ca ${join(settings.data, "tls", "ca.crt")}` : settings.tlsCa === "" ? "" : ` --ca ${settings.tlsCa}`;
  process.stdout.write(`nobody has logged in yet; within an hour:\n  bowline login ${address}${ca} --token ${shown}\n`);
}

async function init(settings: RelaySettings): Promise<void> {
  const folder = await openRelayFolder(settings.data);
  try {
    await relayTls(settings.data, settings, ownNames(settings.names), Date.now());
    process.stdout.write(`${folder.isFirstStart ? "set up" : "was set up already:"} ${settings.data}\nidentity ${folder.keys.identity.publicKey}\n`);
    const token = await firstLogin(folder.store, settings.data);
    if (token !== null) sayFirstLogin(settings, `https://localhost:${settings.listen.port}`, token);
  } finally {
    await folder.store.close();
  }
}

/** One line per check; ends with whose problem it is. Looks only; a running relay's database is not touched. */
async function doctor(settings: RelaySettings): Promise<void> {
  const { data } = settings;
  const checks: { readonly what: string; readonly isOk: boolean; readonly said: string }[] = [];
  const check = (what: string, isOk: boolean, said: string): void => void checks.push({ what, isOk, said });
  const isSetUp = existsSync(join(data, "identity.key"));
  check("folder", isSetUp, isSetUp ? data : `${data} was not set up: bowline relay init --data ${data}`);
  if (isSetUp) {
    const free = statfsSync(data);
    const freeMiB = Math.round((free.bavail * free.bsize) / 1_048_576);
    check("disk", freeMiB > 256, `${freeMiB} MiB free`);
    try {
      const folder = await openRelayFolder(data);
      await folder.store.close();
      check("database", true, "opens, no relay is running on it");
    } catch (error) {
      const fault = asFault(error);
      check("database", fault.code === "STORE_HELD", fault.code === "STORE_HELD" ? "a relay is running on it" : `${fault.message}: ${fault.why}`);
    }
    try {
      const tls = await relayTls(data, settings, ownNames(settings.names), Date.now());
      const days = Math.floor((certificateEndMs(tls.cert) - Date.now()) / 86_400_000);
      check("certificate", days > 14, `good for ${days} days`);
    } catch (error) {
      check("certificate", false, `${asFault(error).message}: ${asFault(error).why}`);
    }
  }
  for (const { what, isOk, said } of checks) process.stdout.write(`${isOk ? "ok   " : "FAIL "} ${what.padEnd(12)} ${said}\n`);
  const failed = checks.find(({ isOk }) => !isOk);
  process.stdout.write(failed === undefined ? "nothing is wrong here\n" : `the problem: ${failed.what}\n`);
  process.exitCode = failed === undefined ? 0 : 1;
}

async function main(): Promise<void> {
  const { settings, words, wantsHelp } = readRelaySettings(process.argv.slice(2));
  if (wantsHelp) return void process.stdout.write(HELP);
  const [word = "run", ...rest] = words;
  if (rest.length > 0) throw new Fault("USAGE", { what: `"${rest[0]}" is one word too many`, hint: "bowline relay --help" });
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
