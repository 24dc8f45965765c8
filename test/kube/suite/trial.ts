// One case on one route with one client: its namespace, its folder, the commands that it runs, and the record of what they answered, which is then compared
// with the other route's. Every unexpected exit code and every false claim ends the case with a sentence.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "../clients/setup.ts";
import { runCommand, Running, type Ended } from "./command.ts";
import { normalise, stderrClass, type Places } from "./normalise.ts";

/** Each command's limit unless the case says otherwise; the suite bounds the whole case as well. */
const stepMs = 60_000;

export interface Case {
  readonly name: string;
  /** First minor version of kubectl that knows it. */
  readonly since?: number;
  /** First minor version of kubectl whose own fault does not break it at a server address with a path; excused before. */
  readonly prefixSince?: number;
  /** Moves much or waits long: only with --slow. */
  readonly isSlow?: boolean;
  /** Measures a time or counts what the cluster has open: nothing else runs beside it. */
  readonly isAlone?: boolean;
  run(trial: Trial): Promise<void>;
}

/** Ends a case with a reason that names the command or the claim. */
export class CaseFailure extends Error {
  override readonly name = "CaseFailure";
}

export interface StepOptions {
  readonly stdin?: string | Buffer;
  /** Expected exit code, 0 unless given. "any": it is only compared between the routes. */
  readonly code?: number | "any";
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Which part of the answer must be equal on both routes; "code" where the output depends on timing. */
  readonly compare?: "all" | "code" | "nothing";
  readonly isHashed?: boolean;
}

/** One line of the record. */
export interface Entry {
  readonly what: string;
  readonly answer: string;
}

export interface TrialOptions {
  readonly client: Client;
  readonly kubeconfig: string;
  readonly places: Places;
  /** Acts as the cluster's own administrator, past every route. */
  readonly hand: (args: readonly string[], stdin?: string) => Promise<Ended>;
}

export class Trial {
  readonly client: Client;
  readonly namespace: string;
  readonly dir: string;
  readonly hand: TrialOptions["hand"];
  readonly entries: Entry[] = [];
  /** Measured values that are shown and not compared. */
  readonly measures: Record<string, number> = {};
  readonly #options: TrialOptions;
  readonly #running: Running[] = [];

  constructor(options: TrialOptions) {
    this.#options = options;
    this.client = options.client;
    this.namespace = options.places.namespace;
    this.dir = options.places.dir;
    this.hand = options.hand;
    mkdirSync(options.places.dir, { recursive: true });
    mkdirSync(options.places.home, { recursive: true });
  }

  get env(): Record<string, string> {
    const { home } = this.#options.places;
    // TZ and LC: the same words on every machine. Loopback without a proxy, whatever the machine's settings.
    return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: home, KUBECONFIG: this.#options.kubeconfig, TZ: "UTC", LC_ALL: "C", TERM: "dumb", HELM_CACHE_HOME: join(home, "helm"), HELM_CONFIG_HOME: join(home, "helm"), HELM_DATA_HOME: join(home, "helm") };
  }

  kubectl(args: readonly string[], options: StepOptions = {}): Promise<Ended> {
    return this.step(this.client.kubectl, ["-n", this.namespace, ...args], `kubectl ${args.join(" ")}`, options);
  }

  helm(args: readonly string[], options: StepOptions = {}): Promise<Ended> {
    return this.step(this.client.helm, ["-n", this.namespace, ...args], `helm ${args.join(" ")}`, options);
  }

  /** Runs, checks the exit code, records. */
  async step(file: string, args: readonly string[], what: string, options: StepOptions): Promise<Ended> {
    const ended = await runCommand(file, args, {
      cwd: this.dir,
      env: { ...this.env, ...options.env },
      timeoutMs: options.timeoutMs ?? stepMs,
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      ...(options.isHashed === true ? { isHashed: true } : {}),
    });
    const short = this.#normal(what).slice(0, 160);
    const wanted = options.code ?? 0;
    if (wanted !== "any" && ended.code !== wanted) throw new CaseFailure(`${short}: exit code ${ended.code}, expected ${wanted}: ${(ended.stderr.trim() || ended.stdout.trim()).slice(-400)}`);
    const compare = options.compare ?? "all";
    if (compare === "nothing") return ended;
    const parts = [`exit ${ended.code}`];
    if (compare === "all") parts.push(stderrClass(ended.stderr, this.#options.places), options.isHashed === true ? ended.sha256 : this.#normal(ended.stdout));
    this.note(short, parts.join("\n"));
    return ended;
  }

  /** Adds a value that must be equal on both routes. */
  note(what: string, answer: string): void {
    this.entries.push({ what, answer });
  }

  /** Starts kubectl and leaves it running; it is stopped with the case at the latest. */
  background(args: readonly string[], options: { readonly stdin?: string } = {}): Running {
    const running = new Running(this.client.kubectl, ["-n", this.namespace, ...args], { cwd: this.dir, env: this.env, timeoutMs: 10 * stepMs, ...options });
    this.#running.push(running);
    return running;
  }

  check(isTrue: boolean, sentence: string): void {
    if (!isTrue) throw new CaseFailure(`this should be true: ${sentence}`);
  }

  /** Asks until the answer is not null; for facts that the cluster reaches by itself. */
  async until<Value>(what: string, ask: () => Promise<Value | null>, timeoutMs = stepMs): Promise<Value> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const value = await ask();
      if (value !== null) return value;
      if (performance.now() > endMs) throw new CaseFailure(`${what} did not happen within ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop("SIGKILL")));
  }

  #normal(text: string): string {
    return normalise(text, this.#options.places);
  }
}

/** The first difference of two records as a sentence; null when they are equal. */
export function firstDifference(direct: readonly Entry[], other: readonly Entry[]): string | null {
  for (let index = 0; index < Math.max(direct.length, other.length); index += 1) {
    const left = direct[index];
    const right = other[index];
    if (left === undefined || right === undefined) return `${(left ?? right)!.what}: ran on one route only`;
    if (left.what === right.what && left.answer === right.answer) continue;
    const leftLines = left.answer.split("\n");
    const rightLines = right.answer.split("\n");
    const at = leftLines.findIndex((line, number) => line !== rightLines[number]);
    const line = at === -1 ? leftLines.length : at;
    return `${left.what}: line ${line} directly is ${JSON.stringify(leftLines[line] ?? "(absent)").slice(0, 300)}, here ${JSON.stringify(rightLines[line] ?? "(absent)").slice(0, 300)}`;
  }
  return null;
}
