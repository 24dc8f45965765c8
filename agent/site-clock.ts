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

export interface TimeEstimate {
  readonly nowMs: number;
  readonly errorMs: number;
}

/** What is kept between runs: one agreement with a relay. */
export interface ClockRecord {
  readonly relayMs: number;
  readonly wallMs: number;
  readonly uptimeMs: number;
  readonly kernelBoot: string;
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

export class SiteClock {
  readonly #clock: Clock;
  readonly #machine: Machine;
  #agreed: { readonly relayMs: number; readonly monoMs: number; readonly errorMs: number } | null = null;

  constructor(clock: Clock, machine: Machine, record: ClockRecord | null) {
    this.#clock = clock;
    this.#machine = machine;
    if (record !== null) this.#agreed = this.#restore(record);
  }

  #restore(record: ClockRecord): { relayMs: number; monoMs: number; errorMs: number } | null {
    const monoMs = this.#clock.monoMs();
    const wallMs = this.#clock.wallMs();
    const elapsedMs = this.#machine.uptimeMs() - record.uptimeMs;
    if (record.kernelBoot !== "" && record.kernelBoot === this.#machine.kernelBoot && elapsedMs >= 0) {
      return { relayMs: record.relayMs + elapsedMs, monoMs, errorMs: restartErrorMs + (elapsedMs * driftPpm) / 1e6 };
    }
    const offWallMs = record.wallMs - record.relayMs;
    if (Math.abs(offWallMs) > wallAgreesMs || wallMs < record.wallMs) return null;
    return { relayMs: wallMs - offWallMs, monoMs, errorMs: rebootErrorMs + ((wallMs - record.wallMs) * driftPpm) / 1e6 };
  }

  /** A relay said its time; it was on its way for at most `roundTripMs`. */
  agree(relayMs: number, roundTripMs: number): ClockRecord {
    this.#agreed = { relayMs: relayMs + roundTripMs / 2, monoMs: this.#clock.monoMs(), errorMs: roundTripMs / 2 + 1 };
    return { relayMs: this.#agreed.relayMs, wallMs: this.#clock.wallMs(), uptimeMs: this.#machine.uptimeMs(), kernelBoot: this.#machine.kernelBoot };
  }

  /** Null: the clock is unknown, and nothing that depends on a deadline may start. */
  estimate(): TimeEstimate | null {
    if (this.#agreed === null) return null;
    const elapsedMs = this.#clock.monoMs() - this.#agreed.monoMs;
    return { nowMs: Math.round(this.#agreed.relayMs + elapsedMs), errorMs: Math.ceil(this.#agreed.errorMs + (elapsedMs * driftPpm) / 1e6) };
  }

  /** For times that are only shown: the estimate, else what the wall says. */
  shownMs(): number {
    return this.estimate()?.nowMs ?? this.#clock.wallMs();
  }
}
