// The agent's runner after restarts and cancels: nothing starts twice, nothing that ran is called failed, and what a command left in the cluster goes in its time.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { COMMAND_LABEL, jobObject } from "../agent/command/job.ts";
import { applySpec, dayMs, down, forbidden, isJob, jobSpec, RunnerBench } from "./kit/runner-bench.ts";

let bench: RunnerBench;
beforeEach(() => {
  bench = new RunnerBench();
});
afterEach(() => bench.close());

describe("after a restart", () => {
  test("without a clock a Job that never began waits for one, and starts when its deadline is surely ahead", async () => {
    await bench.ask("job", jobSpec("j"));
    bench.api.strike = (call) => (isJob(call, "POST") ? down() : null);
    await bench.runner.start();
    await bench.clock.run(3_000);
    bench.knowsTime = false;
    bench.api.strike = () => null;
    await bench.killAndStart();
    await bench.clock.run(60_000);
    expect([bench.api.jobs.size, await bench.outcomes()]).toEqual([0, {}]);
    bench.knowsTime = true;
    await bench.clock.run(10_000);
    expect(bench.api.jobs.size).toBe(1);
  });

  test("a Job that never began and whose deadline has passed is unknown and does not start", async () => {
    await bench.ask("job", jobSpec("j"), { deadlineMs: bench.clock.wallMs() + 10_000 });
    bench.api.strike = (call) => (isJob(call, "POST") ? down() : null);
    await bench.runner.start();
    await bench.clock.run(3_000);
    bench.api.strike = () => null;
    await bench.halt();
    bench.clock.advance(20_000);
    await bench.killAndStart();
    await bench.clock.run(10_000);
    expect(bench.api.jobs.size).toBe(0);
    expect((await bench.outcomes())["job"]).toBe("outcome-unknown: the agent was restarted while it ran, its deadline has passed, and the cluster shows no trace of it");
  });

  test("an apply whose deadline has passed does not claim to have looked at the cluster", async () => {
    await bench.ask("apply", applySpec("a"), { deadlineMs: bench.clock.wallMs() + 10_000 });
    bench.api.strike = () => down();
    await bench.runner.start();
    await bench.clock.run(3_000);
    await bench.halt();
    bench.clock.advance(20_000);
    bench.api.strike = () => null;
    bench.api.calls.length = 0;
    await bench.killAndStart();
    await bench.clock.run(10_000);
    expect(await bench.outcomes()).toEqual({ apply: "outcome-unknown: the agent was restarted while it ran, and its deadline has passed since: some of it may be done" });
    expect(bench.api.calls).toEqual([]);
  });

  test("a Job that ran meanwhile is adopted, however often the agent was killed, and started once", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    for (let time = 0; time < 4; time += 1) {
      await bench.killAndStart();
      await bench.clock.run(1_000);
    }
    await bench.halt();
    bench.api.complete();
    await bench.killAndStart(); // the fifth
    await bench.clock.run(5_000);
    expect((await bench.outcomes())["job"]).toMatch(/^succeeded/);
    expect(bench.api.count("POST")).toBeGreaterThanOrEqual(1);
    expect(bench.api.jobs.size).toBe(1);
  });

  test("stopping cleanly as often as one likes gives up nothing", async () => {
    await bench.ask("apply", applySpec("a"));
    bench.api.strike = () => down();
    for (let time = 0; time < 8; time += 1) {
      await bench.runner.start();
      await bench.clock.run(1_000);
      await bench.haltAndMake();
    }
    bench.api.strike = () => null;
    await bench.runner.start();
    await bench.clock.run(5_000);
    expect(await bench.outcomes()).toEqual({ apply: "succeeded: 1 object applied" });
  });

  test("the fifth kill gives up an apply", async () => {
    await bench.ask("apply", applySpec("a"));
    bench.api.strike = () => down();
    await bench.runner.start();
    await bench.clock.run(1_000);
    for (let time = 0; time < 4; time += 1) await bench.killAndStart();
    await bench.clock.run(1_000);
    expect(await bench.outcomes()).toEqual({});
    await bench.killAndStart();
    await bench.clock.run(1_000);
    expect(await bench.outcomes()).toEqual({ apply: "failed: the agent ended 5 times while it ran; given up" });
  });
});

test("a command whose deadline passes while a slow disk writes its claim is not begun", async () => {
  await bench.ask("job", jobSpec("j"), { deadlineMs: bench.clock.wallMs() + 10_000 });
  const { store } = bench;
  const call = store.call.bind(store) as (name: string, args: unknown) => Promise<unknown>;
  Object.assign(store, {
    call: async (name: string, args: unknown) => {
      const answer = await call(name, args);
      if (name === "claimCommand" && answer !== null) bench.clock.advance(20_000);
      return answer;
    },
  });
  await bench.runner.start();
  await bench.clock.run(5_000);
  expect([bench.api.calls, await bench.outcomes()]).toEqual([[], { job: "expired: its deadline passed while the claim was being written" }]);
});

describe("a cancel", () => {
  test("stops a Job that runs, and says so", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    await bench.cancel("job");
    await bench.clock.run(2_000);
    expect([bench.api.jobs.size, await bench.outcomes()]).toEqual([0, { job: "cancelled: it was cancelled while it ran, and stopped" }]);
  });

  test("of a Job that has ended meanwhile tells how it ended", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.complete();
    await bench.cancel("job");
    await bench.clock.run(2_000);
    expect((await bench.outcomes())["job"]).toMatch(/^succeeded/);
    expect(bench.api.jobs.size).toBe(1);
  });

  test("of a Job whose cluster is away is tried until it is back, and is unknown when it stays away", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.ask("other", jobSpec("o"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.strike = () => down();
    await bench.cancel("job");
    await bench.clock.run(60_000);
    expect(await bench.outcomes()).toEqual({});
    bench.api.strike = () => null;
    await bench.clock.run(40_000);
    expect((await bench.outcomes())["job"]).toMatch(/^cancelled/);
    bench.api.strike = () => down();
    await bench.cancel("other");
    await bench.clock.run(700_000, 100);
    expect((await bench.outcomes())["other"]).toBe("outcome-unknown: it was cancelled while it ran, and the cluster could not be told: socket hang up");
  });

  test("of an apply that waits for the cluster ends it, and says that some of it may be done", async () => {
    await bench.ask("apply", applySpec("a"));
    bench.api.strike = () => down();
    await bench.runner.start();
    await bench.clock.run(2_000);
    await bench.cancel("apply");
    await bench.clock.run(2_000);
    expect(await bench.outcomes()).toEqual({ apply: "cancelled: it was cancelled while it ran: some of it may be done" });
  });

  test("that was taken right before a kill is kept after it", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    await bench.takeCancel("job");
    await bench.killAndStart();
    await bench.clock.run(3_000);
    expect([bench.api.jobs.size, (await bench.outcomes())["job"]]).toEqual([0, "cancelled: it was cancelled while it ran, and stopped"]);
  });
});

describe("what is left in the cluster", () => {
  test("is removed a day after the result was received, by its uid; not before, and nobody else's", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.ask("taken", jobSpec("t"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.complete();
    await bench.clock.run(5_000);
    bench.clock.advance(2 * dayMs);
    await bench.clock.run(20_000);
    expect(bench.api.jobs.size).toBe(2); // the relay does not have the results
    await bench.received("job");
    await bench.received("taken");
    const foreign = jobObject({ commandId: "taken", spec: jobSpec("t") })["metadata"] as { name: string };
    bench.api.jobs.get(`/apis/batch/v1/namespaces/shop/jobs/${foreign.name}`)!.metadata.labels[COMMAND_LABEL] = "somebody's";
    const deletes: unknown[] = [];
    bench.api.strike = (call) => {
      if (call.method === "DELETE") deletes.push(call.body);
      return null;
    };
    await bench.clock.run(20_000);
    expect(deletes).toEqual([{ propagationPolicy: "Background", preconditions: { uid: "uid-0" } }]);
    expect(bench.api.jobs.size).toBe(1);
    await bench.clock.run(20_000);
    expect(await bench.store.call("dueLeftovers", { nowMs: bench.clock.wallMs(), limit: 10 })).toEqual([]);
  });

  test("is asked for again when the cluster is away, and stays where the cluster refuses", async () => {
    await bench.ask("job", jobSpec("j"));
    await bench.runner.start();
    await bench.clock.run(2_000);
    bench.api.complete();
    await bench.clock.run(5_000);
    await bench.received("job");
    bench.clock.advance(2 * dayMs);
    bench.api.strike = (call) => (isJob(call, "DELETE") ? down() : null);
    await bench.clock.run(20_000);
    expect(await bench.store.call("dueLeftovers", { nowMs: bench.clock.wallMs(), limit: 10 })).toHaveLength(1);
    bench.api.strike = (call) => (isJob(call, "DELETE") ? forbidden : null);
    await bench.clock.run(20_000);
    expect(await bench.store.call("dueLeftovers", { nowMs: bench.clock.wallMs(), limit: 10 })).toEqual([]);
    expect(bench.api.jobs.size).toBe(1);
  });
});
