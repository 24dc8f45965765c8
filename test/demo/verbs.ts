// What `npm run demo` and `bowline demo` do: start the demo and wait for Ctrl-C, or ask the running one (`cut`, `heal`, `slow`, `status`, `stop`). Progress and
// notes go to stderr, the guide and answers to stdout. Called by main.ts, which sets the exit code.
import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { styleText } from "node:util";
import { parseCount, parseDuration, parseText, readSettings, settingsHelp, type Settings } from "../../shared/kit/config.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { Demo } from "./demo.ts";
import { askDemo, defaultState, root } from "./folder.ts";
import { guide } from "./guide.ts";

const TABLE = {
  kubeconfig: { flag: "--kubeconfig", env: "BOWLINE_DEMO_KUBECONFIG", fallback: "", parse: parseText, help: "add the cluster of this file's current context as a fourth site" },
  port: { flag: "--port", env: "BOWLINE_DEMO_PORT", fallback: 0, parse: parseCount(0, 65_535), help: "the relay's port on loopback", shown: "any free one" },
  state: { flag: "--state", env: "BOWLINE_DEMO_STATE", fallback: defaultState, parse: (text: string) => resolve(text), help: "the demo's folder; begun anew at each start", shown: "./.bowline/demo" },
  keep: { flag: "--keep", env: "BOWLINE_DEMO_KEEP", fallback: false, parse: (text: string) => text === "true", isSwitch: true, help: "leave the folder, with logs and databases, when the demo ends" },
  delayMs: { flag: "--delay", env: "BOWLINE_DEMO_DELAY", fallback: 800, parse: parseDuration, help: "slow: the way takes so long", shown: "800ms" },
  rate: { flag: "--rate", env: "BOWLINE_DEMO_RATE", fallback: 64, parse: parseCount(1, 1_000_000), help: "slow: so many KiB per second, each way" },
} as const;

type DemoFlags = Settings<typeof TABLE>;

const HELP = `npm run demo                        a relay and three sites on this machine; prints what to try; Ctrl-C ends it
npx bowline demo cut SITE...        pull the cable: the link is reset, and so is every new one
npx bowline demo heal SITE...       put it back, and wait until the site is there
npx bowline demo slow SITE...       a satellite hop (--delay 800ms --rate 64); heal makes it fast again
npx bowline demo status             who runs where
npx bowline demo stop               end it from another terminal

Settings (flag, environment, meaning):
${settingsHelp(TABLE)}
Your own cluster: the agent runs here, with your file, and acts as bowline:admin; the demo changes nothing in the cluster by itself. When its roles are
missing, the demo prints the command that makes them.

Example:
  npm run demo -- --kubeconfig ~/.kube/config
`;

/** What the running demo may take to answer: a heal waits for the agent to dial again. */
const answerMs: Readonly<Record<string, number>> = { cut: 10_000, heal: 60_000, slow: 60_000, status: 5_000, stop: 20_000 };

async function ask(verb: string, sites: readonly string[], flags: DemoFlags): Promise<void> {
  const needsSite = verb === "cut" || verb === "heal" || verb === "slow";
  if (needsSite && sites.length === 0) throw new Fault("USAGE", { what: `demo ${verb} needs a site`, hint: `npx bowline demo ${verb} ship-3` });
  if (!needsSite && sites.length > 0) throw new Fault("USAGE", { what: `"${sites[0]}" is one word too many`, hint: "npx bowline demo --help" });
  const options = { delayMs: flags.delayMs, bytesPerSecond: flags.rate * 1024 };
  try {
    process.stdout.write(await askDemo(flags.state, { verb, words: sites, options }, answerMs[verb]!));
  } catch (error) {
    const isOver = verb === "stop" && error instanceof Fault && error.code === "LINK_LOST";
    if (!isOver) throw error;
    process.stdout.write("the demo has ended\n");
  }
}

function note(text: string): void {
  process.stderr.write(`demo: ${text}\n`);
}

/** npm runs its scripts in the clone's folder; a path that was typed is meant from where it was typed. */
function typedPath(path: string): string {
  const from = process.env["npm_lifecycle_event"] === "demo" ? (process.env["INIT_CWD"] ?? "") : "";
  return resolve(from, path);
}

async function run(flags: DemoFlags): Promise<void> {
  const demo = new Demo({ dir: flags.state, port: flags.port, kubeconfig: flags.kubeconfig === "" ? null : typedPath(flags.kubeconfig), isKept: flags.keep }, note);
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) {
      demo.kill();
      return;
    }
    isStopping = true;
    note("stopping; once more stops at once");
    void demo.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  try {
    const facts = await demo.start();
    process.stdout.write(`\n${guide(facts, { root, hasKubectl: isOnPath("kubectl"), bold: style("bold"), dim: style("dim") })}\n`);
  } catch (error) {
    if (!isStopping) await demo.stop(asFault(error));
  }
  const fault = await demo.ended;
  if (fault !== null) throw fault;
  note(flags.keep ? `ended; ${flags.state} is kept` : "ended, nothing is left");
}

function style(name: "bold" | "dim"): (text: string) => string {
  return (text) => styleText(name, text, { stream: process.stdout });
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return dir !== "";
    } catch {
      return false;
    }
  });
}

/** The command line behind `demo`. Resolves when there is nothing left to do. */
export async function demo(argv: readonly string[]): Promise<void> {
  const { settings, words, wantsHelp } = readSettings(TABLE, argv, process.env);
  if (wantsHelp) return void process.stdout.write(HELP);
  const [verb, ...sites] = words;
  if (verb === undefined) return run(settings);
  if (answerMs[verb] === undefined) throw new Fault("USAGE", { what: `bowline demo cannot "${verb}"`, why: "it can cut, heal, slow, status and stop; without a word it starts", hint: "npx bowline demo --help" });
  return ask(verb, sites, settings);
}
