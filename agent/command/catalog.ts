// Every kind of command: how it runs, what the cluster knows of it, what it leaves there. One entry a kind. Its body was judged before it was stored, by the
// same rules as at the relay (rules/command-spec), and is read once more here.
import type { CommandBody, CommandOutcome } from "../../shared/api.ts";
import { unreachable } from "../../shared/kit/assert.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { parseCommandBody, runMsOf } from "../../shared/rules/command-spec.ts";
import { runApply } from "./apply.ts";
import { runDelete, runRestart, runScale } from "./changes.ts";
import type { Cluster } from "./cluster.ts";
import { runCollect } from "./collect.ts";
import { probeJob, removeJob, runJob, stopJob, watchJob } from "./job.ts";
import { runCordon, runDrain } from "./nodes.ts";
import { runUndo } from "./undo.ts";

/** What is known of an effect while a command runs: the difference between "never began" and "nobody can say". */
export interface Effect {
  /** A request that begins it left and was not surely refused. */
  mayHaveBegun: boolean;
  /** The cluster was seen to have it. */
  readonly hasBegun: boolean;
  /** What it resolved when it first looked (its own JSON), or null. */
  readonly resolved: string | null;
  /** Writes that down: durable when it resolves, and what every later run of it acts on. */
  resolve(what: string): Promise<void>;
  /** It waits for the cluster and takes no work here: others may start in its place. */
  waits(): void;
  /** The cluster has it: durable before anything else is waited for. `leaves`: what is to be removed when all is reported. */
  begun(leaves: string): Promise<void>;
}

export interface RunArgs {
  readonly commandId: string;
  readonly body: CommandBody;
  readonly signal: AbortSignal;
  readonly effect: Effect;
  /** When it was claimed, ms. */
  readonly startedMs: number;
}

export interface Catalog {
  /** Runs to an outcome. Faults of a cluster that is away: nothing is decided, try again. */
  run(args: RunArgs): Promise<CommandOutcome>;
  /** Waits for the end of what the cluster was seen to run, and starts nothing. Only for verifiable kinds. */
  watch(args: RunArgs): Promise<CommandOutcome>;
  /** What the cluster knows: an outcome, null while it runs, "absent". Only for verifiable kinds. */
  probe(args: RunArgs): Promise<CommandOutcome | null | "absent">;
  /** Stops an effect that runs: its outcome when it had ended, "stopped", "absent". Only for verifiable kinds. */
  stop(args: RunArgs): Promise<CommandOutcome | "stopped" | "absent">;
  /** Removes what a command left in the cluster. Faults of a cluster that is away: later; others: it stays. */
  cleanUp(commandId: string, leaves: string, signal: AbortSignal): Promise<void>;
  /** How long (ms) a run may take. */
  runMsMax(body: CommandBody): number;
}

export function readBody(command: { readonly body: Uint8Array; readonly cls: string }): CommandBody {
  return parseCommandBody(JSON.parse(Buffer.from(command.body).toString("utf8")), command.cls);
}

/** `self`: what the agent says of itself, for a support bundle. */
export function makeCatalog(cluster: Cluster, clock: Clock, self: () => Promise<unknown>): Catalog {
  const jobRun = ({ commandId, body, signal, effect }: RunArgs) => {
    if (body.spec.kind !== "job" && body.spec.kind !== "script") return null;
    return { commandId, spec: body.spec, operator: body.operator, tier: body.tier, as: cluster.impersonationOf(body.operator, body.tier), signal, effect };
  };
  return {
    async run(args) {
      const { body, signal, effect, startedMs } = args;
      const { spec } = body;
      const rest = { as: cluster.impersonationOf(body.operator, body.tier), signal, effect, startedMs };
      switch (spec.kind) {
        case "apply":
          return runApply(cluster, clock, { spec, ...rest });
        case "delete":
          return runDelete(cluster, { spec, ...rest });
        case "scale":
          return runScale(cluster, { spec, ...rest });
        case "restart":
          return runRestart(cluster, { spec, ...rest });
        case "undo":
          return runUndo(cluster, { spec, ...rest });
        case "cordon":
          return runCordon(cluster, { spec, ...rest });
        case "drain":
          return runDrain(cluster, clock, { spec, ...rest });
        case "collect":
          return runCollect(cluster, { spec, ...rest, self });
        case "job":
        case "script":
          return runJob(cluster, clock, jobRun(args)!);
        default:
          return unreachable(spec);
      }
    },
    watch: (args) => watchJob(cluster, clock, jobRun(args)!),
    async probe(args) {
      const run = jobRun(args);
      return run === null ? "absent" : probeJob(cluster, run);
    },
    async stop(args) {
      const run = jobRun(args);
      return run === null ? "absent" : stopJob(cluster, run);
    },
    cleanUp: (commandId, leaves, signal) => removeJob(cluster, commandId, leaves, signal),
    runMsMax: (body) => runMsOf(body.spec),
  };
}
