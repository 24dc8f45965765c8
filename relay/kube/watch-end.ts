// How an answer that is cut off in its middle may end. A clean end makes a cut list or log look complete; a watch that ends between two events is what clients expect
// and continue. Used by both exchanges.
import type { CodeName } from "../../shared/wire/codes.ts";

/** Ends each event of a watch; also where an answer stands that has no octet yet. */
export const newline = 0x0a;

/** True when the client loses nothing by a clean end: a watch, whole events so far, and no bug of ours that could have left one out. */
export function mayEndCleanly(isWatch: boolean, lastOctet: number, code: CodeName): boolean {
  return isWatch && lastOctet === newline && code !== "bug";
}
