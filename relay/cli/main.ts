// Entry of the operator's command line: commander's tree, the environment, exit codes, Ctrl-C. Speaks HTTP to a relay and nothing else. The
// only file here that reads the environment, prints or exits. Commands themselves are in the files beside it.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { asFault, Fault, faultText } from "../../shared/kit/errors.ts";
import { parseProxySettings } from "../../shared/kit/dial.ts";
import { addCommandCommands, addOrderCommands } from "./orders.ts";
import { addPeopleCommands } from "./people.ts";
import { addSiteCommands } from "./places.ts";
import { addRestoredCommands } from "./restored.ts";
import { FORMATS, parseFormat } from "./output.ts";
import { Run } from "./run.ts";

const env = process.env;
const abort = new AbortController();
process.once("SIGINT", () => abort.abort(new Fault("INTERRUPTED", { what: "interrupted", why: "what was accepted goes on by itself", hint: "bowline command ls" })));
process.stdout.on("error", () => process.exit(0)); // `bowline site ls | head`: the reader left, that is no failure

const configFile = env["BOWLINE_CONFIG"] ?? join(env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "bowline", "config.json");

function runOf(command: Command): Run {
  const options = command.optsWithGlobals<{ output: string; context: string }>();
  return new Run({
    terminal: { out: (text) => process.stdout.write(text), say: (text) => process.stderr.write(text), isInteractive: process.stdout.isTTY === true },
    format: parseFormat(options.output),
    contextFile: configFile,
    contextName: options.context,
    configDir: join(configFile, ".."),
    proxy: parseProxySettings({
      httpProxy: env["HTTP_PROXY"] ?? env["http_proxy"] ?? "",
      httpsProxy: env["HTTPS_PROXY"] ?? env["https_proxy"] ?? "",
      noProxy: env["NO_PROXY"] ?? env["no_proxy"] ?? "",
    }),
    signal: abort.signal,
  });
}

/** Wraps a command's work: its Run, closed at the end. */
async function withRun(command: Command, work: (run: Run) => Promise<void> | void): Promise<void> {
  const run = runOf(command);
  try {
    await work(run);
  } finally {
    await run.close();
  }
}

const program = new Command("bowline")
  .description("Reach Kubernetes clusters that nobody can reach.")
  .addOption(new Option("-o, --output <format>", "how data is printed").choices([...FORMATS]).default("table"))
  .addOption(new Option("--context <name>", "which relay, of those you logged in to").default(env["BOWLINE_CONTEXT"] ?? ""))
  .configureOutput({ outputError: () => {} }) // its errors get the four parts that all have, below
  .configureHelp({ sortSubcommands: true })
  .addHelpText("after", "\nOther programs: bowline relay --help, bowline agent --help\n\nExample:\n  bowline apply -f app.yaml --site plant-07 --wait\n")
  .exitOverride();

const readStdin = (): string => readFileSync(0, "utf8");
addPeopleCommands(program, withRun, readStdin);
addSiteCommands(program, withRun);
addOrderCommands(program, withRun, readStdin);
addCommandCommands(program, withRun);
addRestoredCommands(program, withRun);
program
  .command("version")
  .description("print product, protocol and Node versions")
  .action(() => {
    const product = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    process.stdout.write(`bowline ${product.version} (link protocol 1, Node ${process.versions.node})\n`);
  });

// Timers of the house clock do not hold a process; a command that waits must be held.
const held = setInterval(() => {}, 2 ** 30);
try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
} finally {
  clearInterval(held);
}

function report(error: unknown): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0; // help was asked for
  const fault = abort.signal.aborted ? asFault(abort.signal.reason) : error instanceof CommanderError ? usageFault(error) : asFault(error);
  process.stderr.write(`${faultText(fault)}\n`);
  if (fault.family === "bug" && fault.cause instanceof Error) process.stderr.write(`${fault.cause.stack ?? ""}\n`);
  return fault.exitCode;
}

/** Commander's words about a command line that is not one of ours. */
function usageFault(error: CommanderError): Fault {
  const [what = "", why = ""] = error.message.replace(/^error: /, "").split("\n");
  const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
  const known = program.commands.find((command) => command.name() === words[0]);
  const below = known?.commands.find((command) => command.name() === words[1]);
  const path = [known?.name(), below?.name()].filter((word) => word !== undefined).join(" ");
  if (error.code === "commander.help") return new Fault("USAGE", { what: `"bowline ${path}" needs a further word`, why: `it takes ${(known?.commands ?? program.commands).map((command) => command.name()).join(", ")}`, hint: `bowline ${path} --help`.replace("  ", " ") });
  return new Fault("USAGE", { what, ...(why === "" ? {} : { why: why.replace(/^\(|\)$/g, "") }), hint: `bowline ${path} --help`.replace("  ", " ") });
}
