// The commands `job` and `script` against an API server in memory: what their pods wrote comes with the outcome, a script arrives as it was written, and neither a
// restart nor a lost disk runs it twice.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { CommandBench } from "./kit/command-bench.ts";

let bench: CommandBench;

beforeAll(async () => {
  bench = await CommandBench.open({ settings: { jobRunMs: 5, podStartMs: 1 } });
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.strike = () => null;
});

const job = (...command: string[]) => ({ kind: "job", name: "backup", namespace: "default", image: "busybox", command });
const script = (text: string, more: object = {}) => ({ kind: "script", name: "rotate", namespace: "default", image: "busybox", script: text, ...more });
const jobs = (): number => bench.sim.objects("Job", "default").length;

test("a Job's end brings what its pod wrote", async () => {
  expect(await bench.run(job("sh", "-c", "echo one; echo zwölf"))).toMatchObject({ state: "succeeded", log: { text: "one\nzwölf\n", missingOctets: 0, why: "" } });
});

test("so does one that failed, with its exit code", async () => {
  const outcome = await bench.run(job("sh", "-c", "echo no space; exit 3"));
  expect(outcome).toMatchObject({ state: "failed", what: expect.stringMatching(/failed: .*; exit code 3$/) as string, log: { text: "no space\n" } });
  expect(outcome.objects[0]!.why).toMatch(/exit code 3$/);
});

test("one that is out of time is ended by its node, and what it wrote is not lost with it", async () => {
  const outcome = await bench.run({ ...job("sh", "-c", "echo begun; sleep 60"), timeoutMs: 1_000 });
  expect(outcome).toMatchObject({ state: "failed", what: expect.stringMatching(/active on the node longer than the specified deadline; exit code 137$/) as string, log: { text: "begun\n" } });
});

test("of a long log its end is kept, whole characters of it, and how much is missing is said", async () => {
  const line = "é".repeat(100);
  const { log } = await bench.run(job("sh", "-c", `for i in $(seq 1 2000); do echo ${line}; done; echo last`));
  const whole = Buffer.byteLength(`${line}\n`.repeat(2_000)) + 5;
  expect(log!.text.endsWith(`${line}\nlast\n`)).toBe(true);
  expect(log!.text).not.toContain("\uFFFD");
  expect(Buffer.byteLength(log!.text)).toBeGreaterThan(60_000);
  expect(Buffer.byteLength(JSON.stringify(log!.text))).toBeLessThanOrEqual(65_536);
  expect(log!.missingOctets + Buffer.byteLength(log!.text)).toBe(whole);
});

test.each([
  ["cannot be read", { status: 500, body: { message: "dial tcp 10.0.0.7:10250: connection refused" } }, "dial tcp 10.0.0.7:10250: connection refused"],
  ["may not be read", { status: 403, body: { message: "pods/log is forbidden" } }, "pods/log is forbidden"],
])("a log that %s leaves the outcome as it is, and says so", async (_what, answer, why) => {
  bench.strike = ({ path }) => (path.includes("/log?") ? answer : null);
  expect(await bench.run(job("true"))).toMatchObject({ state: "succeeded", log: { text: "", missingOctets: 0, why } });
});

test("a Job whose pod is gone has no log", async () => {
  bench.strike = ({ path }) => (path.includes("/pods?") ? { status: 200, body: { items: [] } } : null);
  expect(await bench.run(job("true"))).toMatchObject({ state: "succeeded", log: { why: "its pod is gone" } });
});

test("a script arrives octet for octet, with its name and its arguments", async () => {
  const text = 'A=1\necho "$0 $1 $2 $A $(echo in) $$(HOME)"\n'; // Kubernetes would read the last two as its own
  const { log } = await bench.run(script("echo $0 $1 $2 $(echo in)", { args: ["$(HOME)", "a b"] }));
  expect(log!.text).toBe("rotate $(HOME) a b in\n");
  await bench.run(script(text, { args: ["$(HOME)", "a b"] }));
  const { body } = bench.calls.findLast(({ method }) => method === "POST")!;
  const { command } = (body as { spec: { template: { spec: { containers: { command: string[] }[] } } } }).spec.template.spec.containers[0]!;
  expect(command.map((word) => word.replaceAll("$$", "$"))).toEqual(["/bin/sh", "-c", text, "rotate", "$(HOME)", "a b"]);
});

test("a script is not run again by a restart, nor when the agent's disk is lost", async () => {
  const order = script("echo once");
  const first = await bench.run(order);
  const count = jobs();
  bench.forget();
  expect(await bench.again(order)).toEqual(first);
  expect(jobs()).toBe(count);
});

test("what a script leaves is one Job, and it is removed whole", async () => {
  await bench.run(script("echo x"));
  const count = jobs();
  await bench.cleanUp();
  expect(jobs()).toBe(count - 1);
  expect(bench.sim.objects("ConfigMap", "default").map(({ metadata }) => metadata.name)).toEqual(["kube-root-ca.crt"]);
});
