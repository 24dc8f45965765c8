// The thread that owns a database: a 2 s fsync stalls here and nowhere else. Takes calls as messages, runs those that wait together in one
// transaction, answers after the commit. Started by store.ts.
import { parentPort, workerData } from "node:worker_threads";
import { Ballast } from "./ballast.ts";
import { armCrashPoint, type CrashPlan } from "./crash.ts";
import { asFault, faultRecord, type FaultRecord } from "./errors.ts";
import { StoreEngine, type CallOutcome } from "./store-engine.ts";
import type { StoreModule } from "./store-query.ts";

export interface WorkerStart {
  readonly file: string;
  readonly moduleUrl: string;
  readonly mustExist: boolean;
  readonly crashPlan: CrashPlan | null;
}

export type WorkerRequest = { readonly kind: "calls"; readonly calls: readonly { readonly id: number; readonly name: string; readonly args: unknown }[] } | { readonly kind: "close" };
export type WorkerAnswer =
  | { readonly kind: "open"; readonly isFull: boolean }
  | { readonly kind: "failed"; readonly fault: FaultRecord }
  | { readonly kind: "closed" }
  /** The ballast was given up (full) or made again. */
  | { readonly kind: "room"; readonly isFull: boolean }
  | { readonly kind: "answers"; readonly answers: readonly { readonly id: number; readonly value?: unknown; readonly fault?: FaultRecord }[] };

/** Operations in one transaction: bounds how long the first of them waits. */
const groupMax = 100;
/** A disk that was full is looked at this often (ms), for people free space by hand; and a store with many free pages gives some back. */
const tendEveryMs = 2_000;
/** Free pages (4 KiB) that stay for what comes next. */
const freePagesKept = 1_024;

const start = workerData as WorkerStart;
const port = parentPort!;
const say = (answer: WorkerAnswer): void => port.postMessage(answer);
armCrashPoint(start.crashPlan);

try {
  const module = (await import(start.moduleUrl)) as StoreModule;
  const ballast = new Ballast(start.file);
  const engine = new StoreEngine({ file: start.file, module, mustExist: start.mustExist, ballast });
  ballast.restore();
  const told = teller(ballast);
  port.on("message", (request: WorkerRequest) => {
    serve(engine, request);
    told();
  });
  setInterval(() => {
    ballast.restore();
    told();
    engine.giveBack(freePagesKept);
  }, tendEveryMs).unref();
  say({ kind: "open", isFull: !ballast.isWhole });
} catch (error) {
  say({ kind: "failed", fault: faultRecord(asFault(error)) });
  port.close();
}

/** Says what became of the ballast, when that is another thing than was said last. */
function teller(ballast: Ballast): () => void {
  let said = ballast.isWhole;
  return () => {
    if (ballast.isWhole === said) return;
    said = ballast.isWhole;
    say({ kind: "room", isFull: !said });
  };
}

function serve(engine: StoreEngine, request: WorkerRequest): void {
  if (request.kind === "close") {
    engine.close();
    say({ kind: "closed" });
    return port.close();
  }
  for (let from = 0; from < request.calls.length; from += groupMax) {
    const calls = request.calls.slice(from, from + groupMax);
    let outcomes: CallOutcome[];
    try {
      outcomes = engine.runGroup(calls);
    } catch (error) {
      const fault = asFault(error);
      outcomes = calls.map(() => ({ ok: false, fault }));
    }
    say({ kind: "answers", answers: calls.map((call, index) => answerOf(call.id, outcomes[index]!)) });
  }
}

function answerOf(id: number, outcome: CallOutcome): { id: number; value?: unknown; fault?: FaultRecord } {
  return outcome.ok ? { id, value: outcome.value } : { id, fault: faultRecord(outcome.fault) };
}
