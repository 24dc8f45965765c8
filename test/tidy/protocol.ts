// PROTOCOL.md says what shared/wire does: its tables of frames, codes and letter states, and every number on the page, are read and compared with the
// constants. A page that no longer has the sentence is a finding too, so the comparison cannot quietly stop.
import { CODES } from "../../shared/wire/codes.ts";
import { FRAME_TYPES, IGNORABLE, MORE, TYPE_MASK } from "../../shared/wire/frame.ts";
import * as limits from "../../shared/wire/limits.ts";
import { LETTER_STATUS } from "../../shared/wire/message.ts";
import type { Finding, Tree } from "./tree.ts";

const PAGE = "shared/PROTOCOL.md";

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/** Rows of the table whose header begins with these cells. */
function tableOf(text: string, header: readonly string[]): Row[] {
  const lines = text.split("\n");
  const cellsOf = (line: string): string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex((line) => line.startsWith("|") && header.every((word, index) => cellsOf(line)[index] === word));
  if (start === -1) return [];
  const rows: Row[] = [];
  for (let index = start + 2; lines[index]?.startsWith("|") === true; index += 1) rows.push({ line: index + 1, cells: cellsOf(lines[index]!) });
  return rows;
}

/** Number and unit as the page writes them -> octets or ms. */
const UNITS: Readonly<Record<string, number>> = { "": 1, MiB: 1_048_576, KiB: 1_024, s: 1_000, ms: 1 };

/** A sentence of the page, with the numbers in it, and what they must be. White space may be a line's end. */
const SENTENCES: readonly (readonly [sentence: RegExp, ...values: number[]])[] = [
  [/refuses a message over \*\*([\d,]+) (MiB)\*\*/, limits.messageBytesMax],
  [/`length` <= \*\*([\d,]+)()\*\*/, limits.frameBytesMax],
  [/a reason is at most ([\d,]+)() octets/, limits.reasonBytesMax],
  [
    /each at most ([\d,]+) (KiB) \(CLAIM and WELCOME ([\d,]+) (KiB)\), the whole done within ([\d,]+) (s)/,
    limits.handshakeBytesMax,
    limits.handshakeClaimBytesMax,
    limits.handshakeMs,
  ],
  [/pings after \*\*([\d,]+) (s)\*\* of silence/, (limits.pingAfterSilenceMsMin + limits.pingAfterSilenceMsMax) / 2],
  [/\(jittered ([\d,]+)-([\d,]+)\)/],
  [/judges \*\*([\d,]+) (s)\*\* later/, limits.pingVerdictMs],
  [/the agent judges after \*\*([\d,]+) (s)\*\*/, limits.agentSilenceMsMax],
  [/hears nothing for \*\*([\d,]+) (s)\*\* pings and judges at \*\*([\d,]+) (s)\*\*/, limits.owedPingMs, limits.owedVerdictMs],
  [/latest after ([\d,]+) (KiB) or ([\d,]+) (ms)/, limits.ackAfterBytes, limits.ackAfterMs],
  [/An OPEN or HEAD record, with its continuations, is at most \*\*([\d,]+) (MiB)\*\* in at most \*\*([\d,]+)()\*\* frames, and has at most \*\*([\d,]+)()\*\* pairs/, limits.headBytesMax, limits.headPartsMax, limits.headPairsMax],
  [/at most \*\*([\d,]+)()\*\* \(more is FRAME_MALFORMED\)/, limits.letterBytesMax],
  [/starts with `startCredit` octets \(([\d,]+) (KiB)\)/, limits.creditStartBytes],
  [/nothing left for ([\d,]+) (s) while more than ([\d,]+) (MiB) waited/, limits.socketStuckMs, limits.socketStuckBytes],
];

export function protocolPage(tree: Tree): Finding[] {
  const text = tree.files.get(PAGE) ?? "";
  const findings: Finding[] = [];
  const add = (line: number, what: string): void => void findings.push({ rule: "protocol-page", path: PAGE, line, what });
  compareTable(
    tableOf(text, ["type", "name", "sent by", "payload"]).map(({ line, cells }) => ({ line, cells: [String(Number(cells[0])), cells[1]!] })),
    Object.entries(FRAME_TYPES).map(([name, type]) => [String(type), name]),
    "frames",
    add,
  );
  compareTable(
    tableOf(text, ["code", "name", "used in", "meaning"]),
    CODES.map(([name], code) => [String(code), name]),
    "codes",
    add,
  );
  const plain = text.replaceAll(/\s+/g, " ");
  for (const [sentence, ...wanted] of SENTENCES) {
    const found = sentence.exec(plain);
    if (found === null) add(1, `the page no longer has the sentence ${sentence.source}`);
    else if (wanted.length > 0) compareNumbers(found, wanted, add);
  }
  const jitter = /\(jittered (\d+)-(\d+)\)/.exec(plain);
  if (jitter !== null && (Number(jitter[1]) * 1_000 !== limits.pingAfterSilenceMsMin || Number(jitter[2]) * 1_000 !== limits.pingAfterSilenceMsMax))
    add(1, `the page says ${jitter[0]}, the limits say otherwise`);
  const states = Object.entries(LETTER_STATUS).map(([name, number]) => (number === 0 ? `${number} ${name}` : `${number} refused: ${name}`));
  if (!plain.includes(`${states.join(", ")}.`)) add(1, `the page does not list the letter states as ${states.join(", ")}`);
  for (const [bits, meaning] of [
    [IGNORABLE, "may be ignored"],
    [MORE, "MORE"],
    [TYPE_MASK, "the type"],
  ] as const)
    if (!plain.includes(`\`0x${bits.toString(16)}\` ${meaning}`)) add(1, `the page does not give "${meaning}" the bits 0x${bits.toString(16)}`);
  return findings;
}

function compareTable(rows: readonly Row[], wanted: readonly (readonly string[])[], what: string, add: (line: number, what: string) => void): void {
  const said = rows.map(({ cells }) => cells.slice(0, 2).join(" "));
  const meant = wanted.map((cells) => cells.join(" "));
  for (const [index, row] of said.entries()) if (!meant.includes(row)) add(rows[index]!.line, `the table of ${what} has "${row}", the code does not`);
  for (const row of meant) if (!said.includes(row)) add(rows[0]?.line ?? 1, `the table of ${what} lacks "${row}"`);
}

function compareNumbers(found: RegExpExecArray, wanted: readonly number[], add: (line: number, what: string) => void): void {
  for (const [index, value] of wanted.entries()) {
    const said = Number(found[1 + 2 * index]!.replaceAll(",", "")) * UNITS[found[2 + 2 * index]!]!;
    if (said !== value) add(1, `the page says "${found[0]}", the limit is ${value}`);
  }
}
