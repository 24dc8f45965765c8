// exec and attach, whatever carries them: the order from the query, the process in the container, and the Status that ends it. The
// carriers (exec-websocket.ts, exec-spdy.ts) bring the streams.
import type { Output } from "./process.ts";
import { exitCodeOf, type ContainerRun, type PodRuntime } from "./pods.ts";
import { commands } from "./shell-commands.ts";
import { runProgram } from "./shell.ts";
import type { ResourceRoute } from "./route.ts";
import { badRequest } from "./status.ts";
import { cookedLines, terminalOutput } from "./terminal.ts";
import { branch, isTree, type Tree } from "./tree.ts";

export interface ExecOrder {
  readonly purpose: "exec" | "attach";
  readonly container: ContainerRun;
  readonly words: readonly string[];
  readonly hasStdin: boolean;
  readonly hasStdout: boolean;
  readonly hasStderr: boolean;
  readonly isTty: boolean;
}

/** What a carrier brings. `resizes` are the messages of the resize stream. */
interface ExecStreams {
  readonly stdin: AsyncIterable<Buffer>;
  readonly out: Output;
  readonly err: Output;
  readonly resizes: AsyncIterable<Buffer>;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

const isTrue = (value: string | null): boolean => value === "true" || value === "1";

export function execOrder(pods: PodRuntime, route: ResourceRoute, query: URLSearchParams): ExecOrder {
  const purpose = route.subresource === "attach" ? "attach" : "exec";
  const container = pods.container(route.namespace!, route.name!, query.get("container") ?? "", "exec");
  const words = query.getAll("command");
  if (purpose === "exec" && words.length === 0) throw badRequest("you must specify at least one command for the container");
  const order = { purpose, container, words, hasStdin: isTrue(query.get("stdin")), hasStdout: isTrue(query.get("stdout")), hasStderr: isTrue(query.get("stderr")) && !isTrue(query.get("tty")), isTty: isTrue(query.get("tty")) } as const;
  if (!order.hasStdin && !order.hasStdout && !order.hasStderr) throw badRequest("you must specify at least one of stdin, stdout, stderr");
  return order;
}

const success: Tree = { metadata: {}, status: "Success" };

function exitStatus(code: number): Tree {
  if (code === 0) return success;
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: command terminated with exit code ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

const internalStatus = (why: string): Tree => ({ metadata: {}, status: "Failure", message: `Internal error occurred: ${why}`, reason: "InternalError", details: { causes: [{ message: why }] }, code: 500 });

async function followSize(resizes: AsyncIterable<Buffer>, set: (rows: number, columns: number) => void): Promise<void> {
  for await (const bytes of resizes) {
    let size: unknown;
    try {
      size = JSON.parse(bytes.toString("utf8"));
    } catch {
      continue;
    }
    if (isTree(size)) set(Number(size["Height"] ?? size["height"] ?? 24), Number(size["Width"] ?? size["width"] ?? 80));
  }
}

/** Runs the order to its end and answers the Status for the error stream. */
export async function runExec(pods: PodRuntime, order: ExecOrder, streams: ExecStreams): Promise<Tree> {
  let size = { rows: 24, columns: 80 };
  void followSize(streams.resizes, (rows, columns) => (size = { rows, columns })).catch(() => undefined);
  try {
    if (order.purpose === "attach") return await attach(order, streams);
    const program = order.words[0]!.slice(order.words[0]!.lastIndexOf("/") + 1);
    if (commands[program] === undefined) {
      return internalStatus(`error executing command in container: failed to exec in container: failed to start exec: exec: ${JSON.stringify(order.words[0])}: executable file not found in $PATH: unknown`);
    }
    const interrupt = new AbortController();
    const out = order.isTty ? terminalOutput(streams.out) : streams.out;
    const stdin = order.isTty ? cookedLines(streams.stdin, streams.out, () => interrupt.abort(new Error("interrupted"))) : streams.stdin;
    const err = order.isTty ? out : streams.err;
    const signal = AbortSignal.any([streams.signal, interrupt.signal]);
    const process = pods.process(order.container, { stdin, out, err, isTty: order.isTty, terminalSize: () => size }, signal);
    const code = await exitCodeOf(() => runProgram(order.words, process)).catch((error: unknown) => {
      // Ctrl-C ends a program as SIGINT would, a stopped pod as SIGKILL.
      if (interrupt.signal.aborted) return 130;
      if (order.container.stop.signal.aborted) return 137;
      throw error;
    });
    return exitStatus(code);
  } catch (error) {
    return internalStatus(error instanceof Error ? error.message : String(error));
  }
}

/** Joins the container's own streams until it ends or the client leaves. */
async function attach(order: ExecOrder, streams: ExecStreams): Promise<Tree> {
  const { container } = order;
  container.onlookers.add(streams.out);
  if (order.hasStdin) {
    void (async () => {
      for await (const chunk of streams.stdin) container.input.push(chunk);
      if (container.spec["stdinOnce"] === true) container.input.finish();
    })().catch(() => undefined);
  }
  try {
    await new Promise<void>((resolve) => {
      container.log.onFinish(resolve);
      if (container.log.isFinished) resolve();
      streams.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const end = branch(container.state, "terminated");
    return exitStatus(Number(end["exitCode"] ?? 0));
  } finally {
    container.onlookers.delete(streams.out);
  }
}
