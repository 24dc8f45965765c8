// The link's word for people: is a site there, and if not, how worried to be. Every site is expected always until contact plans exist. The age of what is
// known is another thing and is never mixed in. Pure. experience.md section 1.
import type { LinkWord } from "../api.ts";

/** Without contact for this long (ms) an expected site is late, then lost. */
export const lateAfterMs = 5 * 60_000;
export const lostAfterMs = 60 * 60_000;
/** A round trip above this (ms) is worth a word. */
export const slowRoundTripMs = 1_500;

export interface Seen {
  readonly state: "waiting" | "active" | "denied" | "revoked";
  readonly isLinked: boolean;
  readonly lastContactMs: number | null;
  readonly roundTripMs: number | null;
}

/** Whether there is a link: a slow one is one. */
export function isLinked(word: LinkWord): boolean {
  return word === "online" || word === "slow";
}

export function linkWord(seen: Seen, nowMs: number): LinkWord {
  if (seen.state === "waiting") return "waiting";
  if (seen.isLinked) return seen.roundTripMs !== null && seen.roundTripMs > slowRoundTripMs ? "slow" : "online";
  if (seen.lastContactMs === null) return "new";
  const silentMs = nowMs - seen.lastContactMs;
  return silentMs < lateAfterMs ? "quiet" : silentMs < lostAfterMs ? "late" : "lost";
}
