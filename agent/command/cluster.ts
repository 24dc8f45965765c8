// What a command needs of the cluster it runs in. The room that has it (agent/kube) is handed over by agent.ts, so that commands know no transport, no
// credentials and no policy but through here.
import type { Fault } from "../../shared/kit/errors.ts";
import type { KubeAnswer, KubeObjects } from "../kube/objects.ts";
import type { Impersonation } from "../kube/policy.ts";

export interface Cluster {
  readonly objects: Pick<KubeObjects, "call" | "pathOf">;
  /** Who an operator is in the cluster. Fault POLICY_REFUSED for a name or tier that this site does not know. */
  impersonationOf(operator: string, tier: string): Impersonation;
  /** A failed answer as a Fault with the API server's own words. */
  statusFault(answer: KubeAnswer, what: string): Fault;
}
