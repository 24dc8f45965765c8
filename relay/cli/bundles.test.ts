// Bundles and logs that came from a site: opened within bounds, read by their shape, shown without what a terminal acts on, and written over nothing unasked.
import { afterEach, beforeEach, expect, test } from "vitest";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fetchBundle } from "./bundles.ts";
import { logText, showLog } from "./logs.ts";
import type { Run } from "./run.ts";

const content = { kind: "SupportBundle", leftOut: { "events\u001b[2J": 3 }, problems: ["nodes: \u001b[31mforbidden"], nodes: [{}], workloads: [], pods: [], events: [], logs: [] };
const packed = (value: unknown): string => gzipSync(typeof value === "string" ? value : JSON.stringify(value)).toString("base64");
let dir: string;
let said: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "bowline-bundles-"));
  said = "";
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function runWith(outcome: object | null, state = "succeeded"): Run {
  const view = { id: "0123456789", site: "north", state, outcome };
  return { format: "table", client: () => ({ get: () => Promise.resolve(view) }), terminal: { out: (text: string) => (said += text), say: (text: string) => (said += text) } } as unknown as Run;
}

test("a bundle is written as JSON, and what is in it and what is not is said in plain text", async () => {
  const file = join(dir, "b.json");
  await fetchBundle(runWith({ bundle: packed(content) }), "0123456789", file);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(content);
  expect(said).toBe(`north: ${file} holds 1 nodes, 0 workloads, 0 pods, 0 events, 0 logs\n  3 more events[2J did not fit\n  nodes: [31mforbidden\n`);
});

test.each([
  ["no gzip", Buffer.from("hello").toString("base64")],
  ["no JSON", packed("hello")],
  ["nothing", packed("null")],
  ["of another kind", packed({ ...content, kind: "Secret" })],
  ["without its lists", packed({ ...content, logs: 7 })],
  ["far larger than it looks", packed("x".repeat(40 * 1_048_576))],
])("one that is %s is refused, and nothing is written", async (_what, bundle) => {
  await expect(fetchBundle(runWith({ bundle }), "0123456789", join(dir, "b.json"))).rejects.toMatchObject({ code: "FILE_INVALID", hint: expect.stringContaining("versions") as string });
  expect(() => readFileSync(join(dir, "b.json"))).toThrow("ENOENT");
});

test("a name that nobody chose is not written over", async () => {
  const before = process.cwd();
  process.chdir(dir);
  try {
    await fetchBundle(runWith({ bundle: packed(content) }), "0123456789", null);
    await expect(fetchBundle(runWith({ bundle: packed(content) }), "0123456789", null)).rejects.toMatchObject({ code: "FILE_INVALID", message: "bundle-north-01234567.json cannot be written", why: "it is there already" });
  } finally {
    process.chdir(before);
  }
});

test("a command without a bundle, or without a log, says why, and what to try", async () => {
  await expect(fetchBundle(runWith(null, "running"), "7", null)).rejects.toMatchObject({ code: "NOT_FOUND", why: "it is running; a bundle comes with the end of a collect" });
  await expect(showLog(runWith(null, "running"), "7")).rejects.toMatchObject({ code: "NOT_FOUND", hint: "bowline command wait 7" });
  await expect(showLog(runWith({ objects: [] }), "7")).rejects.toMatchObject({ code: "NOT_FOUND", hint: "bowline command describe 7" });
});

test("a log is shown line by line, with what is missing, and without what a terminal acts on", () => {
  expect(logText({ text: "one\r\ntwo\u001b[2J\u009b\u202e\n\nfour", missingOctets: 12, why: "" })).toBe("(12 octets before this are not here)\none\ntwo[2J\n\nfour\n");
  expect(logText({ text: "", missingOctets: 0, why: "" })).toBe("(it wrote nothing)\n");
  expect(logText({ text: "", missingOctets: 0, why: "its pod\nis gone" })).toBe("(no log: its pod is gone)\n");
});
