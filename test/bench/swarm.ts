// A swarm as its bench sees it: a process of thousands of members (swarm-process.ts), asked over IPC. One process holds what the descriptors allow.
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pause } from "./ground.ts";
import type { SwarmCounts, SwarmOrder, SwarmStart } from "./swarm-process.ts";

export type { SwarmCounts, SwarmStart } from "./swarm-process.ts";

/** Descriptors that a process needs beside its sockets. */
const descriptorsAside = 500;

/** As many of the wanted members as one process here may hold. */
export function membersPossible(wanted: number): number {
  const soft = Number(/Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "1024");
  return Math.min(wanted, soft - descriptorsAside);
}

export interface RunningSwarm {
  counts(): Promise<SwarmCounts>;
  /** Counts from zero again; from here on so many dials at once. */
  clear(parallel: number): Promise<void>;
  /** Resolves when `count` members are linked, or with what was reached when the time is over. */
  untilLinked(count: number, timeoutMs: number): Promise<SwarmCounts>;
  stop(): Promise<void>;
}

export function startSwarm(start: SwarmStart): RunningSwarm {
  const child = fork(fileURLToPath(new URL("./swarm-process.ts", import.meta.url)), [JSON.stringify(start)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let lastId = 0;
  const waiting = new Map<number, (counts: SwarmCounts) => void>();
  child.on("message", ({ id, counts }: { id: number; counts: SwarmCounts }) => {
    waiting.get(id)?.(counts);
    waiting.delete(id);
  });
  const ask = async (what: SwarmOrder["what"], more: Partial<SwarmOrder> = {}): Promise<SwarmCounts> => {
    if (!child.connected) throw new Error("the swarm's process has ended");
    lastId += 1;
    const answer = new Promise<SwarmCounts>((resolve) => waiting.set(lastId, resolve));
    child.send({ ...more, id: lastId, what } satisfies SwarmOrder);
    return Promise.race([answer, ended.then(() => Promise.reject(new Error("the swarm's process has ended")))]);
  };
  return {
    counts: () => ask("counts"),
    clear: async (parallel) => void (await ask("clear", { parallel })),
    async untilLinked(count, timeoutMs) {
      const giveUpMs = Date.now() + timeoutMs;
      for (;;) {
        const counts = await ask("counts");
        if (counts.linked >= count || Date.now() > giveUpMs) return counts;
        await pause(200);
      }
    },
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
