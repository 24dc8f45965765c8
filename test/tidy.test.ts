// The house rules over the whole tree (house.md), and over a violation of each: a rule that was never seen failing may not look at anything. An exception is
// dated, named and needed; when nothing needs it any more it has to go.
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { registryHosts } from "./tidy/places.ts";
import { EXCEPTIONS, RULES, type Exception, type Surroundings } from "./tidy/rules.ts";
import { hasGit, repositoryRoot, repositoryTree, Tree, type Finding } from "./tidy/tree.ts";
import { VIOLATIONS } from "./tidy/violations.ts";

const repository = repositoryTree();
const shown = ({ path, line, what }: Finding): string => `${path}:${line} ${what}`;

interface Included {
  readonly include?: readonly string[];
}

/** What each ring's own configuration includes, or each of its projects. */
async function ringGlobs(): Promise<string[]> {
  const configurations = [...repository.files.keys()].filter((path) => /(?:^|\/)vitest[\w.]*\.config\.ts$/.test(path));
  const globs = await Promise.all(
    configurations.map(async (path) => {
      const { default: configuration } = (await import(pathToFileURL(join(repositoryRoot, path)).href)) as { default: { test?: Included & { projects?: { test?: Included }[] } } };
      return [configuration.test, ...(configuration.test?.projects ?? []).map(({ test: project }) => project)].flatMap((part) => part?.include ?? []);
    }),
  );
  return globs.flat();
}

/** A home folder that is no more than a slash, or that every container has, says nothing about this machine. */
const homes = [homedir()].filter((path) => path.length > 6);
const around: Surroundings = {
  ringGlobs: await ringGlobs(),
  isIgnored: (path) => spawnSync("git", ["check-ignore", "--no-index", "--quiet", path], { cwd: repositoryRoot }).status === 0,
  here: [repositoryRoot, ...homes],
  registryHosts: registryHosts(process.env),
};

function isExcused(finding: Finding, exception: Exception): boolean {
  return exception.rule === finding.rule && exception.path === finding.path && finding.what.includes(exception.what);
}

for (const [name, rule] of Object.entries(RULES)) {
  test(`the tree keeps the rule ${name}`, (context) => {
    if (name === "kept-out" && !hasGit()) context.skip("SKIPPED: this tree has no .git, so Git cannot be asked what it keeps out");
    const findings = rule(repository, around);
    const excused = EXCEPTIONS.filter((exception) => exception.rule === name);
    expect(findings.filter((finding) => !excused.some((exception) => isExcused(finding, exception))).map(shown)).toEqual([]);
    const idle = excused.filter((exception) => !findings.some((finding) => isExcused(finding, exception)));
    expect(idle, "exceptions that nothing needs any more: remove them from test/tidy/rules.ts").toEqual([]);
  });
}

test("every exception belongs to a rule, has a date and says why", () => {
  for (const { rule, since, reason } of EXCEPTIONS) {
    expect(Object.keys(RULES)).toContain(rule);
    expect(since).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(reason.length).toBeGreaterThan(20);
  }
});

const madeUp: Surroundings = {
  ringGlobs: ["test/*.test.ts"],
  isIgnored: (path) => !path.endsWith(".db"),
  here: ["here-dir"],
  registryHosts: ["packages.mirror.example"],
};

test.each(
  VIOLATIONS.map((violation, index) => ({ ...violation, name: `${violation.rule} ${violation.finds.length === 0 ? "allows" : "finds"} example ${index + 1}` })),
)("$name", ({ rule, files, finds }) => {
  const found = RULES[rule]!(new Tree(files), madeUp).map(shown);
  expect(found.map((text, index) => (finds[index] !== undefined && text.startsWith(finds[index]) ? finds[index] : text))).toEqual(finds);
});

test("kept-out finds a database that Git would take in", () => {
  expect(RULES["kept-out"]!(new Tree({}), madeUp).map(shown)).toEqual([
    ".gitignore:1 Git would take in relay.db",
    ".gitignore:1 Git would take in agent/agent.db",
    ".gitignore:1 Git would take in .bowline/relay/relay.db",
  ]);
});

test.each([
  [
    "a frame under another number",
    "| 0x09 | ACK |",
    "| 0x19 | ACK |",
    ['the table of frames has "25 ACK", the code does not', 'the table of frames lacks "9 ACK"'],
  ],
  [
    "a code that the code does not have",
    "| 20 | bug |",
    "| 20 | oops |",
    ['the table of codes has "20 oops", the code does not', 'the table of codes lacks "20 bug"'],
  ],
  ["a limit with another number", "**65,536**", "**65,535**", ['the page says "`length` <= **65,535**", the limit is 65536']],
  ["a sentence that is gone", "judges **10 s** later", "judges later", ["the page no longer has the sentence judges \\*\\*([\\d,]+) (s)\\*\\* later"]],
  [
    "letter states in another order",
    "2 refused: trust, 3 refused: unsupported",
    "2 refused: unsupported, 3 refused: trust",
    [
      "the page does not list the letter states as 0 committed, 1 refused: storage, 2 refused: trust, 3 refused: unsupported, 4 refused: policy, 5 refused: malformed",
    ],
  ],
] as const)("protocol-page finds %s", (_name, before, after, finds) => {
  const page = repository.files.get("shared/PROTOCOL.md")!;
  expect(page).toContain(before);
  const findings = RULES["protocol-page"]!(new Tree({ "shared/PROTOCOL.md": page.replace(before, after) }), madeUp);
  expect(findings.map(({ what }) => what)).toEqual(finds);
});

test("every rule was shown a violation", () => {
  const others = ["kept-out", "protocol-page"];
  const shownTo = new Set([...others, ...VIOLATIONS.filter(({ finds }) => finds.length > 0).map(({ rule }) => rule)]);
  expect(Object.keys(RULES).filter((name) => !shownTo.has(name))).toEqual([]);
});

test("hosts of registries are taken from the environment, loopback and bare addresses aside", () => {
  const env = {
    npm_config_registry: "https://user:word@packages.mirror.example/npm/",
    GOPROXY: "https://go.mirror.example,direct",
    HTTPS_PROXY: "http://127.0.0.1:3128",
    HOME: "https://unrelated.example",
  };
  expect(registryHosts(env)).toEqual(["packages.mirror.example", "go.mirror.example"]);
});

test("the tree that is judged is the whole one, files that Git does not know yet included", () => {
  for (const path of ["shared/kit/errors.ts", "agent/main.ts", "relay/main.ts", "test/tidy.test.ts", "package-lock.json", ".gitignore"])
    expect(repository.files.has(path), path).toBe(true);
  expect(repository.sources.length).toBeGreaterThan(200);
});
