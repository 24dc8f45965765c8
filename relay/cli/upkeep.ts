// The command tree about workloads and nodes that are looked after: `rollout undo`, `cordon`, `uncordon`, `drain`, named and meant as kubectl's. See submit.ts for
// the work.
import type { Command } from "commander";
import { parseCount, parseDuration, parseDurationWithin } from "../../shared/kit/config.ts";
import { gracePeriodMsMax } from "../../shared/rules/command-spec.ts";
import { NAMESPACE, orderOptions, submitOptions, type OrderOptions } from "./order-options.ts";
import type { WithRun } from "./people.ts";
import { parseRef } from "./refs.ts";
import { submit } from "./submit.ts";

export function addUpkeepCommands(program: Command, withRun: WithRun): void {
  const rollout = program.command("rollout").description("revisions of workloads at a site");
  orderOptions(rollout.command("undo <object>").description("take a Deployment, StatefulSet or DaemonSet at a site back to an earlier revision"))
    .option("--to-revision <number>", "which (default: the one before the current)", parseCount(0, Number.MAX_SAFE_INTEGER), 0)
    .option(...NAMESPACE)
    .addHelpText("after", "\nWhich revision that is, the site finds when the order begins there, and once.\n\nExample:\n  bowline rollout undo deploy/web -n shop --site plant-07 --wait\n")
    .action((object: string, options: OrderOptions & { toRevision: number; namespace: string }, command: Command) =>
      withRun(command, (run) => submit(run, { ...submitOptions(options), spec: { kind: "undo", object: parseRef(object, options.namespace), toRevision: options.toRevision } })),
    );
  for (const [verb, isOn] of [["cordon", true], ["uncordon", false]] as const) {
    orderOptions(program.command(`${verb} <node>`).description(isOn ? "let nothing new be scheduled on a node of a site" : "let pods be scheduled on a node of a site again"))
      .addHelpText("after", `\nExample:\n  bowline ${verb} node-3 --site plant-07\n`)
      .action((node: string, options: OrderOptions, command: Command) => withRun(command, (run) => submit(run, { ...submitOptions(options), spec: { kind: "cordon", node, isOn } })));
  }
  orderOptions(program.command("drain <node>").description("cordon a node of a site and evict its pods; those of DaemonSets, static ones and the agent stay"))
    .option("--force", "evict pods without a controller too; nothing makes them again")
    .option("--delete-emptydir-data", "evict pods with emptyDir volumes too; what is in these is lost")
    .option("--grace-period <duration>", "each pod gets this long to end (default: its own)", parseDurationWithin(0, gracePeriodMsMax))
    .option("--timeout <duration>", "pods that are still there then are named, and the drain has failed", parseDuration, parseDuration("1h"))
    .addHelpText("after", "\nDisruption budgets are waited for. Nothing is evicted while a pod needs an option that was not given.\n\nExample:\n  bowline drain node-3 --site plant-07 --delete-emptydir-data --wait=1h\n")
    .action((node: string, options: OrderOptions & { force?: boolean; deleteEmptydirData?: boolean; gracePeriod?: number; timeout: number }, command: Command) =>
      withRun(command, (run) =>
        submit(run, {
          ...submitOptions(options),
          spec: { kind: "drain", node, force: options.force === true, deleteEmptyDir: options.deleteEmptydirData === true, gracePeriodMs: options.gracePeriod ?? null, timeoutMs: options.timeout },
        }),
      ),
    );
}
