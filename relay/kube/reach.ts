// From a site's name to something that opens streams to its agent. At once when it is linked; a site that is just reconnecting is waited for, briefly and by
// a bounded number; any other absent one is answered within the same turn as its record is read, with what was last known. link.md section 4, kube.md section 4.
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import type { Link } from "../../shared/link/link.ts";
import type { SiteRow } from "../store/sites.ts";
import { unknownSite } from "../store/sites.ts";
import type { StreamOpener } from "./gateway.ts";

/** A request waits this long (ms) for a site that is reconnecting. */
const reconnectWaitMs = 5_000;
const waitersPerSiteMax = 100;

export interface ReachPorts {
  readonly clock: Clock;
  readonly linkFor: (name: string) => Link | null;
  readonly findSite: (name: string) => Promise<SiteRow | null>;
  readonly isReconnecting: (site: SiteRow) => boolean;
  readonly onJoin: (siteId: string, wake: () => void, waitersMax: number) => (() => void) | null;
}

export function siteOpener(ports: ReachPorts, name: string): StreamOpener | Promise<StreamOpener> {
  const link = ports.linkFor(name);
  if (link !== null && !link.isDraining) return (head, sink) => link.open(head, sink);
  return reach(ports, name);
}

async function reach(ports: ReachPorts, name: string): Promise<StreamOpener> {
  const site = await ports.findSite(name);
  if (site === null || site.state === "revoked" || site.state === "denied") throw unknownSite(name);
  if (site.state === "waiting") throw new Fault("SITE_WAITING", { what: `${name} waits for an operator's approval`, why: "its agent has joined and nobody has approved it yet", hint: `bowline approve ${name} --code CODE` });
  const draining = ports.linkFor(name);
  if (ports.isReconnecting(site) || draining !== null) await linkedAgain(ports, site.id);
  const link = ports.linkFor(name);
  if (link === null || link.isDraining) throw offline(site, ports.clock.wallMs());
  return (head, sink) => link.open(head, sink);
}

/** Resolves when the site is linked, or when it has been waited for long enough. */
function linkedAgain(ports: ReachPorts, siteId: string): Promise<void> {
  return new Promise((resolve) => {
    const withdraw = ports.onJoin(siteId, done, waitersPerSiteMax);
    const cancel = ports.clock.after(reconnectWaitMs, done);
    function done(): void {
      cancel();
      withdraw?.();
      resolve();
    }
    if (withdraw === null) done();
  });
}

export function offline(site: SiteRow, nowMs: number): Fault {
  const hint = `bowline site describe ${site.name}\nto leave an order for its return: bowline apply -f FILE --site ${site.name}`;
  if (site.lastContactMs === null) return new Fault("SITE_OFFLINE", { what: `${site.name} is offline`, why: "it was approved and has not linked yet", hint });
  const since = `no contact since ${new Date(site.lastContactMs).toISOString().slice(0, 16).replace("T", " ")} UTC (${ageText(nowMs - site.lastContactMs)})`;
  return new Fault("SITE_OFFLINE", { what: `${site.name} is offline`, why: site.linkEndWhy === null ? since : `${since}; the last link ended: ${site.linkEndWhy}`, hint });
}

function ageText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m` : `${Math.floor(seconds / 86_400)}d`;
}
