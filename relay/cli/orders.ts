// The command tree about orders: apply, delete, scale, restart, command; others are in upkeep.ts, jobs.ts and bundles.ts. See commands.ts for the work.
import type { Command } from "commander";
import { parseCount, parseDuration } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { replicasMax } from "../../shared/rules/command-spec.ts";
import { addCollectCommand, fetchBundle } from "./bundles.ts";
import { describeCommand, listCommands, retryCommand, takeBack, waitCommand, type ListOptions } from "./commands.ts";
import { addJobCommands } from "./jobs.ts";
import { readManifests } from "./manifest.ts";
import { NAMESPACE, orderOptions, submitOptions, WAIT_DEFAULT, waitMsOf, type OrderOptions } from "./order-options.ts";
import { bareName } from "./output.ts";
import type { WithRun } from "./people.ts";
import { parseRef, refOfObject } from "./refs.ts";
import { submit } from "./submit.ts";
import { addUpkeepCommands } from "./upkeep.ts";

export function addOrderCommands(program: Command, withRun: WithRun, readStdin: () => string): void {
  orderOptions(program.command("apply").description("apply manifests at a site, now or when it returns").requiredOption("-f, --filename <file...>", "file, folder, or - for standard input"))
    .option("--force-conflicts", "take over fields that another manager owns")
    .action((options: OrderOptions & { filename: string[]; forceConflicts?: boolean }, command: Command) =>
      withRun(command, (run) =>
        submit(run, { ...submitOptions(options), spec: { kind: "apply", objects: readManifests(options.filename, readStdin), forceConflicts: options.forceConflicts === true } }),
      ),
    );
  addChangeCommands(program, withRun, readStdin);
  addUpkeepCommands(program, withRun);
  addJobCommands(program, withRun, readStdin);
  addCollectCommand(program, withRun);
}

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
    .command("bundle <id>")
    .description("write the support bundle of a collect that has ended")
    .option("-f, --filename <file>", "where to (default bundle-SITE-ID.json)")
    .action((id: string, options: { filename?: string }, command: Command) => withRun(command, (run) => fetchBundle(run, bareName(id, "command"), options.filename ?? null)));
  group
    .command("wait <id>")
    .description("wait for a command's end")
    .option("--timeout <duration>", "give up after", parseDuration, parseDuration(WAIT_DEFAULT))
    .action((id: string, options: { timeout: number }, command: Command) => withRun(command, (run) => waitCommand(run, bareName(id, "command"), options.timeout)));
}
