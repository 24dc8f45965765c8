// `kube login` writes its own file again and again, and nobody else's ever: a kubeconfig of other clusters, a link to one, and what is no file stay as they are.
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { makeTempDir } from "../../test/kit/temp-dir.ts";
import { kubeconfigText, requireOwnFile, writeKubeconfig } from "./kubeconfig.ts";

const answer = { token: "bwo1_x", expires: "2026-01-01T00:00:00.000Z", sites: ["north", "south"] };
const ours = kubeconfigText("https://relay.example:8443", null, answer);
const theirs = "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user: {token: t}\ncontexts:\n- name: prod\n  context: {cluster: prod, user: admin}\n";
let dir: string;
beforeEach(() => {
  dir = makeTempDir("kubeconfig");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const conflict = expect.objectContaining({ code: "CONFLICT", hint: expect.stringContaining("--file -") as string }) as unknown;

test("a file that is not there, that is empty, or that kube login wrote is written whole, for its owner only", () => {
  const file = join(dir, "kube", "relay.yaml");
  expect(requireOwnFile(file)).toBe(file);
  writeKubeconfig(file, ours);
  expect(requireOwnFile(file)).toBe(file);
  writeKubeconfig(file, kubeconfigText("https://relay.example:8443", "PEM", answer));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((parse(readFileSync(file, "utf8")) as { clusters: unknown[] }).clusters).toHaveLength(2);
  writeFileSync(join(dir, "empty"), "");
  expect(requireOwnFile(join(dir, "empty"))).toBe(join(dir, "empty"));
});

describe("is not written over:", () => {
  test.each([
    ["a kubeconfig of other clusters", theirs],
    ["one that has our user and others", ours.replace("users:", "users:\n  - name: admin\n    user: {token: t}")],
    ["one whose contexts use another user", ours.replaceAll("user: bowline", "user: admin")],
    ["one without users", "apiVersion: v1\nkind: Config\nusers: []\ncontexts: []\n"],
    ["a note", "call ann about the relay\n"],
    ["no YAML", "{"],
  ])("%s", (_what, text) => {
    const file = join(dir, "config");
    writeFileSync(file, text);
    expect(() => requireOwnFile(file)).toThrow(conflict);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("a folder, and a link that leads nowhere", () => {
    mkdirSync(join(dir, "folder"));
    symlinkSync(join(dir, "nowhere"), join(dir, "dangling"));
    for (const name of ["folder", "dangling"]) expect(() => requireOwnFile(join(dir, name)), name).toThrow(conflict);
    expect(existsSync(join(dir, "nowhere"))).toBe(false);
  });
});

test("a link to a file is followed: another's stays, ours is written where it is and the link stays a link", () => {
  writeFileSync(join(dir, "prod"), theirs);
  writeFileSync(join(dir, "own"), ours);
  for (const name of ["prod", "own"]) symlinkSync(join(dir, name), join(dir, `link-${name}`));
  expect(() => requireOwnFile(join(dir, "link-prod"))).toThrow(conflict);
  writeKubeconfig(requireOwnFile(join(dir, "link-own")), ours);
  expect(lstatSync(join(dir, "link-own")).isSymbolicLink()).toBe(true);
});
