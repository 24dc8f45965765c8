// The agent's runner against a made-up API server: who waits for whom, and what the end of a command without a verdict means.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applySpec, dayMs, down, forbidden, isJob, jobSpec, RunnerBench } from "./kit/runner-bench.ts";

let bench: RunnerBench;
beforeEach(() => {
  bench = new RunnerBench();
});
afterEach(() => bench.close());

describe("places", () => {
  test("Jobs that are watched give theirs back: four of them hold up nobody, and all are watched to their end", async () => {
    for (let index = 0; index < 7; index += 1) await bench.ask(`job-${index}`, jobSpec(`j-${index}`));
    await bench.ask("apply", applySpec("a"));
    await bench.runner.start();
    await bench.clock.run(5_000);
    expect(await bench.outcomes()).toEqual({ apply: "succeeded: 1 object applied" });
    expect(bench.api.jobs.size).toBe(7);
    bench.api.complete();
    await bench.clock.run(10_000);
    expect(Object.keys(await bench.outcomes())).toHaveLength(8);
    expect(bench.api.count("POST")).toBe(7);
  });

  test("an apply that waits for the API server holds up its own things and no others", async () => {
    await bench.ask("stuck", applySpec("a"));
    await bench.ask("behind", applySpec("a"));
    await bench.ask("beside", applySpec("b"));
    bench.api.strike = (call) => (call.path.includes("/configmaps/a") ? down() : null);
    await bench.runner.start();
    await bench.clock.run(20_000);
    expect(await bench.outcomes()).toEqual({ beside: "succeeded: 1 object applied" });
    bench.api.strike = () => null;
    await bench.clock.run(120_000);
    expect(Object.keys(await bench.outcomes()).sort()).toEqual(["behind", "beside", "stuck"]);
  });

  test("what is under way in all is bounded", async () => {
    for (let index = 0; index < 70; index += 1) await bench.ask(`job-${index}`, jobSpec(`j-${index}`));
    await bench.runner.start();
    await bench.clock.run(30_000, 100);
    expect(bench.api.jobs.size).toBe(64);
    bench.api.complete();
    await bench.clock.run(30_000, 100);
    expect(bench.api.jobs.size).toBe(70);
  });
});

describe("a Job that ends without a verdict", () => {
  test("of its own time is looked at once more: its true end counts", async () => {
    await bench.ask("job", jobSpec("j"));
    let begunMs = -1;
    bench.api.strike = (call) => {
      if (isJob(call, "POST") && begunMs === -1) begunMs = bench.clock.monoMs();
      return isJob(call, "GET") && bench.clock.monoMs() < begunMs + 360_000 ? down() : null; // nobody can see it while it has time
    };
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.complete();
    await bench.clock.run(357_000, 200);
    expect(await bench.outcomes()).toEqual({});
    await bench.clock.run(4_000);
    expect((await bench.outcomes())["job"]).toMatch(/^succeeded/);
  });

  test("and that cannot be seen is unknown, with the reason of the last try", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.strike = () => down();
    await bench.clock.run(500_000, 200);
    expect((await bench.outcomes())["job"]).toBe("outcome-unknown: it did not end within its time (360 s): the last try: the API server did not answer: socket hang up; the cluster could not be asked what became of it: socket hang up");
  });

  test("and runs on after its time is unknown, and not failed", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(450_000, 400);
    expect((await bench.outcomes())["job"]).toMatch(/^outcome-unknown: it did not end within its time .*; it was still running$/);
  });

  test("because the site's roles were narrowed while it ran is unknown; a refusal to begin it is failed", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.strike = (call) => (isJob(call, "GET") ? forbidden : null);
    await bench.clock.run(5_000);
    expect((await bench.outcomes())["job"]).toMatch(/^outcome-unknown: the Job j-\w+ could not be read: forbidden.*could not be asked/);
    bench.api.strike = (call) => (isJob(call, "POST") ? forbidden : null);
    await bench.ask("refused", jobSpec("k"));
    bench.runner.poke();
    await bench.clock.run(5_000);
    expect((await bench.outcomes())["refused"]).toMatch(/^failed: the Job k-\w+ was refused: forbidden/);
  });

  test("whose first request may have arrived without an answer is unknown when a later one is refused", async () => {
    let asked = 0;
    bench.api.strike = (call) => {
      if (!isJob(call, "POST")) return null;
      asked += 1;
      return asked === 1 ? down({ mayHaveArrived: true }) : forbidden;
    };
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(10_000);
    expect((await bench.outcomes())["job"]).toMatch(/^outcome-unknown: .*forbidden.*shows no trace/);
  });

  test("whose first request surely never arrived is failed when a later one is refused", async () => {
    let asked = 0;
    bench.api.strike = (call) => (isJob(call, "POST") ? ((asked += 1), asked === 1 ? down() : forbidden) : null);
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(10_000);
    expect((await bench.outcomes())["job"]).toMatch(/^failed: .*forbidden/);
  });

  test("because somebody deleted it is unknown", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.jobs.clear();
    await bench.clock.run(5_000);
    expect((await bench.outcomes())["job"]).toMatch(/^outcome-unknown: .*deleted before its end was seen/);
    expect(bench.api.count("POST")).toBe(1);
  });

  test("because somebody deleted it while the cluster was away is unknown, and it is not started again", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.strike = () => down();
    await bench.clock.run(5_000);
    bench.api.jobs.clear();
    bench.api.strike = () => null;
    await bench.clock.run(40_000);
    expect((await bench.outcomes())["job"]).toMatch(/^outcome-unknown: .*deleted before its end was seen/);
    expect([bench.api.count("POST"), bench.api.jobs.size]).toEqual([1, 0]);
  });

  test("when the API server says 429, or no longer knows the agent, goes on when it does", async () => {
    await bench.ask("job", jobSpec("j"));
    const answers = [429, 401, 503];
    bench.api.strike = (call) => (isJob(call, "POST") && answers.length > 0 ? { status: answers.shift()!, body: { message: "later" } } : null);
    await bench.runner.start();
    await bench.clock.run(30_000);
    expect(bench.api.jobs.size).toBe(1);
    bench.api.complete();
    await bench.clock.run(5_000);
    expect((await bench.outcomes())["job"]).toMatch(/^succeeded/);
  });
});

test("an apply whose API server is away to the end says why, and is failed: it may be asked for again", async () => {
  await bench.ask("apply", applySpec("a"));
  bench.api.strike = () => down();
  await bench.runner.start();
  await bench.clock.run(3_700_000, 300);
  expect(await bench.outcomes()).toEqual({ apply: "failed: it did not end within its time (3600 s): the last try: the API server did not answer: socket hang up" });
});

test("a command whose class is not its kind's is not run, should one ever be stored", async () => {
  await bench.ask("job", jobSpec("j"), { cls: "read" });
  await bench.runner.start();
  await bench.clock.run(5_000);
  expect((await bench.outcomes())["job"]).toMatch(/^failed: a command job signed as read/);
  expect(bench.api.calls).toEqual([]);
});

test("an agent's token that is refused for a while ends no apply, and takes no leftover's note", async () => {
  await bench.ask("job", jobSpec("j"));
  await bench.ask("apply", applySpec("a"));
  const refused = { status: 401, body: { message: "Unauthorized" } };
  bench.api.strike = (call) => (call.method === "PATCH" ? refused : null);
  await bench.runner.start();
  await bench.clock.run(5_000);
  bench.api.complete();
  await bench.clock.run(5_000);
  expect(Object.keys(await bench.outcomes())).toEqual(["job"]);
  bench.api.strike = (call) => (isJob(call, "DELETE") || isJob(call, "GET") ? refused : null);
  await bench.clock.run(60_000);
  expect((await bench.outcomes())["apply"]).toMatch(/^succeeded/);
  await bench.received("job");
  bench.clock.advance(2 * dayMs);
  await bench.clock.run(20_000);
  expect(bench.api.jobs.size).toBe(1);
  bench.api.strike = () => null;
  await bench.clock.run(20_000);
  expect(bench.api.jobs.size).toBe(0);
});
