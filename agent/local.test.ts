// The socket on which a running agent says how it is: whoever asks gets a status or a Fault, whatever the agent is able to say.
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault } from "../shared/kit/errors.ts";
import { makeTempDir } from "../test/kit/temp-dir.ts";
import { checkRunning } from "./doctor.ts";
import { askStatus, serveStatus, type AgentStatus } from "./local.ts";

const status: AgentStatus = { name: "plant-07", site: "s_1", state: "linked", since: "2026-01-01T00:00:00.000Z", why: "zażółć gęślą jaźń", matchCode: "", version: "1", streams: 0, lettersWaiting: 0, commandsOpen: 0, store: { limit: 1, inbox: 0, results: 0, reserved: 0, history: 0, rest: 0, shed: [], isTight: false, gaps: 0, isFull: false }, kubeconfig: "/k", quarantined: null };

let dir: string;
let server: Server | null;
beforeEach(() => {
  dir = makeTempDir("local");
  server = null;
});
afterEach(async () => {
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  rmSync(dir, { recursive: true, force: true });
});

/** An agent that answers in its own way. */
function answer(with_: (socket: Socket) => void): Promise<void> {
  server = createServer(with_);
  return new Promise((resolve) => server!.listen(join(dir, "agent.sock"), resolve));
}

test("an agent's status is what it said", async () => {
  server = await serveStatus(dir, async () => status);
  expect(await askStatus(dir)).toEqual(status);
  expect(await checkRunning(dir)).toMatchObject({ check: { name: "agent", isOk: true, culprit: null }, database: { isOk: true, said: "whole" }, kubeconfig: "/k" });
});

test("a database that was made anew is told by the doctor, and is no failure", async () => {
  server = await serveStatus(dir, async () => ({ ...status, quarantined: { atMs: 0, why: "an old copy", told: "carried over: 1 results" } }));
  expect((await checkRunning(dir))?.database).toEqual({ name: "database", isOk: true, said: "made anew 1970-01-01T00:00:00.000Z: an old copy; carried over: 1 results", culprit: null });
});

describe("an agent that cannot say how it is", () => {
  test("answers with its Fault, and the doctor names this machine", async () => {
    server = await serveStatus(dir, () => Promise.reject(new Fault("DISK_FULL", { what: "the agent's database cannot be read", why: "no space left", hint: "make room" })));
    await expect(askStatus(dir)).rejects.toMatchObject({ code: "DISK_FULL", message: "the agent's database cannot be read", why: "no space left", hint: "make room" });
    expect(await checkRunning(dir)).toMatchObject({ check: { isOk: false, said: "the agent's database cannot be read: no space left", culprit: "this machine" } });
  });

  test.each<[string, (socket: Socket) => void]>([
    ["breaks off at once", (socket) => void socket.destroy()],
    ["ends without a word", (socket) => void socket.end()],
    ["stops in the middle", (socket) => void socket.end('{"name":')],
    ["says what is no status", (socket) => void socket.end("null\n")],
    ["fails in a way that is unknown here", (socket) => void socket.end('{"fault":{"code":"FROB"}}\n')],
  ])("because it %s is a Fault with something to try", async (_what, with_) => {
    await answer(with_);
    await expect(askStatus(dir)).rejects.toMatchObject({ code: "STORE_FAILED", hint: expect.stringContaining("log") });
  });
});

test("where no agent runs there is none to ask", async () => {
  await expect(askStatus(dir)).rejects.toMatchObject({ code: "NOT_INITIALISED", hint: `bowline agent run --data ${dir}` });
  expect(await checkRunning(dir)).toBeNull();
});
