// A process of its own is asked to stop, twice in the same moment: the second must never find nobody listening.
import { spawn } from "node:child_process";
import { expect, test } from "vitest";

const program = `
import { onStopSignals } from ${JSON.stringify(new URL("./stop-signals.ts", import.meta.url).href)};
// The answer to the first is the second: sent while the first is still being handled.
onStopSignals((signal) => { process.stdout.write(signal); process.kill(process.pid, signal); }, process.exit);
setInterval(() => {}, 1_000);
process.stdout.write("ready ");
process.kill(process.pid, process.argv[1]);
`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
])("asked twice by %s it ends with the code of that signal, by its own will", async (signal, code) => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, signal], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const end = await new Promise((resolve) => child.once("close", (exit, by) => resolve([exit, by])));
  expect([end, said]).toEqual([[code, null], `ready ${signal}`]);
});
