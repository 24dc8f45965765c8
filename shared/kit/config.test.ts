// Settings: flag before environment before default, everything that is not understood is refused with what was meant, and the parsers take one form each.
import { describe, expect, test } from "vitest";
import { parseCount, parseDuration, parseDurationWithin, parseHostPort, parseList, parseOneOf, parseSizeWithin, parseSwitch, parseText, readSettings, settingsHelp } from "./config.ts";

const TABLE = {
  listen: { flag: "--listen", env: "T_LISTEN", fallback: { host: "0.0.0.0", port: 8443 }, parse: parseHostPort, help: "where to listen", shown: ":8443" },
  drainMs: { flag: "--drain", env: "T_DRAIN", fallback: 10_000, parse: parseDuration, help: "time to drain" },
  names: { flag: "--names", env: "T_NAMES", fallback: [] as string[], parse: parseList, help: "names" },
  verbose: { flag: "--verbose", env: "T_VERBOSE", fallback: false, parse: parseSwitch, help: "say more", isSwitch: true },
  log: { flag: "--log-level", env: "T_LOG", fallback: "info" as "info" | "debug", parse: parseOneOf(["info", "debug"]), help: "how much" },
} as const;
const usage = (what: string, parts: Readonly<Record<string, unknown>> = {}): unknown => expect.objectContaining({ code: "USAGE", message: what, ...parts });

describe("settings", () => {
  test("are the defaults when nothing is said", () => {
    expect(readSettings(TABLE, [], {})).toEqual({
      settings: { listen: { host: "0.0.0.0", port: 8443 }, drainMs: 10_000, names: [], verbose: false, log: "info" },
      words: [],
      wantsHelp: false,
    });
  });

  test("come from the flag before the environment, and from the environment before the default", () => {
    const env = { T_DRAIN: "20s", T_NAMES: "a, b,", T_LOG: "" };
    const { settings } = readSettings(TABLE, ["--drain", "1m30s", "--verbose"], env);
    expect(settings).toMatchObject({ drainMs: 90_000, names: ["a", "b"], verbose: true, log: "info" });
  });

  test("take a flag's value behind a blank or a sign, and leave other words to the program", () => {
    const { settings, words } = readSettings(TABLE, ["run", "--listen=[::1]:9", "now", "--verbose=false", "--names", "--odd"], { T_VERBOSE: "on" });
    expect(settings).toMatchObject({ listen: { host: "::1", port: 9 }, verbose: false, names: ["--odd"] });
    expect(words).toEqual(["run", "now"]);
  });

  test("ask for help without reading on as if it were a value", () => {
    for (const word of ["-h", "--help"]) expect(readSettings(TABLE, ["run", word], {}).wantsHelp).toBe(true);
  });

  test("refuse an unknown flag, and name the nearest when there is one", () => {
    expect(() => readSettings(TABLE, ["--listn", "x"], {})).toThrow(usage("there is no flag --listn", { hint: "did you mean --listen?" }));
    expect(() => readSettings(TABLE, ["--frobnicate"], {})).toThrow(usage("there is no flag --frobnicate", { hint: "--help lists the flags" }));
  });

  test("refuse a flag without its value, and a bad value by where it came from", () => {
    expect(() => readSettings(TABLE, ["--drain"], {})).toThrow(usage("--drain needs a value"));
    expect(() => readSettings(TABLE, ["--drain", "soon"], {})).toThrow(usage('--drain cannot be "soon"', { hint: "time to drain" }));
    expect(() => readSettings(TABLE, [], { T_LOG: "loud" })).toThrow(usage('T_LOG cannot be "loud"', { why: "it takes info, debug" }));
  });

  test("are listed for help with flag, environment name, and the default where there is one", () => {
    const lines = settingsHelp(TABLE).trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^ {2}--listen VALUE +T_LISTEN +where to listen \(default :8443\)$/);
    expect(lines[1]).toMatch(/\(default 10000\)$/);
    expect(lines[3]).toMatch(/^ {2}--verbose +T_VERBOSE +say more$/);
    const column = lines[0]!.indexOf("T_LISTEN");
    for (const line of lines) expect(line.slice(column - 1, column + 2)).toBe(" T_");
  });
});

test.each([
  ["250ms", 250],
  ["30s", 30_000],
  ["10m", 600_000],
  ["8h", 28_800_000],
  ["7d", 604_800_000],
  ["1w", 604_800_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  ["0s", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "5", "s", "-5s", "5 s", "5x", "1h30", "1e3s", " 5s", "5S", "1.h"])('"%s" is no duration', (text) => {
  expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
});

test("a duration with bounds takes both of them and nothing beyond, and says what it takes", () => {
  const parse = parseDurationWithin(1_000, 86_400_000);
  expect(["1s", "24h", "90s"].map(parse)).toEqual([1_000, 86_400_000, 90_000]);
  for (const text of ["0s", "999ms", "24h1ms", "25d", "99999999999999999999w"]) expect(() => parse(text), text).toThrow(expect.objectContaining({ code: "USAGE", why: "it takes from 1s to 1d" }));
  expect(() => parse("soon")).toThrow(expect.objectContaining({ code: "USAGE" }));
  expect(() => parseDurationWithin(0, 90_000)("91s")).toThrow(expect.objectContaining({ why: "it takes from 0s to 90s" }));
});

test.each([
  ["0.0.0.0:8443", "0.0.0.0", 8443],
  [":8443", "0.0.0.0", 8443],
  ["relay.example:0", "relay.example", 0],
  ["[::]:65535", "::", 65_535],
])("%s is an address to listen at", (text, host, port) => {
  expect(parseHostPort(text)).toEqual({ host, port });
});

test.each(["", "8443", "host", "host:", "host:65536", "host:-1", "host:1a", "::1:80", "[::1]", "[relay]:1"])('"%s" is not HOST:PORT', (text) => {
  expect(() => parseHostPort(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
});

test("switches, counts, lists and words take what they say and nothing else", () => {
  expect(["true", "1", "yes", "on", "false", "0", "no", "off"].map(parseSwitch)).toEqual([true, true, true, true, false, false, false, false]);
  for (const text of ["", "TRUE", "2", "maybe"]) expect(() => parseSwitch(text), text).toThrow(expect.objectContaining({ code: "USAGE" }));
  const upTo9 = parseCount(1, 9);
  expect([upTo9("1"), upTo9("9")]).toEqual([1, 9]);
  for (const text of ["0", "10", "1.5", "", "x", "-1", "1e400"]) expect(() => upTo9(text), text).toThrow(expect.objectContaining({ code: "USAGE" }));
  expect(parseList(" a ,, b,c ")).toEqual(["a", "b", "c"]);
  expect(parseList("")).toEqual([]);
  expect(parseText(" as it is ")).toBe(" as it is ");
});

test.each([
  ["256MiB", 268_435_456],
  ["1GiB", 1_073_741_824],
  ["32768KiB", 33_554_432],
  ["33554432", 33_554_432],
])("a size %s is %i octets", (text, octets) => {
  expect(parseSizeWithin(32, 65_536)(text)).toBe(octets);
});

test.each([
  ["31MiB", "it takes from 32MiB to 65536MiB"],
  ["65GiB", "it takes from 32MiB to 65536MiB"],
  ["256", "it takes from 32MiB to 65536MiB"],
  ["256MB", "a size is a whole number and a unit: 256MiB, 1GiB"],
  ["1.5GiB", "a size is a whole number and a unit: 256MiB, 1GiB"],
  ["", "a size is a whole number and a unit: 256MiB, 1GiB"],
])("a size cannot be %j", (text, why) => {
  expect(() => parseSizeWithin(32, 65_536)(text)).toThrow(expect.objectContaining({ code: "USAGE", why }));
});
