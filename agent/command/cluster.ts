// What a command needs of the cluster it runs in. The room that has it (agent/kube) is handed over by agent.ts, so that commands know no transport, no
// credentials and no policy but through here.
import type { Fault } from "../../shared/kit/errors.ts";
import type { KubeAnswer, KubeObjects } from "../kube/objects.ts";
import type { Impersonation } from "../kube/policy.ts";

/** The API server, or our way to it, is not there right now: no verdict about what was asked. A password that was changed is put right by people, too. */
export function isAway(fault: Fault): boolean {
  return fault.family === "unavailable" || fault.code === "API_SERVER_AUTH" || fault.code === "API_SERVER_TLS";
}

export interface Cluster {
  readonly objects: Pick<KubeObjects, "call" | "pathOf">;
  /** Who an operator is in the cluster. Fault POLICY_REFUSED for a name or tier that this site does not know. */
  readonly impersonationOf: (operator: string, tier: string) => Impersonation;
  /** A failed answer as a Fault with the API server's own words. */
  readonly statusFault: (answer: KubeAnswer, what: string) => Fault;
}
