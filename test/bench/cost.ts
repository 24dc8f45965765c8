// What a process costs, read from outside: CPU time and resident memory from /proc, and what its heap still holds after a full collection. For the last the
// process is asked through Node's own inspector, which opens on SIGUSR1: nothing in the product knows of it, and it costs nothing before it is asked.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Started } from "../e2e/place.ts";
import { pause } from "./ground.ts";

const ticksPerSecond = 100; // CLK_TCK on every Linux we run on

/** CPU seconds that processes have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }, 0);
}

/** Resident octets of one process. */
export function rssOctets(pid: number): number {
  return statusOctets(pid, "VmRSS");
}

/** The greatest it ever was. */
export function rssPeakOctets(pid: number): number {
  return statusOctets(pid, "VmHWM");
}

function statusOctets(pid: number, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

/** Resolves when the processes have used almost no CPU for a second: what was under way has come to rest. False when that is not so within `mostMs`. */
export async function untilQuiet(pids: readonly number[], mostMs: number): Promise<boolean> {
  const lookMs = 250;
  const looksWanted = 4;
  const usedMax = 0.02;
  let quiet = 0;
  for (let spentMs = 0; spentMs < mostMs && quiet < looksWanted; spentMs += lookMs) {
    const before = cpuSeconds(pids);
    await pause(lookMs);
    quiet = cpuSeconds(pids) - before <= usedMax ? quiet + 1 : 0;
  }
  return quiet >= looksWanted;
}

/** TCP segments that the sockets towards a port have sent and received, acknowledgements and keepalives among them; null where there is no `ss`. */
export function segmentsTowards(port: number): number | null {
  const listed = spawnSync("ss", ["-tinH", "state", "established", `dport = :${port}`], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (listed.status !== 0) return null;
  return [...listed.stdout.matchAll(/segs_(?:out|in):(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

export interface Held {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

interface Answer {
  readonly id: number;
  readonly result?: { readonly result?: { readonly value?: string } };
}

/** Memory after a full collection. The process must have been started with --inspect-port=127.0.0.1:0 (Ground does). */
export async function heldAfterCollection(process_: Started): Promise<Held> {
  if (!/Debugger listening on/.test(process_.err)) process_.child.kill("SIGUSR1");
  const [, url] = await process_.said(/Debugger listening on (ws:\S+)/);
  const socket = new WebSocket(url!);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", reject, { once: true });
  });
  let lastId = 0;
  const ask = (method: string, params: object = {}): Promise<Answer> => {
    lastId += 1;
    const id = lastId;
    return new Promise((resolve) => {
      const hear = (event: MessageEvent): void => {
        const answer = JSON.parse(String(event.data)) as Answer;
        if (answer.id !== id) return;
        socket.removeEventListener("message", hear);
        resolve(answer);
      };
      socket.addEventListener("message", hear);
      socket.send(JSON.stringify({ id, method, params }));
    });
  };
  // Twice: what the first frees (sockets' handles, external octets) lets the second free more.
  await ask("HeapProfiler.collectGarbage");
  await ask("HeapProfiler.collectGarbage");
  const answer = await ask("Runtime.evaluate", { expression: "JSON.stringify(process.memoryUsage())", returnByValue: true });
  socket.close();
  const usage = JSON.parse(answer.result!.result!.value!) as { rss: number; heapUsed: number; external: number };
  return { rss: usage.rss, heapUsed: usage.heapUsed, external: usage.external };
}
