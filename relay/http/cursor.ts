// Places in lists and in the run of changes, as texts that callers hand back as they got them. They hold no secret and open nothing: whatever comes back is judged by
// its form, and at worst begins a page elsewhere.
import { Fault } from "../../shared/kit/errors.ts";
import { shown } from "../../shared/kit/shown.ts";
import type { ChangeAt } from "../store/changes.ts";
import type { ListPlace } from "../store/command-list.ts";

/** Characters of a cursor: three numbers and texts of ours have some 120. */
const cursorCharsMax = 400;
const limitMax = 500;
const limitDefault = 100;

export function cursorOf({ askedMs, ord, id }: ListPlace): string {
  return Buffer.from(JSON.stringify([askedMs, ord, id])).toString("base64url");
}

/** Fault USAGE. */
export function parseCursor(text: string | null): ListPlace | null {
  if (text === null) return null;
  const [askedMs, ord, id, ...rest] = placeIn(text);
  if (!isWhole(askedMs) || !isWhole(ord) || typeof id !== "string" || rest.length > 0) throw new Fault("USAGE", { what: `"${shown(text, 40)}" is not a cursor of this list`, why: 'a cursor is the "next" of the page before, unchanged', hint: "leave it out to begin with the newest" });
  return { askedMs, ord, id };
}

function placeIn(text: string): unknown[] {
  if (text.length > cursorCharsMax) return [];
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Fault USAGE. */
export function parseLimit(text: string | null): number {
  const limit = text === null ? limitDefault : /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limitMax) throw new Fault("USAGE", { what: `the limit cannot be "${shown(text, 40)}"`, why: `a page has 1 to ${limitMax} items`, hint: `limit=${limitDefault}` });
  return limit;
}

export function changeText({ epoch, change }: ChangeAt): string {
  return `${epoch}.${change}`;
}

/** Fault USAGE. */
export function parseChange(text: string): ChangeAt {
  const found = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (found === null) throw new Fault("USAGE", { what: `"${shown(text, 40)}" is not a place to watch from`, why: 'it is the "watch" of a list or a command, or the id of the last event, unchanged', hint: "leave it out to watch from now on" });
  return { epoch: Number(found[1]), change: Number(found[2]) };
}
