// The link's word for people, from what was seen and when: one word, and the more worried the longer it is silent.
import { expect, test } from "vitest";
import { isLinked, lateAfterMs, linkWord, lostAfterMs, slowRoundTripMs, type Seen } from "./freshness.ts";

const nowMs = 1_000_000_000;
const linked: Seen = { state: "active", isLinked: true, lastContactMs: nowMs, roundTripMs: 20 };
const away = (silentMs: number): Seen => ({ ...linked, isLinked: false, lastContactMs: nowMs - silentMs, roundTripMs: null });

test.each([
  ["waiting", { ...linked, state: "waiting" as const }],
  ["online", linked],
  ["online", { ...linked, roundTripMs: null }],
  ["online", { ...linked, roundTripMs: slowRoundTripMs }],
  ["slow", { ...linked, roundTripMs: slowRoundTripMs + 1 }],
  ["new", { ...linked, isLinked: false, lastContactMs: null }],
  ["quiet", away(0)],
  ["quiet", away(lateAfterMs - 1)],
  ["late", away(lateAfterMs)],
  ["late", away(lostAfterMs - 1)],
  ["lost", away(lostAfterMs)],
  ["lost", away(365 * 86_400_000)],
  // A clock that went back makes nobody late.
  ["quiet", away(-60_000)],
])("%s", (word, seen) => {
  expect(linkWord(seen, nowMs)).toBe(word);
});

test("a slow link is a link", () => {
  const words = ["online", "slow", "quiet", "late", "lost", "new", "waiting", "held"] as const;
  expect(words.filter(isLinked)).toEqual(["online", "slow"]);
});
