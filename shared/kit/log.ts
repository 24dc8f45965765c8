// Logs: pino lines with a constant message and facts as keys. Keys that could carry secrets are removed whatever their depth's first level says;
// nothing is logged per frame. The only importer of pino. Writes to stderr; on a terminal in a form for people.
import { pino, type DestinationStream } from "pino";

export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Logger {
  debug(facts: Facts, message: string): void;
  info(facts: Facts, message: string): void;
  warn(facts: Facts, message: string): void;
  error(facts: Facts, message: string): void;
  child(facts: Facts): Logger;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRET_KEYS = ["token", "secret", "authorization", "password", "key", "payload", "body", "secretKey", "kubeconfig"];

export interface LogOptions {
  readonly name: string;
  readonly level: LogLevel;
  /** Human lines instead of JSON. */
  readonly pretty: boolean;
  /** For tests; stderr by default. */
  readonly write?: (line: string) => void;
}

export function createLogger(options: LogOptions): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const destination: DestinationStream = { write: (line: string) => write(options.pretty ? humanLine(line) : line) };
  return pino(
    { name: options.name, level: options.level, base: { name: options.name }, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: SECRET_KEYS, censor: "[removed]" }, formatters: { level: (label) => ({ level: label }) } },
    destination,
  ) as unknown as Logger;
}

function humanLine(line: string): string {
  const { level, time, name, msg, ...facts } = JSON.parse(line) as Record<string, string>;
  const rest = Object.entries(facts)
    .map(([key, value]) => `${key}=${typeof value === "string" && /[\s"]/.test(value) ? JSON.stringify(value) : String(value)}`)
    .join(" ");
  return `${time!.slice(11, 23)} ${level!.padEnd(5)} ${name}: ${msg}${rest === "" ? "" : `  ${rest}`}\n`;
}

/** Swallows everything: for tests and for tools that print their own words. */
export const silentLog: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silentLog };
