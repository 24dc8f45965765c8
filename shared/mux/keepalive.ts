// Is the peer alive? Any octet counts. The relay pings a quiet link, the agent only listens; whoever is owed something asks sooner. A verdict
// that comes late (the process slept or was busy) first gives the socket a turn. Pure: times are absolute ms of one monotonic clock.
import { agentSilenceMsMax, owedPingMs, owedVerdictMs, pingAfterSilenceMsMax, pingAfterSilenceMsMin, pingVerdictMs } from "../wire/limits.ts";

/** A tick that comes this much after its time (ms) means that we slept, not that the peer did. */
const lateTickMs = 500;
/** The turn that the socket then gets (ms). */
const graceMs = 1_000;
/** Pings are told apart by a number of one octet; the octets of an idle link are mostly theirs. */
const marksMax = 63;

export type KeepaliveAct = "ping" | "dead" | null;

export class Keepalive {
  readonly #isRelay: boolean;
  readonly #random: () => number;
  #heardMs: number;
  #quietPingAfterMs: number;
  #pingedMs = -Infinity;
  #owedSinceMs = Infinity;
  #graceUntilMs = -Infinity;
  #octets = 0;
  #lastMark = 0;
  #markedMs = Infinity;

  constructor(isRelay: boolean, random: () => number, nowMs: number) {
    this.#isRelay = isRelay;
    this.#random = random;
    this.#heardMs = nowMs;
    this.#quietPingAfterMs = this.#drawQuiet();
  }

  #drawQuiet(): number {
    return pingAfterSilenceMsMin + this.#random() * (pingAfterSilenceMsMax - pingAfterSilenceMsMin);
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    if (this.#owedSinceMs < nowMs) this.#owedSinceMs = nowMs;
    if (this.#pingedMs === -Infinity) return;
    this.#pingedMs = -Infinity;
    this.#quietPingAfterMs = this.#drawQuiet();
  }

  /** The socket's count of octets read: part of a message is life too. */
  octetsSeen(total: number, nowMs: number): void {
    if (total === this.#octets) return;
    this.#octets = total;
    this.heard(nowMs);
  }

  /** The peer owes us something (an answer, an acknowledgement), or no longer does. */
  setOwed(isOwed: boolean, nowMs: number): void {
    if (!isOwed) this.#owedSinceMs = Infinity;
    else if (this.#owedSinceMs === Infinity) this.#owedSinceMs = nowMs;
  }

  /** A ping leaves: what its PONG will say. One that is not answered yet is said again, and the first answer counts. */
  mark(nowMs: number): number {
    if (this.#markedMs !== Infinity) return this.#lastMark;
    this.#lastMark = (this.#lastMark % marksMax) + 1;
    this.#markedMs = nowMs;
    return this.#lastMark;
  }

  /** How long the ping took (ms), once; null for a PONG that answers nothing. */
  answered(mark: number, nowMs: number): number | null {
    if (mark !== this.#lastMark || this.#markedMs === Infinity) return null;
    const ms = nowMs - this.#markedMs;
    this.#markedMs = Infinity;
    return Math.max(0, ms);
  }

  /** What is due now. "ping" is returned once per silence. */
  tick(nowMs: number): KeepaliveAct {
    const verdictMs = this.#verdictMs();
    if (nowMs >= verdictMs) {
      if (nowMs - verdictMs > lateTickMs && this.#graceUntilMs < verdictMs) {
        this.#graceUntilMs = nowMs + graceMs;
        return null;
      }
      if (nowMs >= this.#graceUntilMs) return "dead";
      return null;
    }
    if (nowMs < this.#pingDueMs()) return null;
    this.#pingedMs = nowMs;
    return "ping";
  }

  nextWakeMs(): number {
    const verdictMs = Math.max(this.#verdictMs(), this.#graceUntilMs);
    return Math.min(verdictMs, this.#pingDueMs());
  }

  #pingDueMs(): number {
    if (this.#pingedMs !== -Infinity) return Infinity;
    const quiet = this.#isRelay ? this.#heardMs + this.#quietPingAfterMs : Infinity;
    return Math.min(quiet, this.#owedFrom() + owedPingMs);
  }

  #verdictMs(): number {
    const quiet = this.#isRelay ? (this.#pingedMs === -Infinity ? Infinity : Math.max(this.#pingedMs + pingVerdictMs, this.#heardMs + pingAfterSilenceMsMin)) : this.#heardMs + agentSilenceMsMax;
    return Math.min(quiet, this.#owedFrom() + owedVerdictMs);
  }

  /** Silence that is owed counts from when the debt began: a link that was quiet for half a minute is not dead the moment it is asked. */
  #owedFrom(): number {
    return Math.max(this.#heardMs, this.#owedSinceMs);
  }
}
