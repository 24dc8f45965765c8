// An operator ends a site: refuses an agent that waits, or revokes a site. The record comes first, so that the agent is refused when it dials again; but a site that
// is to be revoked loses its link also when the record cannot be written: whoever asks for it wants it out now. Called through the API.
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { SiteRow } from "../store/sites.ts";
import type { RelayStore } from "../store/store.ts";

export interface EndPorts {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly acceptor: { decide(siteId: string, verdict: Fault): void };
  readonly roster: { find(siteId: string): { readonly link: { abort(code: "refused", fault: Fault): void } } | null };
}

/** Faults: what the store says, STATE_REFUSED for a site that is not in the state for it. */
export async function endSite(ports: EndPorts, asked: { readonly site: SiteRow; readonly to: "denied" | "revoked"; readonly operator: string }): Promise<SiteRow> {
  const { site, to, operator } = asked;
  const cut = (fault: Fault): void => {
    ports.acceptor.decide(site.id, fault);
    ports.roster.find(site.id)?.link.abort("refused", fault);
  };
  const write = (): Promise<SiteRow> => ports.store.call("endSite", { id: site.id, to, operator, nowMs: ports.clock.wallMs() });
  if (to === "denied") {
    const denied = await write(); // refused for a site that is approved: its link stays
    cut(new Fault("JOIN_DENIED", { what: "an operator refused this agent", hint: "ask the centre why; a new try needs a new token and an empty --data folder" }));
    return denied;
  }
  try {
    return await write();
  } finally {
    cut(new Fault("SITE_REVOKED", { what: "this site was revoked by an operator", hint: "to join again, use a new join token and an empty --data folder" }));
  }
}
