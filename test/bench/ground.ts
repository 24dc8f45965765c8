// The ground of every bench: origin and load (Go, built once), the product as real processes in front of the origin, and two plain Node hops as the control.
// Everything listens on loopback and is ended by its id. A line (test/kit/chaos.ts) may stand between the two ends of either.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { contextToken } from "../e2e/kube-rest.ts";
import { Place, root, Started } from "../e2e/place.ts";

export const here = join(root, "test", "bench");
const out = join(here, "out");

/** Addresses of the origin, in the form of an API server's. */
export const paths = {
  small: "/api/v1/namespaces/bench/configmaps/small",
  sink: "/api/v1/namespaces/bench/pods",
  wait: "/api/v1/namespaces/bench/pods/wait/log?follow=true",
  bulk: (octets: number): string => `/api/v1/namespaces/bench/pods/bulk/log?octets=${octets}`,
  list: (items: number, octets: number): string => `/api/v1/configmaps?items=${items}&octets=${octets}`,
  exec: (what: "echo" | "serve" | "pour" | "sink"): string => `/api/v1/namespaces/bench/pods/shell/exec?do=${what}`,
};

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly octets: number;
  readonly failures?: readonly { readonly atMs: number; readonly what: string }[];
}

/** Where a load is sent, and which processes stand in between. */
export interface Subject {
  readonly name: "product" | "control" | "direct";
  readonly base: string;
  readonly ca: string;
  readonly token: string;
  /** Both ends, the central one first. */
  readonly ends: readonly Started[];
  readonly pids: readonly number[];
}

const pidsOf = (ends: readonly Started[]): number[] => ends.map((end) => end.child.pid!);

/** Puts something between the two ends: takes the port that listens, answers the port to dial. */
export type Through = (port: number) => Promise<number>;

export interface GroundOptions {
  readonly relayArgs?: readonly string[];
  readonly agentArgs?: readonly string[];
  /** CPU profiles of relay and agent in out/prof, written when they stop. */
  readonly profile?: boolean;
  readonly through?: Through;
}

const nodeOptions = (profile: boolean): string => `--inspect-port=127.0.0.1:0${profile ? ` --cpu-prof --cpu-prof-dir=${join(out, "prof")}` : ""}`;

export function buildGo(): boolean {
  mkdirSync(out, { recursive: true });
  for (const program of ["load", "origin"]) {
    const built = spawnSync("go", ["build", "-trimpath", "-o", join(out, program), `./${program}`], { cwd: join(here, "go"), env: { ...process.env, CGO_ENABLED: "0" }, stdio: ["ignore", "ignore", "inherit"] });
    if (built.status !== 0 && !existsSync(join(out, program))) return false;
  }
  return true;
}

export class Ground {
  readonly place = new Place();
  origin!: Started;
  originUrl = "";
  relay!: Started;
  agent!: Started;
  kubeconfig = "";
  /** What the control's central hop dials. */
  secondHopUrl = "";
  #extra: Started[] = [];
  #controlDir = "";
  /** CPU profiles of relay and agents in out/prof, written when they stop by themselves. */
  profile = false;

  /** Origin, relay and one linked site, `bench`. */
  async start(options: GroundOptions = {}): Promise<void> {
    this.profile = options.profile === true;
    await this.startOrigin();
    await this.startRelay(options.relayArgs);
    await this.place.login();
    this.agent = await this.site("bench", options.through, options.agentArgs);
  }

  async startOrigin(): Promise<void> {
    this.origin = this.run(join(out, "origin"), []);
    this.originUrl = (await this.origin.said(/origin (http:\S+)/))[1]!;
    this.kubeconfig = join(this.place.dir, "origin.kubeconfig");
    const config = { apiVersion: "v1", kind: "Config", clusters: [{ name: "o", cluster: { server: this.originUrl } }], users: [{ name: "u", user: {} }], contexts: [{ name: "o", context: { cluster: "o", user: "u" } }], "current-context": "o" };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
  }

  async startRelay(args: readonly string[] = []): Promise<Started> {
    this.relay = await this.measured(() => this.place.relay(["--log-level", "warn", ...args]));
    return this.relay;
  }

  /** Token, join, approval and a linked agent; it dials the relay through what `through` gives. */
  async site(name: string, through: Through = (port) => Promise.resolve(port), args: readonly string[] = []): Promise<Started> {
    const { place } = this;
    const port = await through(Number(new URL(place.relayUrl).port));
    const token = (await place.ok(["token", "create", "--name", name, "--url", `https://127.0.0.1:${port}`])).trim();
    const joined = await place.ok(["agent", "join", "--token", token, "--data", place.agentData(name), "--kubeconfig", this.kubeconfig]);
    await place.ok(["approve", name, "--code", /code: (\S+)/.exec(joined)![1]!]);
    return this.again(name, args);
  }

  /** The agent of a site that has joined; resolves when it is linked. */
  async again(name: string, args: readonly string[] = []): Promise<Started> {
    const agent = await this.measured(() => Promise.resolve(this.place.agent(name, this.kubeconfig, ["--report-every", "10m", ...args])));
    await agent.said(/"msg":"linked"/);
    return agent;
  }

  /** What `begin` starts can be inspected, and is profiled where that was asked for. */
  async measured(begin: () => Promise<Started>): Promise<Started> {
    this.place.env["NODE_OPTIONS"] = nodeOptions(this.profile);
    try {
      return await begin();
    } finally {
      delete this.place.env["NODE_OPTIONS"];
    }
  }

  run(command: string, args: readonly string[]): Started {
    const started = new Started(args, { command, env: { NODE_OPTIONS: "--inspect-port=127.0.0.1:0" } });
    this.#extra.push(started);
    return started;
  }

  product(site = "bench", agent = this.agent): Subject {
    return { name: "product", base: `${this.place.relayUrl}/k8s/${site}`, ca: join(this.place.relayData, "tls", "ca.crt"), token: contextToken(this.place), ends: [this.relay, agent], pids: pidsOf([this.relay, agent]) };
  }

  direct(): Subject {
    return { name: "direct", base: this.originUrl, ca: "", token: "", ends: [], pids: [] };
  }

  /** A certificate for what a control serves. */
  async certificates(): Promise<string> {
    if (this.#controlDir !== "") return this.#controlDir;
    const dir = join(this.place.dir, "control");
    mkdirSync(dir, { recursive: true });
    const authority = await makeAuthority("bench", 2, Date.now());
    const pair = await issueCertificate(authority, ["localhost", "127.0.0.1"], 2, Date.now());
    for (const [name, text] of Object.entries({ "ca.crt": authority.cert, "tls.crt": pair.cert, "tls.key": pair.key })) writeFileSync(join(dir, name), text);
    this.#controlDir = dir;
    return dir;
  }

  /** Two plain Node hops with TLS from the client and between them. */
  async control(through: Through = (port) => Promise.resolve(port)): Promise<Subject> {
    const dir = await this.certificates();
    const second = await this.hop(this.originUrl);
    this.secondHopUrl = `https://127.0.0.1:${await through(second.port)}`;
    const first = await this.hop(this.secondHopUrl);
    return { name: "control", base: `https://127.0.0.1:${first.port}`, ca: join(dir, "ca.crt"), token: "", ends: [first.started, second.started], pids: pidsOf([first.started, second.started]) };
  }

  /** One plain hop in front of `target`. */
  async hop(target: string, port = 0): Promise<{ readonly started: Started; readonly port: number }> {
    const started = this.run(process.execPath, [join(here, "control.mjs"), await this.certificates(), target, String(port)]);
    return { started, port: Number(new URL((await started.said(/hop (\S+)/))[1]!).port) };
  }

  /** A load as a process of its own; its result when it has ended. */
  load(subject: Subject, path: string, args: readonly string[]): { readonly started: Started; readonly done: Promise<LoadResult> } {
    const started = this.run(join(out, "load"), ["-url", subject.base + path, ...(subject.ca === "" ? [] : ["-ca", subject.ca]), ...(subject.token === "" ? [] : ["-token", subject.token]), ...args]);
    const done = started.ended.then((code) => {
      if (code !== 0) throw new Error(`load ended with ${code}: ${started.err}`);
      return JSON.parse(started.out) as LoadResult;
    });
    return { started, done };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#extra.filter((started) => started !== this.origin).map((started) => started.stop(2_000)));
    await this.place.close();
    await this.origin?.stop(2_000);
  }
}

/** The first failures of a load, for the report. */
export function failuresText(result: LoadResult): string {
  return (result.failures ?? []).slice(0, 3).map(({ what }) => what.slice(0, 120)).join("; ");
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
