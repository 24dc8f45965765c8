// What this site lets a request from the centre be: the agent's own judgement, made again here because the relay's is not proof. Gives the
// identity to act as; if none can be built the request is refused, never sent as the agent itself. Pure.
import { Fault } from "../../shared/kit/errors.ts";
import { OPERATOR_NAME, operatorNameRule } from "../../shared/rules/operator-name.ts";
import { requireHonestTarget } from "../../shared/rules/target.ts";
import type { RequestHead } from "../../shared/wire/message.ts";

export interface Impersonation {
  readonly user: string;
  readonly groups: readonly string[];
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** Tiers and the group that each acts in; the manifest binds the group to a ClusterRole. One tier for now. */
const TIER_GROUPS: Readonly<Record<string, string>> = { admin: "bowline:admin" };

/** The operator as the cluster sees it. Fault POLICY_REFUSED for a name or tier that this site does not know. */
export function impersonationOf(operator: string, tier: string): Impersonation {
  const group = Object.hasOwn(TIER_GROUPS, tier) ? TIER_GROUPS[tier] : undefined;
  if (group === undefined) throw new Fault("POLICY_REFUSED", { what: `this site knows no tier "${tier.slice(0, 32)}"`, why: `it takes ${Object.keys(TIER_GROUPS).join(", ")}`, hint: "ask as an operator of a tier that it takes; a newer relay's tiers need a newer agent" });
  if (!OPERATOR_NAME.test(operator)) throw new Fault("POLICY_REFUSED", { what: "the operator's name is not acceptable here", why: operatorNameRule, hint: "ask as an operator with such a name: bowline operator add NAME" });
  return { user: `bowline:${operator}`, groups: [group] };
}

/** The agent's own reads for its report: a user without rights of its own, in a group that may look at nodes and workloads. */
export const reporterIdentity: Impersonation = { user: "bowline:agent", groups: ["bowline:report"] };

/** Judges a request from the link. Faults: POLICY_REFUSED, PATH_REFUSED. */
export function judgeRequest(head: RequestHead): Impersonation {
  if (!METHODS.has(head.method)) throw new Fault("POLICY_REFUSED", { what: `the method ${head.method.slice(0, 16)} is not forwarded`, why: `${[...METHODS].join(", ")} are`, hint: "ask with one of those; kubectl uses no other" });
  requireHonestTarget(head.target);
  return impersonationOf(head.operator, head.tier);
}

/** Flat header list of an identity; always the last in a request, so that nothing in front of it can stand in for it. */
export function impersonationHeaders(as: Impersonation): string[] {
  const out = ["impersonate-user", as.user];
  for (const group of as.groups) out.push("impersonate-group", group);
  return out;
}
