// The shell of simulated containers: words, quoting, pipes and redirections as the commands of the kube tests use them.
import { expect, test } from "vitest";
import type { Process } from "./process.ts";
import { commands } from "./shell-commands.ts";
import { runProgram, runShell } from "./shell.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function processOf(stdin: string, out: Buffer[], err: Buffer[]): Process {
  async function* input(): AsyncGenerator<Buffer> {
    if (stdin !== "") yield Buffer.from(stdin);
  }
  return {
    stdin: input(),
    out: async (bytes) => void out.push(Buffer.from(bytes as Buffer)),
    err: async (bytes) => void err.push(Buffer.from(bytes as Buffer)),
    isTty: false,
    files: new Map(),
    env: new Map([["NAME", "web"]]),
    programs: commands,
    signal: new AbortController().signal,
    sleep: async () => undefined,
    wallMs: () => 0,
    terminalSize: () => ({ rows: 24, columns: 80 }),
  };
}

async function ran(script: string, stdin = ""): Promise<Ran> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const code = await runShell(script, processOf(stdin, out, err));
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

test.each([
  ["echo hello", "hello\n"],
  ["echo 'a  b' \"c $NAME\" d\\ e", "a  b c web d e\n"],
  ["echo ${NAME}x ${NONE:-else} $((6 * (3 + 4)))", "webx else 42\n"],
  ["for i in 1 2 3; do echo $i; done", "1\n2\n3\n"],
  ["i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done", "1\n2\n3\n"],
  ["if false; then echo a; elif true; then echo b; else echo c; fi", "b\n"],
  ["false || echo or && echo and", "or\nand\n"],
  ["echo one; echo two # not this", "one\ntwo\n"],
  ["seq 5 | head -n 2", "1\n2\n"],
  ["yes | head -c 4", "y\ny\n"],
  ["x=$(echo in | cat); echo got $x", "got in\n"],
  ["echo kept > /tmp/f; cat /tmp/f; cat < /tmp/f", "kept\nkept\n"],
  ["(exit 3); echo $?", "3\n"],
  ["! false; echo $?", "0\n"],
  ["{ echo a; echo b; } | wc -l", "2\n"],
  ["printf '%s-%s\\n' a b", "a-b\n"],
])("%s prints %j", async (script, expected) => {
  expect(await ran(script)).toEqual({ code: 0, out: expected, err: "" });
});

test("exit ends the script with its code, whatever surrounds it", async () => {
  expect(await ran("for i in 1 2; do if true; then exit 7; fi; done; echo never")).toEqual({ code: 7, out: "", err: "" });
});

test("stdin flows through a pipeline, stderr goes its own way", async () => {
  expect(await ran("cat | wc -c; echo oops >&2", "12345")).toEqual({ code: 0, out: "5\n", err: "oops\n" });
});

test("an unknown program is 127, a script that cannot be read is 2", async () => {
  expect(await ran("nonesuch")).toMatchObject({ code: 127, err: "sh: nonesuch: not found\n" });
  expect(await ran("if true; then")).toMatchObject({ code: 2 });
});

test("sh -c takes arguments after its script", async () => {
  const out: Buffer[] = [];
  expect(await runProgram(["sh", "-c", "echo $0 $1 $#", "name", "first"], processOf("", out, []))).toBe(0);
  expect(Buffer.concat(out).toString()).toBe("name first 1\n");
});

test("tar brings files out and in again unchanged", async () => {
  const packed: Buffer[] = [];
  const source = processOf("", packed, []);
  source.files.set("/d/one", Buffer.from("1"));
  source.files.set("/d/e/two", Buffer.alloc(1300, "2"));
  expect(await runProgram(["tar", "cf", "-", "/d"], source)).toBe(0);
  const target = { ...processOf("", [], []), stdin: (async function* () { yield* packed; })() };
  expect(await runProgram(["tar", "-xmf", "-", "-C", "/tmp"], target)).toBe(0);
  expect([...target.files]).toEqual([["/tmp/d/e/two", Buffer.alloc(1300, "2")], ["/tmp/d/one", Buffer.from("1")]]);
});
