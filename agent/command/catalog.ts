// Every kind of command: how its body is read and how it runs. One entry a kind. A body is judged again here, although the relay judged it: the signature says
// who asked, not that what was asked makes sense.
import type { CommandOutcome, CommandSpec } from "../../shared/api.ts";
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { runApply } from "./apply.ts";
import type { Cluster } from "./cluster.ts";
import { probeJob, runJob } from "./job.ts";

/** What an apply may take (ms) while the API server is away, before it counts as failed. */
const applyMs = 3_600_000;
/** A Job's own deadline ends it; this (ms) is for noticing. */
const jobGraceMs = 300_000;

export interface CommandBody {
  readonly operator: string;
  readonly tier: string;
  readonly spec: CommandSpec;
}

export interface RunArgs {
  readonly commandId: string;
  readonly body: CommandBody;
  readonly signal: AbortSignal;
  readonly onStarted: () => Promise<void>;
}

export interface Catalog {
  /** Runs to an outcome. Faults of the family unavailable: nothing is decided, try again. */
  run(args: RunArgs): Promise<CommandOutcome>;
  /** What the cluster knows: an outcome, null while it runs, "absent". Only for verifiable kinds. */
  probe(args: RunArgs): Promise<CommandOutcome | null | "absent">;
  /** How long (ms) a run may take. */
  runMsMax(body: CommandBody): number;
}

export function parseCommandBody(body: Uint8Array): CommandBody {
  const value = JSON.parse(Buffer.from(body).toString("utf8")) as CommandBody;
  if (typeof value.operator !== "string" || typeof value.tier !== "string" || typeof value.spec !== "object") throw new Fault("COMMAND_INVALID", { what: "a command's body has no operator, tier or spec" });
  return value;
}

export function makeCatalog(cluster: Cluster, clock: Clock): Catalog {
  return {
    async run({ commandId, body, signal, onStarted }) {
      const as = cluster.impersonationOf(body.operator, body.tier);
      if (body.spec.kind === "apply") {
        await onStarted();
        return runApply(cluster, body.spec, as, signal);
      }
      return runJob(cluster, clock, { commandId, spec: body.spec, as, signal, onStarted });
    },
    async probe({ commandId, body, signal, onStarted }) {
      if (body.spec.kind !== "job") return "absent";
      return probeJob(cluster, { commandId, spec: body.spec, as: cluster.impersonationOf(body.operator, body.tier), signal, onStarted });
    },
    runMsMax: (body) => (body.spec.kind === "job" ? body.spec.timeoutMs + jobGraceMs : applyMs),
  };
}
