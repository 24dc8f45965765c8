// Settings: one table per program says each setting's flag, environment name, default, parser and help. Read once at the entry; flag before
// environment before default. Refuses unknown flags (naming the nearest), missing and bad values with USAGE. Also the parsers themselves.
import { invariant } from "./assert.ts";
import { Fault } from "./errors.ts";
import { shown } from "./shown.ts";

export interface Setting<Value> {
  /** `--listen`. */
  readonly flag: string;
  /** `-o`. */
  readonly short?: string;
  readonly env: string;
  readonly fallback: Value;
  readonly parse: (text: string) => Value;
  readonly help: string;
  /** Shown in --help instead of the fallback. */
  readonly shown?: string;
  /** A flag without a value. */
  readonly isSwitch?: boolean;
}

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;
export type Settings<Table extends SettingsTable> = { readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never };

export interface ReadSettings<Table extends SettingsTable> {
  readonly settings: Settings<Table>;
  /** Words that are no flags. */
  readonly words: readonly string[];
  readonly wantsHelp: boolean;
}

export function readSettings<Table extends SettingsTable>(table: Table, argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ReadSettings<Table> {
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const text = env[setting.env];
    values[name] = text === undefined || text === "" ? setting.fallback : parseOne(setting, text, setting.env);
  }
  const words: string[] = [];
  let wantsHelp = false;
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index]!;
    if (word === "--help" || word === "-h") wantsHelp = true;
    else if (!word.startsWith("-") || word === "-") words.push(word);
    else {
      const [flag, inline] = splitFlag(word);
      const found = Object.entries(table).find(([, setting]) => setting.flag === flag || setting.short === flag);
      if (found === undefined) throw unknownFlag(table, flag);
      const [name, setting] = found;
      if (setting.isSwitch === true) values[name] = inline === null ? true : parseOne(setting, inline, flag);
      else {
        const text = inline ?? argv[(index += 1)];
        if (text === undefined) throw new Fault("USAGE", { what: `${flag} needs a value`, why: setting.help, hint: `${flag} VALUE` });
        values[name] = parseOne(setting, text, flag);
      }
    }
  }
  return { settings: values as Settings<Table>, words, wantsHelp };
}

function splitFlag(word: string): [string, string | null] {
  const cut = word.indexOf("=");
  return cut === -1 ? [word, null] : [word.slice(0, cut), word.slice(cut + 1)];
}

function parseOne(setting: Setting<unknown>, text: string, from: string): unknown {
  try {
    return setting.parse(text);
  } catch (error) {
    throw new Fault("USAGE", { what: `${from} cannot be "${text}"`, why: error instanceof Fault ? error.why : (error as Error).message, hint: setting.help });
  }
}

function unknownFlag(table: SettingsTable, flag: string): Fault {
  const nearest = Object.values(table)
    .map((setting) => ({ flag: setting.flag, distance: editDistance(setting.flag, flag) }))
    .sort((left, right) => left.distance - right.distance)[0];
  const hint = nearest !== undefined && nearest.distance <= 3 ? `did you mean ${nearest.flag}?` : "--help lists the flags";
  return new Fault("USAGE", { what: `there is no flag ${flag}`, why: "it is not one of this program's", hint });
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_value, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[right.length]!;
}

/** The settings as --help lines. */
export function settingsHelp(table: SettingsTable): string {
  const rows = Object.values(table).map((setting) => [(setting.short === undefined ? "" : `${setting.short}, `) + setting.flag + (setting.isSwitch === true ? "" : " VALUE"), setting.env, `${setting.help}${defaultText(setting)}`] as const);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row[0].padEnd(widths[0]! + 2)}${row[1].padEnd(widths[1]! + 2)}${row[2]}\n`).join("");
}

function defaultText(setting: Setting<unknown>): string {
  const text = setting.shown ?? (setting.fallback === null || setting.fallback === "" || setting.isSwitch === true ? "" : shown(setting.fallback));
  return text === "" ? "" : ` (default ${text})`;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `250ms`, `30s`, `10m`, `8h`, `7d`, also joined: `1h30m`. Milliseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) throw new Fault("USAGE", { what: `"${text}" is not a duration`, why: "a duration is a number and a unit: 30s, 10m, 8h, 7d" });
  return parts.reduce((sum, part) => sum + Number(part[1]) * UNITS_MS[part[2]!]!, 0);
}

/** A duration with bounds (ms), both of them good: no bound above the 24.8 days at which a timer of Node's fires at once. */
export function parseDurationWithin(minMs: number, maxMs: number): (text: string) => number {
  invariant(minMs <= maxMs && maxMs < 2 ** 31, "the bounds of a duration are in order and fit a timer");
  return (text) => {
    const value = parseDuration(text);
    if (value < minMs || value > maxMs) throw new Fault("USAGE", { what: `"${text}" is out of range`, why: `it takes from ${durationText(minMs)} to ${durationText(maxMs)}` });
    return value;
  };
}

/** In the largest unit that gives a whole number. */
function durationText(ms: number): string {
  const [unit, unitMs] = Object.entries(UNITS_MS).findLast(([, each]) => ms >= each && ms % each === 0) ?? ["s", 1_000];
  return `${ms / unitMs}${unit}`;
}

const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 };

/** A size with bounds in MiB: `256MiB`, `1GiB`, `512KiB`, or octets. Octets. */
export function parseSizeWithin(minMiB: number, maxMiB: number): (text: string) => number {
  return (text) => {
    const found = /^(\d{1,15})([KMG]iB|)$/.exec(text);
    if (found === null) throw new Fault("USAGE", { what: `"${text}" is not a size`, why: "a size is a whole number and a unit: 256MiB, 1GiB" });
    const octets = Number(found[1]) * UNITS_BYTES[found[2]!]!;
    if (octets < minMiB * UNITS_BYTES["MiB"]! || octets > maxMiB * UNITS_BYTES["MiB"]!) throw new Fault("USAGE", { what: `"${text}" is out of range`, why: `it takes from ${minMiB}MiB to ${maxMiB}MiB` });
    return octets;
  };
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[::1]:PORT`, `:PORT` (all addresses). */
export function parseHostPort(text: string): HostPort {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) throw new Fault("USAGE", { what: `"${text}" is not HOST:PORT`, why: "e.g. 0.0.0.0:8443 or [::]:8443" });
  return { host: found[1] ?? (found[2] === "" ? "0.0.0.0" : found[2]!), port };
}

export function parseText(text: string): string {
  return text;
}

export function parseList(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

export function parseSwitch(text: string): boolean {
  if (["true", "1", "yes", "on"].includes(text)) return true;
  if (["false", "0", "no", "off"].includes(text)) return false;
  throw new Fault("USAGE", { what: `"${text}" is neither true nor false`, why: "it takes true or false" });
}

export function parseOneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) throw new Fault("USAGE", { what: `"${text}" is not known`, why: `it takes ${words.join(", ")}` });
    return word;
  };
}

export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < min || value > max) throw new Fault("USAGE", { what: `"${text}" is out of range`, why: `it takes a whole number from ${min} to ${max}` });
    return value;
  };
}
