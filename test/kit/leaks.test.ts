// The oracle itself: it must see a leak when there is one, and none when there is none.
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { expectDescriptorsBack, expectFlat, footprint } from "./leaks.ts";

/** A process that opens, closes and allocates as its stdin says, and answers each line. */
const script = `
import { openSync, closeSync } from "node:fs";
import { createInterface } from "node:readline";
const held = [], open = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "open") open.push(openSync(process.execPath));
  if (line === "close") closeSync(open.pop());
  if (line === "grow") held.push(Buffer.alloc(8 * 1024 * 1024, 1));
  console.log(line);
}`;

let child: ChildProcess;
let answers: Interface;
beforeEach(() => {
  child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  answers = createInterface({ input: child.stdout! });
});
afterEach(() => void child.kill("SIGKILL"));

async function order(word: string): Promise<void> {
  const answered = new Promise((resolve) => answers.once("line", resolve));
  child.stdin!.write(`${word}\n`);
  await answered;
}

const processes = (): Record<string, number> => ({ child: child.pid! });

test("rounds that give back what they took are flat", async () => {
  const growth = await expectFlat({
    processes,
    rounds: 3,
    round: async () => {
      await order("open");
      await order("close");
    },
  });
  expect(Object.keys(growth)).toEqual(["child"]);
});

test("a descriptor that stays is named with its kind and counts", async () => {
  await order("open");
  const before = footprint(child.pid!);
  await order("open");
  await expect(expectDescriptorsBack("child", child.pid!, before, { waitMs: 200 })).rejects.toThrow(`child holds descriptors that it did not hold before: ${process.execPath}: 1 -> 2`);
  await order("close");
  await expectDescriptorsBack("child", child.pid!, before, { waitMs: 200 });
});

test("spare descriptors that could hide a leak of one a round are refused", async () => {
  await expect(expectFlat({ processes, rounds: 2, spareDescriptors: 2, round: () => order("open") })).rejects.toThrow("2 rounds show no leak");
  await expect(expectDescriptorsBack("child", child.pid!, footprint(child.pid!), { spare: 1 })).resolves.toBeUndefined();
});

test("memory that stays is told in KiB", async () => {
  await expect(expectFlat({ processes, rounds: 4, rssSlackKiB: 16_384, round: () => order("grow") })).rejects.toThrow(/child grew by \d+ KiB in 4 rounds, at most 16384 KiB/);
});

test("a process that was replaced meanwhile proves nothing", async () => {
  let asked = 0;
  await expect(expectFlat({ processes: () => ({ child: (asked += 1) === 1 ? child.pid! : process.pid }), rounds: 1, round: () => order("open") })).rejects.toThrow("another process");
});
