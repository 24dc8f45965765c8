// The relay's settings: one table, each with a flag, an environment name and a line of help. The only file here that reads the environment.
import { hostname, networkInterfaces } from "node:os";
import { parseCount, parseDurationWithin, parseHostPort, parseList, parseOneOf, parseSwitch, parseText, readSettings, settingsHelp, type Settings } from "../shared/kit/config.ts";
import { Fault } from "../shared/kit/errors.ts";
import { LOG_LEVELS } from "../shared/kit/log.ts";
import { heardDrainMsMax } from "../shared/link/drain.ts";
import { queueMaxDefault } from "./store/queue-room.ts";

const TABLE = {
  data: { flag: "--data", env: "BOWLINE_DATA", fallback: "./.bowline/relay", parse: parseText, help: "folder for the database, keys and certificates" },
  listen: { flag: "--listen", env: "BOWLINE_LISTEN", fallback: { host: "0.0.0.0", port: 8443 }, parse: parseHostPort, help: "address and port for agents, kubectl and the command line; port 0 takes a free one", shown: "0.0.0.0:8443" },
  names: { flag: "--names", env: "BOWLINE_NAMES", fallback: [] as string[], parse: parseList, help: "names and addresses under which others reach the relay, with commas: they are in its own certificate, and logins are told the first", shown: "this host's" },
  tlsCert: { flag: "--tls-cert", env: "BOWLINE_TLS_CERT", fallback: "", parse: parseText, help: "certificate chain (PEM) instead of the relay's own" },
  tlsKey: { flag: "--tls-key", env: "BOWLINE_TLS_KEY", fallback: "", parse: parseText, help: "its private key (PEM)" },
  tlsCa: { flag: "--tls-ca", env: "BOWLINE_TLS_CA", fallback: "", parse: parseText, help: "the private CA behind --tls-cert, put into join tokens; without it agents judge by public roots" },
  binding: { flag: "--tls-binding", env: "BOWLINE_TLS_BINDING", fallback: "exporter" as const, parse: parseOneOf(["exporter", "none"] as const), help: "none when a load balancer ends TLS in front of the relay (weaker)" },
  httpCodec: { flag: "--http-codec", env: "BOWLINE_HTTP_CODEC", fallback: "own" as const, parse: parseOneOf(["own", "library"] as const), help: "who reads kubectl's HTTP/1.1: our strict codec (own), or Node's (library)" },
  queueCommandsMax: { flag: "--queue-commands-max", env: "BOWLINE_QUEUE_COMMANDS_MAX", fallback: queueMaxDefault.commands, parse: parseCount(1, 100_000), help: "open commands that one site may have; one more is refused with 429" },
  queueBytesMax: { flag: "--queue-bytes-max", env: "BOWLINE_QUEUE_BYTES_MAX", fallback: queueMaxDefault.octets, parse: parseMebibytes(1, 65_536), help: "what they may hold together", shown: "64MiB" },
  drainMs: { flag: "--drain", env: "BOWLINE_DRAIN", fallback: 10_000, parse: parseDurationWithin(0, heardDrainMsMax), help: "how long requests may finish at shutdown", shown: "10s" },
  firstLogin: { flag: "--first-login", env: "BOWLINE_FIRST_LOGIN", fallback: false, parse: parseSwitch, isSwitch: true, help: "init: make a first-login token although an operator has a good one, because it is lost" },
  newDatabase: { flag: "--new-database", env: "BOWLINE_NEW_DATABASE", fallback: false, parse: parseSwitch, isSwitch: true, help: "init: the keys are there and the database is lost for good: make a new one; the sites come back and wait for approval" },
  output: { flag: "--output", short: "-o", env: "BOWLINE_OUTPUT", fallback: "text" as const, parse: parseOneOf(["text", "json"] as const), help: "init, doctor: text or json" },
  logLevel: { flag: "--log-level", env: "BOWLINE_LOG_LEVEL", fallback: "info" as const, parse: parseOneOf(LOG_LEVELS), help: LOG_LEVELS.join(", ") },
  logFormat: { flag: "--log-format", env: "BOWLINE_LOG_FORMAT", fallback: "auto" as const, parse: parseOneOf(["auto", "json", "text"] as const), help: "auto is text on a terminal and JSON elsewhere" },
  crash: { flag: "--crash-at", env: "BOWLINE_CRASH_AT", fallback: "", parse: parseText, help: "for tests: kill the process at this named point, NAME or NAME:N" },
} as const;

/** `64MiB`, `2GiB`: octets. */
function parseMebibytes(min: number, max: number): (text: string) => number {
  return (text) => {
    const found = /^(\d{1,6})(MiB|GiB)$/.exec(text);
    const mebibytes = Number(found?.[1]) * (found?.[2] === "GiB" ? 1_024 : 1);
    if (found === null || mebibytes < min || mebibytes > max) throw new Fault("USAGE", { what: `"${text}" is not a size here`, why: `it takes ${min}MiB to ${max / 1_024}GiB` });
    return mebibytes * 1_048_576;
  };
}

export type RelaySettings = Settings<typeof TABLE>;

export function readRelaySettings(argv: readonly string[]): { settings: RelaySettings; words: readonly string[]; wantsHelp: boolean } {
  return readSettings(TABLE, argv, process.env);
}

export function relaySettingsHelp(): string {
  return settingsHelp(TABLE);
}

/** Names and addresses under which this host is likely to be reached. */
export function ownNames(further: readonly string[]): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter((item) => !item.address.includes("%") && !item.address.startsWith("fe80")).map((item) => item.address));
  return [...new Set(["localhost", hostname(), ...further, "127.0.0.1", "::1", ...addresses])];
}
