// The inspector's view of a process that holds what it is told to hold.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { inspectable, Inspector } from "./inspect.ts";

const script = `
import { createInterface } from "node:readline";
const held = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "hold") for (let n = 0; n < 10; n += 1) held.push(setTimeout(() => {}, 1e6).unref(), new AbortController().signal, Buffer.alloc(1024 * 1024, 1));
  if (line === "waste") for (let n = 0; n < 10; n += 1) clearTimeout(setTimeout(() => Buffer.alloc(1024 * 1024, 1), 1e6));
  console.log(line);
}`;

test("what is held is counted, what is garbage is not", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...inspectable } });
  const answers = createInterface({ input: child.stdout });
  const order = async (word: string): Promise<void> => {
    child.stdin.write(`${word}\n`);
    await once(answers, "line");
  };
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for await (const text of child.stderr.setEncoding("utf8") as AsyncIterable<string>) {
      const found = pattern.exec(text);
      if (found !== null) return found;
    }
    throw new Error("it never said so");
  };
  try {
    await order("ready");
    const inspector = await Inspector.attach({ child, said });
    await inspector.alive();
    const before = await inspector.alive();
    await order("waste");
    const wasted = await inspector.alive();
    expect(wasted.counts).toEqual(before.counts);
    expect(wasted.octets - before.octets).toBeLessThan(500_000);
    await order("hold");
    const holding = await inspector.alive();
    expect(holding.counts.timers - before.counts.timers).toBe(10);
    expect(holding.counts.signals - before.counts.signals).toBe(10);
    expect(holding.octets - before.octets).toBeGreaterThan(10 * 1_048_576);
    inspector.close();
  } finally {
    child.kill("SIGKILL");
  }
});
