// The site's idea of the relay's time, with its error (delivery.md section 5). Linked: the relay's time when it spoke, plus what passed since on a clock that
// cannot jump. After a restart without a link: the same machine's uptime, else a wall clock that agreed at the last contact; else unknown. Never a maximum.
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Clock } from "../shared/kit/clock.ts";

/** What a crystal drifts, at worst, by its data sheet; the design's figure. */
const driftPpm = 200;
/** A wall clock that is this near (ms) to the relay's at a contact counts as right. */
const wallAgreesMs = 30_000;
/** What a reboot may hide (ms). */
const rebootErrorMs = 60_000;
const restartErrorMs = 1_000;
/**
 * A wall clock alone bridges a reboot of at most this long (ms) since the time was written down. One that is a year ahead looks like a machine that was off for a year, and
 * would expire everything: then the time is unknown, and what waits goes on waiting for a link.
 */
const rebootMsMax = 86_400_000;

export interface TimeEstimate {
  readonly nowMs: number;
  readonly errorMs: number;
}

/** What is kept between runs: the relay's time as it was known at one moment, and what this machine's clocks said then. */
export interface ClockRecord {
  readonly relayMs: number;
  readonly wallMs: number;
  readonly uptimeMs: number;
  readonly kernelBoot: string;
  /** Of `relayMs`. Not in records of earlier versions, which were made at an agreement. */
  readonly errorMs?: number;
}

export interface Machine {
  readonly kernelBoot: string;
  uptimeMs(): number;
}

export const thisMachine: Machine = { kernelBoot: kernelBoot(), uptimeMs: () => uptime() * 1_000 };

function kernelBoot(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return ""; // not Linux: no two runs are taken for the same boot
  }
}

/** What the machine's uptime is read with (ms): /proc gives hundredths of a second. */
const uptimeStepMs = 10;

interface Agreement {
  readonly relayMs: number;
  readonly uptimeMs: number;
  readonly errorMs: number;
}

export class SiteClock {
  readonly #clock: Clock;
  readonly #machine: Machine;
  /** Counted on by uptime, which also runs while the machine sleeps; the process' own clock does not. */
  #agreed: Agreement | null = null;

  constructor(clock: Clock, machine: Machine, record: ClockRecord | null) {
    this.#clock = clock;
    this.#machine = machine;
    if (record !== null) this.#agreed = this.#restore(record);
  }

  #restore(record: ClockRecord): Agreement | null {
    const uptimeMs = this.#machine.uptimeMs();
    const wallMs = this.#clock.wallMs();
    const elapsedMs = uptimeMs - record.uptimeMs;
    const knownMs = record.errorMs ?? 0;
    if (record.kernelBoot !== "" && record.kernelBoot === this.#machine.kernelBoot && elapsedMs >= 0) {
      return { relayMs: record.relayMs + elapsedMs, uptimeMs, errorMs: knownMs + restartErrorMs + (elapsedMs * driftPpm) / 1e6 };
    }
    const offWallMs = record.wallMs - record.relayMs;
    const awayMs = wallMs - record.wallMs;
    if (Math.abs(offWallMs) > wallAgreesMs || awayMs < 0 || awayMs > rebootMsMax) return null;
    return { relayMs: wallMs - offWallMs, uptimeMs, errorMs: knownMs + rebootErrorMs + (awayMs * driftPpm) / 1e6 };
  }

  /** This moment, to be named later to `agree`: what is stored in between must not make the clock late. */
  mark(): { readonly uptimeMs: number; readonly wallMs: number } {
    return { uptimeMs: this.#machine.uptimeMs(), wallMs: this.#clock.wallMs() };
  }

  /**
   * A relay said its time; at the moment `at` it was on its way for at most `roundTripMs`. Null when what was known is nearer and does not contradict it:
   * a slow answer must not spoil a good clock.
   */
  agree(relayMs: number, roundTripMs: number, at = this.mark()): ClockRecord | null {
    const next = { relayMs: relayMs + roundTripMs / 2, uptimeMs: at.uptimeMs, errorMs: roundTripMs / 2 + uptimeStepMs };
    const before = this.#estimateAt(at.uptimeMs);
    if (before !== null && before.errorMs <= next.errorMs && Math.abs(before.nowMs - next.relayMs) <= before.errorMs + next.errorMs) return null;
    this.#agreed = next;
    return { ...next, wallMs: at.wallMs, kernelBoot: this.#machine.kernelBoot };
  }

  /** What is known now, to be written down for the next start; also that the wall clock has moved away from it, and is not to be trusted then. */
  record(): ClockRecord | null {
    const now = this.estimate();
    return now === null ? null : { ...this.mark(), relayMs: now.nowMs, errorMs: now.errorMs, kernelBoot: this.#machine.kernelBoot };
  }

  /** Null: the clock is unknown, and nothing that depends on a deadline may start. */
  estimate(): TimeEstimate | null {
    return this.#estimateAt(this.#machine.uptimeMs());
  }

  #estimateAt(uptimeMs: number): TimeEstimate | null {
    if (this.#agreed === null) return null;
    const elapsedMs = uptimeMs - this.#agreed.uptimeMs;
    return { nowMs: Math.round(this.#agreed.relayMs + elapsedMs), errorMs: Math.ceil(this.#agreed.errorMs + (elapsedMs * driftPpm) / 1e6) };
  }

  /** For times that are only shown: the estimate, else what the wall says. */
  shownMs(): number {
    return this.estimate()?.nowMs ?? this.#clock.wallMs();
  }
}
