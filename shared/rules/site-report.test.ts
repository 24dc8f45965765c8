// A report is what its type says, within bounds, or it is refused with the member that is wrong: one site's report must not take the list of all sites away.
import { expect, test } from "vitest";
import type { SiteReport } from "../api.ts";
import { parseSiteReport } from "./site-report.ts";
import { isSiteTime, siteTimeMsMax } from "./site-time.ts";

const report: SiteReport = {
  madeAtMs: 1_700_000_000_000,
  agentVersion: "0.1.0",
  kubernetes: { version: "v1.34.1", reachable: true, why: null },
  nodes: [{ name: "n1", ready: false, why: "KubeletNotReady", version: "v1.34.1" }],
  nodesTotal: 1,
  unwell: [{ kind: "Deployment", namespace: "line", name: "press", why: "0 of 1 ready" }],
  unwellTotal: 1,
  workloadsTotal: 7,
  agent: { startedAtMs: 1_600_000_000_000, memoryMiB: 60, freeDiskMiB: 900, health: [{ id: "disk-low", what: "little room" }] },
  queues: { commandsOpen: 0, lettersWaiting: 2, oldestLetterMs: null },
};
const malformed = (member: string): unknown => expect.objectContaining({ code: "ENVELOPE_MALFORMED", message: expect.stringContaining(`"${member}"`) as string });

test("an honest report comes back as it is, what nobody knows left out", () => {
  expect(parseSiteReport(report)).toEqual(report);
  expect(parseSiteReport({ ...report, more: { than: "known" } })).toEqual(report);
});

test.each([
  ["report", null],
  ["report", [report]],
  ["madeAtMs", { ...report, madeAtMs: Number.MAX_SAFE_INTEGER }],
  ["madeAtMs", { ...report, madeAtMs: -1 }],
  ["startedAtMs", { ...report, agent: { ...report.agent, startedAtMs: siteTimeMsMax + 1 } }],
  ["kubernetes", { ...report, kubernetes: null }],
  ["why", { ...report, kubernetes: { ...report.kubernetes, why: { toString: null } } }],
  ["nodes", { ...report, nodes: 7 }],
  ["nodes", { ...report, nodes: [null] }],
  ["ready", { ...report, nodes: [{ ...report.nodes[0], ready: "yes" }] }],
  ["nodesTotal", { ...report, nodesTotal: "1" }],
  ["unwell", { ...report, unwell: undefined }],
  ["name", { ...report, unwell: [{ ...report.unwell[0], name: [] }] }],
  ["health", { ...report, agent: { ...report.agent, health: {} } }],
  ["queues", { ...report, queues: [] }],
  ["oldestLetterMs", { ...report, queues: { ...report.queues, oldestLetterMs: 1.5 } }],
])("one whose %s is of another form is refused", (member, value) => {
  expect(() => parseSiteReport(value)).toThrow(malformed(member));
});

test("long texts are cut and long lists end", () => {
  const parsed = parseSiteReport({ ...report, unwell: Array.from({ length: 9_000 }, () => ({ ...report.unwell[0], why: "w".repeat(9_000), name: "n".repeat(9_000) })) });
  expect(parsed.unwell).toHaveLength(500);
  expect([parsed.unwell[0]!.why.length, parsed.unwell[0]!.name.length]).toEqual([500, 253]);
});

test("a site's time is one that a Date can hold", () => {
  expect(new Date(siteTimeMsMax).toISOString()).toMatch(/^\+275760/);
  for (const ms of [0, 1_700_000_000_000, siteTimeMsMax]) expect(isSiteTime(ms)).toBe(true);
  for (const ms of [-1, 0.5, siteTimeMsMax + 1, Number.MAX_SAFE_INTEGER, Number.NaN, Infinity, "1", null, undefined]) expect(isSiteTime(ms)).toBe(false);
});
