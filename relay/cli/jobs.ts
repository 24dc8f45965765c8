// The command tree about what runs in a Job at a site: `job run`, `job logs`, `script run`. See submit.ts for the work.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { parseDuration } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { scriptOctetsMax } from "../../shared/rules/command-spec.ts";
import { showLog } from "./logs.ts";
import { orderOptions, submitOptions, type OrderOptions } from "./order-options.ts";
import { bareName } from "./output.ts";
import type { WithRun } from "./people.ts";
import { collectLabel } from "./places.ts";
import { submit } from "./submit.ts";

interface JobOptions extends OrderOptions {
  readonly image: string;
  readonly namespace: string;
  readonly env: Record<string, string>;
  readonly timeout: number;
}

function jobOptions(command: Command): Command {
  return orderOptions(command.requiredOption("--image <image>", "the container image"))
    .option("-n, --namespace <namespace>", "where the Job runs", "default")
    .option("--env <name=value>", "environment; repeat for more", collectLabel, {})
    .option("--timeout <duration>", "the Job is stopped after", parseDuration, parseDuration("1h"));
}

export function addJobCommands(program: Command, withRun: WithRun, readStdin: () => string): void {
  const job = program.command("job").description("run an image once at a site");
  jobOptions(job.command("run <name> [command...]").description("run a Job at a site, once, now or when it returns"))
    .addHelpText("after", "\nThe end of what it wrote comes with its outcome: --wait and `job logs` print it.\n\nExample:\n  bowline job run backup --site plant-07 --image busybox -- sh -c 'echo done'\n")
    .action((name: string, words: string[], options: JobOptions, command: Command) =>
      withRun(command, (run) =>
        submit(run, { ...submitOptions(options), spec: { kind: "job", name, namespace: options.namespace, image: options.image, command: words, env: options.env, timeoutMs: options.timeout } }),
      ),
    );
  job
    .command("logs <id>")
    .description("the end of what a job or script wrote, as it came with its outcome")
    .addHelpText("after", "\nWhile it runs: kubectl --context SITE logs -f job/NAME\n")
    .action((id: string, _options, command: Command) => withRun(command, (run) => showLog(run, bareName(id, "command"))));
  const script = program.command("script").description("run a script once at a site");
  jobOptions(script.command("run <name> [args...]").description("run a script in a Job at a site, once, now or when it returns").requiredOption("-f, --filename <file>", "the script, or - for standard input"))
    .option("--shell <path>", "what takes the script, by -c", "/bin/sh")
    .addHelpText("after", "\nThe script travels in the order and is a word of the Job's command line: it can be read by whoever may read Jobs there.\n\nExample:\n  bowline script run rotate --site plant-07 --image busybox -f rotate.sh -- --keep 7\n")
    .action((name: string, args: string[], options: JobOptions & { filename: string; shell: string }, command: Command) =>
      withRun(command, (run) =>
        submit(run, {
          ...submitOptions(options),
          spec: { kind: "script", name, namespace: options.namespace, image: options.image, env: options.env, timeoutMs: options.timeout, script: readScript(options.filename, readStdin), shell: options.shell, args },
        }),
      ),
    );
}

/** Its octets as they are: the ends of lines, and no mark in front. */
function readScript(file: string, readStdin: () => string): string {
  let text: string;
  try {
    text = file === "-" ? readStdin() : readFileSync(file, "utf8");
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: `${file} cannot be read`, why: (error as Error).message, hint: "-f takes a file, or - for standard input" });
  }
  const octets = Buffer.byteLength(text);
  if (octets > scriptOctetsMax) throw new Fault("BODY_TOO_LARGE", { what: `the script has ${octets} octets`, why: `at most ${scriptOctetsMax / 1024} KiB go into one command`, hint: "put what is longer into the image" });
  if (text.includes("\uFFFD")) throw new Fault("USAGE", { what: `${file} is no script`, why: "it is not UTF-8", hint: "-f takes a text" });
  return text;
}
