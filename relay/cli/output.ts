// What the command line prints: tables like kubectl's for people, JSON and YAML for programs. Data goes to stdout, everything else to stderr.
// Text that came from a site is one line without control characters before a terminal sees it: it can be in every cell and field, and in JSON as well.
import { stringify } from "yaml";
import { Fault } from "../../shared/kit/errors.ts";
import { printable } from "../../shared/kit/shown.ts";

export const FORMATS = ["table", "wide", "json", "yaml", "jsonl", "name"] as const;
export type Format = (typeof FORMATS)[number];

export interface Terminal {
  /** Data. */
  out(text: string): void;
  /** Progress, hints, errors. */
  say(text: string): void;
  readonly isInteractive: boolean;
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
}

export function parseFormat(text: string): Format {
  const format = FORMATS.find((known) => known === text);
  if (format === undefined) throw new Fault("USAGE", { what: `there is no output format "${text}"`, why: `-o takes ${FORMATS.join(", ")}`, hint: "bowline --help" });
  return format;
}

/** Prints a list; `empty` is said on stderr when there is nothing, so that pipes stay clean. */
export function printList<Row extends object>(terminal: Terminal, format: Format, rows: readonly Row[], columns: readonly Column<Row>[], nameOf: (row: Row) => string, empty: string): void {
  switch (format) {
    case "json":
      return terminal.out(`${escaped(JSON.stringify({ apiVersion: "bowline/v1", kind: "List", items: rows }, null, 2))}\n`);
    case "yaml":
      return terminal.out(escaped(stringify({ apiVersion: "bowline/v1", kind: "List", items: rows })));
    case "jsonl":
      return terminal.out(rows.map((row) => `${escaped(JSON.stringify(row))}\n`).join(""));
    case "name":
      return terminal.out(rows.map((row) => `${nameOf(row)}\n`).join(""));
    default: {
      if (rows.length === 0) return terminal.say(`${empty}\n`);
      terminal.out(table(rows, columns.filter((column) => format === "wide" || column.wide !== true)));
    }
  }
}

/** Prints things as they come, one to a line; a table's columns only grow. JSON comes as jsonl, and YAML as documents: a list that has no end has no closing bracket. */
export function lineByLine<Row extends object>(terminal: Terminal, format: Format, columns: readonly Column<Row>[], nameOf: (row: Row) => string): (row: Row) => void {
  const shown = columns.filter((column) => format === "wide" || column.wide !== true);
  let widths = shown.map(({ title }) => title.length);
  const line = (cells: readonly string[]): void => {
    widths = widths.map((width, index) => Math.max(width, cells[index]!.length));
    terminal.out(`${cells.map((cell, index) => (index === cells.length - 1 ? cell : cell.padEnd(widths[index]! + 3))).join("")}\n`);
  };
  if (format === "table" || format === "wide") line(shown.map(({ title }) => title));
  return (row) => {
    if (format === "table" || format === "wide") line(shown.map((column) => printable(column.value(row))));
    else if (format === "yaml") terminal.out(`---\n${escaped(stringify(row))}`);
    else printOne(terminal, format === "json" ? "jsonl" : format, row, nameOf(row), () => "");
  };
}

/** Prints one thing: `text` for people. */
export function printOne(terminal: Terminal, format: Format, item: object, name: string, text: () => string): void {
  if (format === "json") terminal.out(`${escaped(JSON.stringify(item, null, 2))}\n`);
  else if (format === "jsonl") terminal.out(`${escaped(JSON.stringify(item))}\n`);
  else if (format === "yaml") terminal.out(escaped(stringify(item)));
  else if (format === "name") terminal.out(`${name}\n`);
  else terminal.out(text());
}

/** A name as people type it: also in the form that `-o name` prints, `command/ID`, so that one command's output is another's argument. */
export function bareName(text: string, kind: string): string {
  return text.startsWith(`${kind}/`) ? text.slice(kind.length + 1) : text;
}

export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => columns.map((column) => printable(column.value(row))))];
  const widths = columns.map((_column, index) => Math.max(...cells.map((line) => line[index]!.length)));
  return cells.map((line) => `${line.map((cell, index) => (index === line.length - 1 ? cell : cell.padEnd(widths[index]! + 3))).join("")}\n`).join("");
}

/** `Name:   value` lines of a describe. */
export function fields(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  return pairs.map(([name, value]) => `${`${name}:`.padEnd(width)} ${printable(value)}\n`).join("");
}

/** "12s", "5m", "3h", "2d": like kubectl's ages. */
export function age(fromIso: string | null, nowMs: number): string {
  if (fromIso === null) return "never";
  return duration(Math.max(0, nowMs - Date.parse(fromIso)));
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** JSON and YAML escape the lower control characters themselves; a terminal acts on DEL and the upper ones too. Both read them back as what they were. */
function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is escaped
  return text.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
