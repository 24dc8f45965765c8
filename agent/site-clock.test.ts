// The site's time: how it is agreed, how its error grows, and what a restart, a reboot, a suspend and a wrong wall clock leave of it.
import { expect, test } from "vitest";
import type { Clock } from "../shared/kit/clock.ts";
import { SiteClock, type ClockRecord } from "./site-clock.ts";

const start = 1_800_000_000_000;

/** A machine whose wall, uptime and boot the test moves. */
function stage(): { state: { wallMs: number; uptimeMs: number }; clock: Clock; machine: { kernelBoot: string; uptimeMs: () => number } } {
  const state = { wallMs: start, uptimeMs: 50_000 };
  const clock: Clock = { wallMs: () => state.wallMs, monoMs: () => 0, after: () => () => {} };
  return { state, clock, machine: { kernelBoot: "boot-1", uptimeMs: () => state.uptimeMs } };
}

function pass(state: { wallMs: number; uptimeMs: number }, ms: number): void {
  state.wallMs += ms;
  state.uptimeMs += ms;
}

test("unknown before the first agreement; then the relay's time, whatever the wall says", () => {
  const { state, clock, machine } = stage();
  state.wallMs = 0; // 1970
  const site = new SiteClock(clock, machine, null);
  expect(site.estimate()).toBeNull();
  site.agree(start, 100);
  pass(state, 1_000_000);
  expect(site.estimate()).toEqual({ nowMs: start + 50 + 1_000_000, errorMs: 60 + 200 });
});

test("a jump of the wall clock changes nothing", () => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 0);
  state.wallMs += 365 * 86_400_000;
  expect(site.estimate()!.nowMs).toBe(start);
});

test("a machine that slept counts its sleep: uptime runs on", () => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 0);
  state.uptimeMs += 3_600_000; // the process' own clock stood still
  expect(site.estimate()!.nowMs).toBe(start + 3_600_000);
});

test("the moment of the agreement is when the relay was heard, not when it was stored", () => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  const at = site.mark();
  pass(state, 2_000); // a slow disk
  site.agree(start, 0, at);
  expect(site.estimate()!.nowMs).toBe(start + 2_000);
});

test("a slow answer does not spoil a good clock, a contradiction replaces it", () => {
  const { clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 10);
  expect(site.agree(start - 4_000, 8_000)).toBeNull();
  expect(site.estimate()!.errorMs).toBe(15);
  expect(site.agree(start + 60_000, 8_000)).not.toBeNull();
  expect(site.estimate()!.nowMs).toBe(start + 64_000);
});

function recordOf(): ClockRecord {
  const { clock, machine } = stage();
  return new SiteClock(clock, machine, null).agree(start, 0)!;
}

test("a restart on the same boot keeps the time by uptime", () => {
  const { state, clock, machine } = stage();
  pass(state, 10_000);
  state.wallMs = 0;
  expect(new SiteClock(clock, machine, recordOf()).estimate()!.nowMs).toBe(start + 10_000);
});

test("a reboot keeps the time only by a wall clock that agreed at the last contact", () => {
  const { state, clock } = stage();
  const rebooted = { kernelBoot: "boot-2", uptimeMs: () => 1_000 };
  state.wallMs = start + 120_000;
  expect(new SiteClock(clock, rebooted, recordOf()).estimate()).toEqual({ nowMs: start + 120_000, errorMs: 60_034 });
  expect(new SiteClock(clock, rebooted, { ...recordOf(), wallMs: start - 86_400_000 }).estimate()).toBeNull();
});

test("a wall clock that went back over a reboot is not believed", () => {
  const { state, clock } = stage();
  state.wallMs = 0;
  expect(new SiteClock(clock, { kernelBoot: "boot-2", uptimeMs: () => 1_000 }, recordOf()).estimate()).toBeNull();
});

const year = 365 * 86_400_000;
const hour = 3_600_000;

test("a wall clock that is a year ahead after a reboot is not believed: nothing expires by it", () => {
  const { state, clock } = stage();
  const rebooted = { kernelBoot: "boot-2", uptimeMs: () => 1_000 };
  state.wallMs = start + year;
  expect(new SiteClock(clock, rebooted, recordOf()).estimate()).toBeNull();
  state.wallMs = start + 20 * hour;
  expect(new SiteClock(clock, rebooted, recordOf()).estimate()!.nowMs).toBe(start + 20 * hour);
});

test("what is written down every hour bridges a reboot after days without a link, its error with it", () => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 0);
  pass(state, 72 * hour);
  const record = site.record();
  pass(state, hour);
  const { nowMs, errorMs } = new SiteClock(clock, { kernelBoot: "boot-2", uptimeMs: () => 1_000 }, record).estimate()!;
  expect(nowMs).toBe(start + 73 * hour);
  expect(errorMs).toBeGreaterThan(60_000 + (73 * hour * 200) / 1e6);
});

test.each([year, -year])("a wall clock that jumped by %i ms while the machine ran counts for nothing after a reboot", (jump) => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 0);
  pass(state, hour);
  state.wallMs += jump;
  expect(site.estimate()!.nowMs).toBe(start + hour);
  const record = site.record();
  pass(state, hour);
  expect(new SiteClock(clock, { kernelBoot: "boot-2", uptimeMs: () => 1_000 }, record).estimate()).toBeNull();
  expect(new SiteClock(clock, machine, record).estimate()!.nowMs).toBe(start + 2 * hour); // the same boot: by uptime
});

test("a relay whose clock goes 10 min slow is followed: its deadlines are by that clock", () => {
  const { state, clock, machine } = stage();
  const site = new SiteClock(clock, machine, null);
  site.agree(start, 0);
  pass(state, hour);
  site.agree(start + hour - 600_000, 0);
  expect(site.estimate()!.nowMs).toBe(start + hour - 600_000);
});
