// The command tree about orders: apply, job, command. See commands.ts for the work.
import { Option, type Command } from "commander";
import { parseCount, parseDuration } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { replicasMax } from "../../shared/rules/command-spec.ts";
import { addresseeOf, addresseeOptions, type AddresseeOptions } from "./addressees.ts";
import { describeCommand, listCommands, retryCommand, takeBack, waitCommand, type ListOptions } from "./commands.ts";
import { readManifests } from "./manifest.ts";
import { bareName } from "./output.ts";
import type { WithRun } from "./people.ts";
import { collectLabel } from "./places.ts";
import { parseRef, refOfObject } from "./refs.ts";
import { submit, type SubmitOptions } from "./submit.ts";

interface OrderOptions extends AddresseeOptions {
  readonly wait?: true | string;
  readonly expires?: number;
  readonly live?: boolean;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
  readonly orderKey?: string;
  readonly collapseKey?: string;
  readonly onFailure: "continue" | "block";
}

const WAIT_DEFAULT = "10m";

/** The options that every order shares. */
function orderOptions(command: Command): Command {
  return addresseeOptions(command)
    .option("--wait [duration]", `wait for the end, at most this long (default ${WAIT_DEFAULT})`)
    .option("--expires <duration>", "it must have started by then, else it expires (default 7d)", parseDuration)
    .option("--live", "fail with exit 7 when the site is offline, instead of waiting for it")
    .addOption(new Option("--defer", "wait for the site when it is offline (the default)").conflicts("live"))
    .option("--dry-run", "say what would be sent and when, and send nothing")
    .option("--idempotency-key <key>", "the same key asks for the same thing once")
    .option("--order-key <key>", "orders of one key run one after the other; those that touch the same objects do anyway")
    .option("--collapse-key <key>", "takes the place of orders of the same key that have not left")
    .addOption(new Option("--on-failure <what>", "block: orders that touch the same wait behind it until it has succeeded, by a retry if need be, or is skipped").choices(["continue", "block"]).default("continue"));
}

function submitOptions(options: OrderOptions): Omit<SubmitOptions, "spec"> {
  return {
    to: addresseeOf(options),
    expiresInMs: options.expires ?? null,
    waitMs: waitMsOf(options.wait),
    live: options.live === true,
    dryRun: options.dryRun === true,
    idempotencyKey: options.idempotencyKey ?? null,
    orderingKey: options.orderKey ?? null,
    collapseKey: options.collapseKey ?? null,
    onFailure: options.onFailure,
  };
}

function waitMsOf(wait: true | string | undefined): number | null {
  return wait === undefined ? null : parseDuration(wait === true ? WAIT_DEFAULT : wait);
}

export function addOrderCommands(program: Command, withRun: WithRun, readStdin: () => string): void {
  orderOptions(program.command("apply").description("apply manifests at a site, now or when it returns").requiredOption("-f, --filename <file...>", "file, folder, or - for standard input"))
    .option("--force-conflicts", "take over fields that another manager owns")
    .action((options: OrderOptions & { filename: string[]; forceConflicts?: boolean }, command: Command) =>
      withRun(command, (run) =>
        submit(run, { ...submitOptions(options), spec: { kind: "apply", objects: readManifests(options.filename, readStdin), forceConflicts: options.forceConflicts === true } }),
      ),
    );
  addChangeCommands(program, withRun, readStdin);
  const job = program.command("job").description("run an image once at a site");
  orderOptions(job.command("run <name> [command...]").description("run a Job at a site, once, now or when it returns").requiredOption("--image <image>", "the container image"))
    .option("-n, --namespace <namespace>", "where the Job runs", "default")
    .option("--env <name=value>", "environment; repeat for more", collectLabel, {})
    .option("--timeout <duration>", "the Job is stopped after", parseDuration, parseDuration("1h"))
    .addHelpText("after", "\nExample:\n  bowline job run backup --site plant-07 --image busybox -- sh -c 'echo done'\n")
    .action((name: string, words: string[], options: OrderOptions & { image: string; namespace: string; env: Record<string, string>; timeout: number }, command: Command) =>
      withRun(command, (run) =>
        submit(run, { ...submitOptions(options), spec: { kind: "job", name, namespace: options.namespace, image: options.image, command: words, env: options.env, timeoutMs: options.timeout } }),
      ),
    );
}

const NAMESPACE = ["-n, --namespace <namespace>", "where the objects are", "default"] as const;

function addChangeCommands(program: Command, withRun: WithRun, readStdin: () => string): void {
  orderOptions(program.command("delete [object...]").description("delete objects at a site, KIND/NAME or those of manifests, now or when it returns"))
    .option("-f, --filename <file...>", "those that a file, folder, or - for standard input names", [])
    .option(...NAMESPACE)
    .addHelpText("after", "\nWhat is deleted is what has the name when the order begins at the site; what is made anew later stays.\n\nExample:\n  bowline delete cm/old-settings deploy/old -n shop --site plant-07\n")
    .action((objects: string[], options: OrderOptions & { filename: string[]; namespace: string }, command: Command) =>
      withRun(command, (run) => {
        const named = objects.map((text) => parseRef(text, options.namespace));
        const read = options.filename.length === 0 ? [] : readManifests(options.filename, readStdin).map(refOfObject);
        if (named.length + read.length === 0) throw new Fault("USAGE", { what: "nothing to delete was named", why: "it takes KIND/NAME, or -f FILE", hint: "bowline delete cm/old-settings --site plant-07" });
        return submit(run, { ...submitOptions(options), spec: { kind: "delete", objects: [...named, ...read] } });
      }),
    );
  orderOptions(program.command("scale <object>").description("set how many replicas a workload has at a site").requiredOption("--replicas <count>", "how many", parseCount(0, replicasMax)))
    .option(...NAMESPACE)
    .addHelpText("after", "\nExample:\n  bowline scale deploy/web --replicas 3 -n shop --site plant-07\n")
    .action((object: string, options: OrderOptions & { replicas: number; namespace: string }, command: Command) =>
      withRun(command, (run) => submit(run, { ...submitOptions(options), spec: { kind: "scale", object: parseRef(object, options.namespace), replicas: options.replicas } })),
    );
  orderOptions(program.command("restart <object>").description("start the pods of a Deployment, StatefulSet or DaemonSet at a site anew, one after the other"))
    .option(...NAMESPACE)
    .addHelpText("after", "\nExample:\n  bowline restart deploy/web -n shop --site plant-07\n")
    .action((object: string, options: OrderOptions & { namespace: string }, command: Command) => withRun(command, (run) => submit(run, { ...submitOptions(options), spec: { kind: "restart", object: parseRef(object, options.namespace) } })));
}

export function addCommandCommands(program: Command, withRun: WithRun): void {
  const group = program.command("command").description("orders that were given");
  group
    .command("ls")
    .description("list commands, newest first")
    .option("--site <name>", "of one site")
    .option("-l, --selector <selector>", "of the sites whose labels fit")
    .option("--state <state>", "in one state")
    .option("--limit <count>", "at most so many", parseCount(1, 1_000_000), 500)
    .option("-w, --watch", "go on with what changes, until Ctrl-C")
    .action((options: ListOptions, command: Command) => withRun(command, (run) => listCommands(run, options)));
  group.command("describe <id>").description("all about one command, with the times of both clocks").action((id: string, _options, command: Command) => withRun(command, (run) => describeCommand(run, bareName(id, "command"))));
  group.command("cancel <id>").description("take an order back; one that has left is asked back of its site, whose word counts").action((id: string, _options, command: Command) => withRun(command, (run) => takeBack(run, bareName(id, "command"), "cancel")));
  group.command("abandon <id>").description("give up on an order; should it have run, its result is kept as evidence").action((id: string, _options, command: Command) => withRun(command, (run) => takeBack(run, bareName(id, "command"), "abandon")));
  group
    .command("retry <id>")
    .description("give an order that ended without success anew, in its place")
    .option("--wait [duration]", `wait for the end, at most this long (default ${WAIT_DEFAULT})`)
    .action((id: string, options: { wait?: true | string }, command: Command) => withRun(command, (run) => retryCommand(run, bareName(id, "command"), waitMsOf(options.wait))));
  group.command("skip <id>").description("let the orders go on that wait behind one that failed with --on-failure block").action((id: string, _options, command: Command) => withRun(command, (run) => takeBack(run, bareName(id, "command"), "skip")));
  group
    .command("wait <id>")
    .description("wait for a command's end")
    .option("--timeout <duration>", "give up after", parseDuration, parseDuration(WAIT_DEFAULT))
    .action((id: string, options: { timeout: number }, command: Command) => withRun(command, (run) => waitCommand(run, bareName(id, "command"), options.timeout)));
}
