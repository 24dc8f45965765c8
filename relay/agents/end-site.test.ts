// Whoever revokes a site wants it out: its link ends whatever becomes of the record. A refusal of an agent that waits touches no site that is approved.
import { describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "../../shared/kit/errors.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import type { SiteRow } from "../store/sites.ts";
import { endSite, type EndPorts } from "./end-site.ts";

const site = { id: "s_1", name: "plant-07" } as SiteRow;

function bench(failure: FaultCode | null): { ports: EndPorts; cut: string[] } {
  const cut: string[] = [];
  const call = async (): Promise<unknown> => {
    cut.push("written");
    if (failure !== null) throw new Fault(failure, { what: "the store's" });
    return site;
  };
  const ports: EndPorts = {
    store: { call, close: async () => {} } as unknown as EndPorts["store"],
    clock: new ManualClock(1_000),
    acceptor: { decide: (id, { code }) => void cut.push(`decided ${id} ${code}`) },
    roster: { find: (id) => (id === site.id ? { link: { abort: (_code, { code }) => void cut.push(`aborted ${code}`) } } : null) },
  };
  return { ports, cut };
}

describe("a site that is revoked", () => {
  test.each([[null], ["DISK_FULL"], ["BUG"], ["STATE_REFUSED"]] as const)("loses its link, when the store says %s as well", async (failure) => {
    const { ports, cut } = bench(failure);
    const done = endSite(ports, { site, to: "revoked", operator: "ann" });
    if (failure === null) expect(await done).toBe(site);
    else await expect(done).rejects.toMatchObject({ code: failure });
    expect(cut).toEqual(["written", "decided s_1 SITE_REVOKED", "aborted SITE_REVOKED"]);
  });
});

test("an agent that is denied is told after the commit, and one that does not wait keeps its link", async () => {
  const denied = bench(null);
  await endSite(denied.ports, { site, to: "denied", operator: "ann" });
  expect(denied.cut).toEqual(["written", "decided s_1 JOIN_DENIED", "aborted JOIN_DENIED"]);
  const approved = bench("STATE_REFUSED");
  await expect(endSite(approved.ports, { site, to: "denied", operator: "ann" })).rejects.toMatchObject({ code: "STATE_REFUSED" });
  expect(approved.cut).toEqual(["written"]);
});
