// The simulated node: starts a pod's containers, runs their commands in the small shell, keeps their logs, reports their states into
// the pod's status, and stops them when the pod is gone. Exec and attach find their container here.
import { pause } from "../../../shared/kit/clock.ts";
import { ByteQueue } from "./byte-queue.ts";
import { containerEnv, containerFiles } from "./container-setup.ts";
import { LogBook } from "./log-book.ts";
import { BrokenPipe, ExitShell, type Output, type Process } from "./process.ts";
import { commands } from "./shell-commands.ts";
import { runProgram } from "./shell.ts";
import { badRequest } from "./status.ts";
import { branch, count, isTree, list, text, type KubeObject, type Tree } from "./tree.ts";
import { cookedLines, terminalOutput } from "./terminal.ts";
import type { World } from "./world.ts";

export interface ContainerRun {
  readonly name: string;
  readonly spec: Tree;
  readonly pod: KubeObject;
  readonly files: Map<string, Buffer>;
  readonly env: Map<string, string>;
  readonly stop: AbortController;
  /** What attached clients type; read by a container with `stdin: true`. */
  readonly input: ByteQueue;
  /** Attached clients that see the container's output as it comes. */
  readonly onlookers: Set<Output>;
  log: LogBook;
  previous: LogBook | null;
  state: Tree;
  lastState: Tree;
  restarts: number;
  /** Its pod's activeDeadlineSeconds were over before it ended. */
  isLate: boolean;
}

type End = { readonly exitCode: number; readonly reason: "Completed" | "Error" };

/** A container that ended and is started again waits this long first, doubled each time, as a kubelet does. */
const restartMsMin = 10_000;
const restartMsMax = 300_000;

/** $(NAME) is the environment's, where it has it; $$ is one $. */
const argumentsOf = (spec: Tree, env: ReadonlyMap<string, string>): string[] =>
  [...list(spec, "command"), ...list(spec, "args")].map((word) => String(word).replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => (name === undefined ? "$" : (env.get(name) ?? whole))));

export class PodRuntime {
  readonly #world: World;
  /** By pod uid. */
  readonly #running = new Map<string, ContainerRun[]>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The container a request names, or the only one; refuses in the API server's words. */
  container(namespace: string, podName: string, name: string, purpose: "log" | "exec"): ContainerRun {
    const kind = this.#world.kinds.find("", "v1", "pods")!;
    const pod = this.#world.store.get(kind, namespace, podName);
    const names = list(pod, "spec", "containers").concat(list(pod, "spec", "ephemeralContainers")).map((each) => text(each, "name"));
    const wanted = name !== "" ? name : (pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"] ?? "");
    if (wanted === "" && names.length > 1) throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${names.join(" ")}]`);
    if (wanted !== "" && !names.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${podName}`);
    const found = this.#running.get(pod.metadata.uid)?.find((each) => each.name === (wanted || names[0]));
    if (found === undefined) {
      if (purpose === "exec") throw badRequest(`pod ${podName} does not have a host assigned`);
      throw badRequest(`container "${wanted || names[0]}" in pod "${podName}" is waiting to start: ContainerCreating`);
    }
    if (purpose === "exec" && found.state["running"] === undefined) throw badRequest(`cannot exec into a container in a completed pod; current phase is ${text(pod, "status", "phase")}`);
    return found;
  }

  previousLog(container: ContainerRun): LogBook {
    if (container.previous === null) throw badRequest(`previous terminated container "${container.name}" in pod "${container.pod.metadata.name}" not found`);
    return container.previous;
  }

  isRunning(pod: KubeObject): boolean {
    return this.#running.get(pod.metadata.uid)?.some((run) => run.state["running"] !== undefined) === true;
  }

  /** A process beside the container's own, for exec. */
  process(container: ContainerRun, streams: Pick<Process, "stdin" | "out" | "err" | "isTty" | "terminalSize">, signal: AbortSignal): Process {
    const whole = AbortSignal.any([signal, container.stop.signal]);
    return { ...streams, files: container.files, env: new Map(container.env), programs: commands, signal: whole, sleep: (ms) => pause(this.#world.clock, ms, whole), wallMs: () => this.#world.clock.wallMs() };
  }

  /** Called once a pod has a node; its containers begin `podStartMs` later. */
  start(pod: KubeObject): void {
    if (this.#running.has(pod.metadata.uid)) return;
    const runs = [...list(pod, "spec", "containers")].filter(isTree).map((spec) => this.#newRun(pod, spec));
    this.#running.set(pod.metadata.uid, runs);
    this.#world.clock.after(this.#world.settings.podStartMs, () => {
      for (const run of runs) void this.#live(run);
      this.#report(pod);
    });
  }

  /** Containers that came later (kubectl debug). */
  startEphemeral(pod: KubeObject): void {
    const runs = this.#running.get(pod.metadata.uid);
    if (runs === undefined) return;
    for (const spec of list(pod, "spec", "ephemeralContainers").filter(isTree)) {
      if (runs.some((run) => run.name === text(spec, "name"))) continue;
      const run = this.#newRun(pod, spec);
      runs.push(run);
      void this.#live(run);
      this.#report(pod);
    }
  }

  stop(pod: KubeObject): void {
    const runs = this.#running.get(pod.metadata.uid) ?? [];
    this.#running.delete(pod.metadata.uid);
    for (const run of runs) {
      run.stop.abort(new Error("the pod is gone"));
      run.input.finish();
      if (!run.log.isFinished) run.log.finish(this.#world.clock.wallMs());
    }
  }

  stopAll(): void {
    for (const runs of Array.from(this.#running.values())) if (runs[0] !== undefined) this.stop(runs[0].pod);
  }

  #newRun(pod: KubeObject, spec: Tree): ContainerRun {
    const env = containerEnv(this.#world, pod, spec);
    const state = { waiting: { reason: "ContainerCreating" } };
    return { name: text(spec, "name"), spec, pod, files: containerFiles(this.#world, pod, spec), env, stop: new AbortController(), input: new ByteQueue(), onlookers: new Set(), log: new LogBook(), previous: null, state, lastState: {}, restarts: 0, isLate: false };
  }

  /** A container's whole life, restarts included. */
  async #live(run: ContainerRun): Promise<void> {
    const { clock, store } = this.#world;
    for (;;) {
      const startedAt = store.now();
      run.state = { running: { startedAt } };
      this.#report(run.pod);
      const end = await this.#runOnce(run);
      if (run.stop.signal.aborted || end === null) return;
      run.log.finish(clock.wallMs());
      const terminated = { terminated: { exitCode: end.exitCode, reason: end.reason, startedAt, finishedAt: store.now(), containerID: `containerd://${run.pod.metadata.uid}-${run.name}` } };
      run.state = terminated;
      const policy = text(run.pod, "spec", "restartPolicy");
      const isRestarted = (policy === "Always" || (policy === "OnFailure" && end.exitCode !== 0 && !isJobPod(run.pod))) && !this.#isEphemeral(run);
      this.#report(run.pod);
      if (!isRestarted) return;
      run.lastState = terminated;
      run.state = { waiting: { reason: "CrashLoopBackOff", message: `back-off restarting failed container ${run.name}` } };
      this.#report(run.pod);
      try {
        await pause(clock, Math.min(restartMsMax, restartMsMin * 2 ** run.restarts), run.stop.signal);
      } catch {
        return;
      }
      run.previous = run.log;
      run.log = new LogBook();
      run.restarts += 1;
    }
  }

  #isEphemeral(run: ContainerRun): boolean {
    return !list(run.pod, "spec", "containers").some((each) => text(each, "name") === run.name);
  }

  /** Null: it was stopped. A command kubesim does not know is taken for a program that works: a server runs on, a Job succeeds. */
  async #runOnce(run: ContainerRun): Promise<End | null> {
    const { clock, settings } = this.#world;
    const isJob = isJobPod(run.pod);
    const isTty = run.spec["tty"] === true;
    const show = async (bytes: Buffer | string): Promise<void> => {
      for (const onlooker of run.onlookers) await onlooker(bytes).catch(() => run.onlookers.delete(onlooker));
    };
    const write = async (bytes: Buffer | string): Promise<void> => {
      run.log.append(Buffer.from(bytes as Buffer), clock.wallMs());
      await (isTty ? terminalOutput(show) : show)(bytes);
    };
    const words = argumentsOf(run.spec, run.env);
    const late = new AbortController();
    const deadline = count(run.pod, "spec", "activeDeadlineSeconds");
    const cancelDeadline = deadline === undefined ? () => {} : clock.after(deadline * 1000, () => late.abort(new Error("its time is over")));
    const ending = AbortSignal.any([run.stop.signal, late.signal]);
    const process = this.process(run, { stdin: run.spec["stdin"] !== true ? noInput() : isTty ? cookedLines(run.input.read(), show, () => run.input.finish()) : run.input.read(), out: write, err: write, isTty, terminalSize: () => ({ rows: 24, columns: 80 }) }, ending);
    const program = words[0]?.slice(words[0].lastIndexOf("/") + 1) ?? "";
    try {
      const least = isJob ? pause(clock, settings.jobRunMs, run.stop.signal) : Promise.resolve();
      least.catch(() => undefined); // it is awaited below, or the pod was stopped
      let exitCode = 0;
      if (commands[program] !== undefined) exitCode = await exitCodeOf(() => runProgram(words, process));
      else if (!isJob) await new Promise((_, reject) => ending.addEventListener("abort", () => reject(ending.reason as Error), { once: true }));
      await least;
      return { exitCode, reason: exitCode === 0 ? "Completed" : "Error" };
    } catch (error) {
      if (run.stop.signal.aborted) return null;
      run.isLate = late.signal.aborted;
      if (run.isLate) return { exitCode: 137, reason: "Error" };
      await write(`${String(error)}\n`);
      return { exitCode: 1, reason: "Error" };
    } finally {
      cancelDeadline();
    }
  }

  #report(pod: KubeObject): void {
    const runs = this.#running.get(pod.metadata.uid);
    if (runs === undefined || this.#world.scope.hasEnded) return;
    const { store, kinds } = this.#world;
    store.amend(kinds.find("", "v1", "pods")!, pod.metadata.namespace, pod.metadata.name, (current) => (current.metadata.uid === pod.metadata.uid ? { ...current, status: podStatus(current, runs, store.now()) } : null));
  }
}

export async function exitCodeOf(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ExitShell) return error.code;
    if (error instanceof BrokenPipe) return 141;
    throw error;
  }
}

const isJobPod = (pod: KubeObject): boolean => (pod.metadata.ownerReferences ?? []).some((owner) => owner.kind === "Job");

async function* noInput(): AsyncGenerator<Buffer> {
  // a container without stdin reads the end at once
}

function containerStatus(run: ContainerRun): Tree {
  const isRunning = run.state["running"] !== undefined;
  return { name: run.name, image: text(run.spec, "image"), imageID: `kubesim/${text(run.spec, "image")}`, containerID: `containerd://${run.pod.metadata.uid}-${run.name}`, ready: isRunning, started: isRunning, restartCount: run.restarts, state: run.state, lastState: run.lastState };
}

function phaseOf(statuses: readonly Tree[], policy: string): string {
  const ends = statuses.map((status) => branch(status, "state", "terminated"));
  const isOver = ends.every((end) => end["exitCode"] !== undefined) && policy !== "Always";
  if (isOver) return ends.every((end) => end["exitCode"] === 0) ? "Succeeded" : "Failed";
  return statuses.some((status) => branch(status, "state")["running"] !== undefined || Number(status["restartCount"]) > 0 || Object.keys(branch(status, "lastState")).length > 0) ? "Running" : "Pending";
}

function podStatus(pod: KubeObject, runs: readonly ContainerRun[], now: string): Tree {
  const own = new Set(list(pod, "spec", "containers").map((each) => text(each, "name")));
  const containerStatuses = runs.filter((run) => own.has(run.name)).map(containerStatus);
  const ephemeral = runs.filter((run) => !own.has(run.name)).map(containerStatus);
  const phase = phaseOf(containerStatuses, text(pod, "spec", "restartPolicy"));
  const isReady = containerStatuses.every((status) => status["ready"] === true);
  const old = branch(pod, "status");
  const condition = (type: string, holds: boolean): Tree => {
    const before = list(old, "conditions").find((each) => text(each, "type") === type);
    const status = holds ? "True" : "False";
    return { type, status, lastProbeTime: null, lastTransitionTime: text(before, "status") === status ? text(before, "lastTransitionTime") : now, ...(holds || phase !== "Succeeded" ? {} : { reason: "PodCompleted" }) };
  };
  const octets = [...Buffer.from(pod.metadata.uid.slice(0, 4), "hex")];
  const podIP = `10.244.${octets[0] ?? 0}.${octets[1] ?? 1}`;
  return {
    ...old,
    phase,
    conditions: [condition("PodScheduled", true), condition("Initialized", true), condition("ContainersReady", isReady), condition("Ready", isReady)],
    hostIP: "192.0.2.10",
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: text(old, "startTime") || now,
    ...(runs.some((run) => run.isLate) ? { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" } : {}),
    containerStatuses,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  };
}

