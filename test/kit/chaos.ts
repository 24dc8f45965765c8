// A line (chaos-line.ts) as a process of its own, so that it shares no event loop with what is measured or tested. Commands go over Node's IPC and are done when
// their promise resolves; the process ends with its parent. Callers: benches, e2e tests.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FreezeKind, LineCounts, LineSettings } from "./chaos-line.ts";
import type { LineAnswer, LineOrder } from "./chaos-process.ts";

export type { FreezeKind, LineCounts, LineSettings } from "./chaos-line.ts";

export interface RunningLine {
  /** Dial here instead of the target. */
  readonly port: number;
  readonly pid: number;
  set(settings: Partial<LineSettings>): Promise<void>;
  halt(kind: FreezeKind): Promise<void>;
  heal(): Promise<void>;
  cut(): Promise<void>;
  counts(): Promise<LineCounts>;
  stop(): Promise<void>;
}

export async function startLine(targetPort: number, settings: Partial<LineSettings>): Promise<RunningLine> {
  const entry = fileURLToPath(new URL("./chaos-process.ts", import.meta.url));
  const child = fork(entry, [JSON.stringify({ target: { host: "127.0.0.1", port: targetPort }, settings })], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waiting = new Map<number, { readonly resolve: (answer: LineAnswer) => void; readonly reject: (error: Error) => void }>();
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => {
      for (const { reject } of waiting.values()) reject(new Error("the line's process has ended"));
      waiting.clear();
      resolve();
    });
  });
  child.on("message", (answer: LineAnswer) => {
    waiting.get(answer.id)?.resolve(answer);
    waiting.delete(answer.id);
  });
  let lastId = 0;
  const answerTo = (id: number): Promise<LineAnswer> => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  const order = async (what: LineOrder["what"], more: Partial<LineOrder> = {}): Promise<LineAnswer> => {
    if (!child.connected) throw new Error("the line's process has ended");
    lastId += 1;
    const done = answerTo(lastId);
    child.send({ ...more, id: lastId, what } satisfies LineOrder);
    return done;
  };
  const { port } = await answerTo(0);
  return {
    port: port!,
    pid: child.pid!,
    set: async (changed) => void (await order("set", { settings: changed })),
    halt: async (kind) => void (await order("halt", { kind })),
    heal: async () => void (await order("heal")),
    cut: async () => void (await order("cut")),
    counts: async () => (await order("counts")).counts!,
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
