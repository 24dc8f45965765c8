// The built product away from the tree: programs start, the database thread finds its modules and its native file, and an address that the
// build does not know stops the build.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "./bundle.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = mkdtempSync(join(tmpdir(), "bowline-bundle-"));
const dist = join(home, "dist");
let sizes: Record<string, number> = {};

beforeAll(async () => {
  sizes = await bundle({ outDir: dist });
}, 60_000);
afterAll(() => rmSync(home, { recursive: true, force: true }));

function bowline(...args: string[]): string {
  return execFileSync(process.execPath, [join(dist, "bowline.mjs"), ...args], { cwd: home, encoding: "utf8", env: { PATH: process.env["PATH"] ?? "", HOME: home } });
}

test("the built command line knows the product's version", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(bowline("version")).toContain(`bowline ${version} `);
});

test("the built relay makes its folder, which takes the database thread, its operations and SQLite's native file", () => {
  const folder = join(home, "relay");
  expect(bowline("relay", "init", "--data", folder)).toMatch(/^set up .*\nidentity \S+\n/);
  expect(existsSync(join(folder, "relay.db"))).toBe(true);
});

test("the built relay's doctor looks at that folder and answers programs", () => {
  const folder = join(home, "relay");
  expect(JSON.parse(bowline("relay", "doctor", "--data", folder, "--listen", "127.0.0.1:0", "-o", "json"))).toMatchObject({ kind: "RelayDoctor", ok: true });
  expect(JSON.parse(bowline("relay", "init", "--data", folder, "-o", "json"))).toMatchObject({ kind: "RelayFolder", isFirstStart: false, firstLogin: join(folder, "first-login") });
});

test("the built agent prints a manifest without loading the kubeconfig library", () => {
  expect(bowline("agent", "manifest", "--rbac-only")).toContain('"kind": "ClusterRole"');
  expect(sizes["agent.mjs"]).toBeLessThan(400 * 1024);
});

test("the licences of the packages inside go with the bundle", () => {
  const text = readFileSync(join(dist, "LICENSES.txt"), "utf8");
  for (const name of ["ws", "undici", "better-sqlite3", "tweetnacl", "pino"]) expect(text).toContain(`=== ${name} `);
});

test("a file opened by an address that the build does not know fails the build and is named", async () => {
  const entry = join(home, "odd.ts");
  writeFileSync(entry, 'console.log(new URL("./elsewhere.ts", import.meta.url).href);\n');
  await expect(bundle({ entries: { [relative(root, entry)]: "odd" }, outDir: join(home, "odd") })).rejects.toThrow("elsewhere.ts");
});
