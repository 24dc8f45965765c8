// A place where a relay, agents and a command line live as real processes: temporary folders, free ports, output kept, everything ended by process id. Used by
// the e2e and kube rings, the demo's tests and benches.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const entry = join(root, "bin", "bowline.mjs");
/** Output kept per process (characters), the newest. */
const outputCharsMax = 1_000_000;
const waitMsDefault = 20_000;

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One process of the product: its output so far, waits for words in it, ends by signal. */
export class Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number>;
  out = "";
  err = "";
  #watchers = new Set<() => void>();

  constructor(args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly command?: string; readonly cwd?: string; readonly isDetached?: boolean } = {}) {
    const command = options.command ?? process.execPath;
    this.child = spawn(command, [...args], { env: { ...process.env, ...options.env }, stdio: ["pipe", "pipe", "pipe"], detached: options.isDetached === true, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
    this.child.stdin!.on("error", () => {});
    this.child.stdin!.end(options.input ?? "");
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.out = (this.out + text).slice(-outputCharsMax);
      this.#tell();
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.err = (this.err + text).slice(-outputCharsMax);
      this.#tell();
    });
    this.ended = new Promise((resolve) => this.child.once("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal!])));
    void this.ended.then(() => this.#tell());
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves when the pattern stands in the output; rejects with the output when the process ends or the time is over. */
  said(pattern: RegExp, timeoutMs = waitMsDefault): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(this.out) ?? pattern.exec(this.err);
        if (found !== null) done(() => resolve(found));
        else if (this.hasEnded) done(() => reject(new Error(`the process ended (${this.child.exitCode ?? this.child.signalCode}) and never said ${pattern}\n${this.out}\n${this.err}`)));
      };
      const timer = setTimeout(() => done(() => reject(new Error(`no ${pattern} within ${timeoutMs} ms\n${this.out}\n${this.err}`))), timeoutMs);
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      this.#watchers.add(look);
      look();
    });
  }

  kill(): Promise<number> {
    this.child.kill("SIGKILL");
    return this.ended;
  }

  /** SIGTERM, and SIGKILL when it does not end. */
  async stop(graceMs = 15_000): Promise<number> {
    if (this.hasEnded) return this.ended;
    const hard = setTimeout(() => this.child.kill("SIGKILL"), graceMs);
    this.child.kill("SIGTERM");
    const code = await this.ended;
    clearTimeout(hard);
    return code;
  }
}

/** How an agent gets out, where that is not the plain way. */
export interface AgentWay {
  readonly env?: Readonly<Record<string, string>>;
  readonly via?: readonly string[];
  /** The relay's address in the join token, when it is not the command line's. */
  readonly url?: string;
  readonly editToken?: (text: string) => string;
}

export class Place {
  readonly dir = mkdtempSync(join(tmpdir(), "bowline-place-"));
  readonly #started: Started[] = [];
  relayUrl = "";
  readonly env: Record<string, string>;

  constructor() {
    // Nothing of the machine's own set-up leaks in; loopback needs no proxy.
    this.env = { BOWLINE_CONFIG: join(this.dir, "cli", "config.json"), HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "", http_proxy: "", https_proxy: "", no_proxy: "", KUBERNETES_SERVICE_HOST: "", KUBECONFIG: "" };
  }

  /** `via` is put in front of the command, e.g. `ip netns exec NAME`; it must become the program, not stay its parent. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}, via: readonly string[] = []): Started {
    const [command, ...before] = [...via, process.execPath];
    const started = new Started([...before, entry, ...args], { env: { ...this.env, ...env }, command: command! });
    this.#started.push(started);
    return started;
  }

  get relayData(): string {
    return join(this.dir, "relay");
  }

  /** Starts a relay on a free port (the same one after the first time). */
  async relay(args: readonly string[] = [], startMs = waitMsDefault): Promise<Started> {
    const listen = this.relayUrl === "" ? "127.0.0.1:0" : new URL(this.relayUrl).host;
    const relay = this.start(["relay", "run", "--data", this.relayData, "--listen", listen, ...args]);
    const [, url] = await relay.said(/relay ready at (https:\S+)/, startMs);
    this.relayUrl = url!;
    return relay;
  }

  /** Runs the command line to its end. */
  async cli(args: readonly string[], options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {}): Promise<Finished> {
    const started = new Started([entry, ...args], { env: { ...this.env, ...options.env }, ...(options.input === undefined ? {} : { input: options.input }) });
    const code = await started.ended;
    return { code, out: started.out, err: started.err };
  }

  /** As `cli`, and a failure is an error with all that was said. */
  async ok(args: readonly string[], options: { readonly input?: string } = {}): Promise<string> {
    const { code, out, err } = await this.cli(args, options);
    if (code !== 0) throw new Error(`bowline ${args.join(" ")} ended with ${code}\n${out}\n${err}`);
    return out;
  }

  async login(): Promise<void> {
    await this.ok(["login", this.relayUrl, "--ca", join(this.relayData, "tls", "ca.crt"), "--token", readFileSync(join(this.relayData, "first-login"), "utf8").trim()]);
  }

  agentData(name: string): string {
    return join(this.dir, `agent-${name}`);
  }

  agent(name: string, kubeconfig: string, args: readonly string[] = [], way: AgentWay = {}): Started {
    return this.start(["agent", "run", "--data", this.agentData(name), "--kubeconfig", kubeconfig, "--report-every", "2s", ...args], way.env, way.via);
  }

  /** Token, join and approval: a site whose agent does not run yet. */
  async joined(name: string, kubeconfig: string, way: AgentWay = {}): Promise<void> {
    const made = (await this.ok(["token", "create", "--name", name, ...(way.url === undefined ? [] : ["--url", way.url])])).trim();
    const token = way.editToken?.(made) ?? made;
    const asking = this.start(["agent", "join", "--token", token, "--data", this.agentData(name), "--kubeconfig", kubeconfig], way.env, way.via);
    if ((await asking.ended) !== 0) throw new Error(`the agent of ${name} could not join\n${asking.out}\n${asking.err}`);
    const code = /code: (\S+)/.exec(asking.out)![1]!;
    await this.ok(["approve", name, "--code", code]);
  }

  /** Token, join, approval and a linked agent. */
  async site(name: string, kubeconfig: string, args: readonly string[] = [], way: AgentWay = {}): Promise<Started> {
    await this.joined(name, kubeconfig, way);
    const agent = this.agent(name, kubeconfig, args, way);
    await agent.said(/"msg":"linked"/);
    return agent;
  }

  /** A kubeconfig with a context per site. */
  async kubeconfig(): Promise<string> {
    const file = join(this.dir, "kubeconfig.yaml");
    await this.ok(["kube", "login", "--file", file]);
    return file;
  }

  /** Ends every process that was started here. */
  async stop(): Promise<void> {
    await Promise.all(this.#started.map((started) => started.stop()));
  }

  /** As `stop`, and removes the folder. */
  async close(): Promise<void> {
    await this.stop();
    if (existsSync(this.dir)) rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Waits for something to become true; for conditions that no output announces. */
export async function until<Value>(what: string, look: () => Promise<Value | null | false> | Value | null | false, timeoutMs = waitMsDefault): Promise<Value> {
  const giveUpMs = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false) return found;
    if (Date.now() > giveUpMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
