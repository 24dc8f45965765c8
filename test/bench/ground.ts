// The ground of every bench: origin and load (Go, built once), the product as real processes in front of the origin, two plain Node hops as the control, and what
// a process cost. Everything listens on loopback and is ended by its id.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { issueCertificate, makeAuthority } from "../../shared/kit/certificates.ts";
import { contextToken } from "../e2e/kube-rest.ts";
import { Place, root, Started } from "../e2e/place.ts";

const here = join(root, "test", "bench");
const out = join(here, "out");
const ticksPerSecond = 100; // CLK_TCK on every Linux we run on

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly octets: number;
  readonly failures?: readonly string[];
}

/** Where a load is sent, and which processes stand in between. */
export interface Subject {
  readonly name: "product" | "control" | "direct";
  readonly base: string;
  readonly ca: string;
  readonly token: string;
  /** Process ids of both ends. */
  readonly pids: readonly number[];
}

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
  #extra: Started[] = [];

  async start(options: { readonly relayArgs?: readonly string[]; readonly agentArgs?: readonly string[]; readonly profile?: boolean } = {}): Promise<void> {
    this.origin = this.run(join(out, "origin"), []);
    this.originUrl = (await this.origin.said(/origin (http:\S+)/))[1]!;
    this.kubeconfig = join(this.place.dir, "origin.kubeconfig");
    const config = { apiVersion: "v1", kind: "Config", clusters: [{ name: "o", cluster: { server: this.originUrl } }], users: [{ name: "u", user: {} }], contexts: [{ name: "o", context: { cluster: "o", user: "u" } }], "current-context": "o" };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
    if (options.profile === true) this.place.env["NODE_OPTIONS"] = `--cpu-prof --cpu-prof-dir=${join(out, "prof")}`;
    this.relay = await this.place.relay(["--log-level", "warn", ...(options.relayArgs ?? [])]);
    delete this.place.env["NODE_OPTIONS"];
    await this.place.login();
    if (options.profile === true) this.place.env["NODE_OPTIONS"] = `--cpu-prof --cpu-prof-dir=${join(out, "prof")}`;
    this.agent = await this.place.site("bench", this.kubeconfig, ["--report-every", "10m", ...(options.agentArgs ?? [])]);
    delete this.place.env["NODE_OPTIONS"];
  }

  run(command: string, args: readonly string[]): Started {
    const started = new Started(args, { command });
    this.#extra.push(started);
    return started;
  }

  product(): Subject {
    return { name: "product", base: `${this.place.relayUrl}/k8s/bench`, ca: join(this.place.relayData, "tls", "ca.crt"), token: contextToken(this.place), pids: [this.relay.child.pid!, this.agent.child.pid!] };
  }

  direct(): Subject {
    return { name: "direct", base: this.originUrl, ca: "", token: "", pids: [] };
  }

  /** Two plain Node hops with TLS from the client and between them. `through` may put a line between the two. */
  async control(through: (port: number) => Promise<number> = (port) => Promise.resolve(port)): Promise<Subject> {
    const dir = join(this.place.dir, "control");
    mkdirSync(dir, { recursive: true });
    const authority = await makeAuthority("bench", 2, Date.now());
    const pair = await issueCertificate(authority, ["localhost", "127.0.0.1"], 2, Date.now());
    for (const [name, text] of Object.entries({ "ca.crt": authority.cert, "tls.crt": pair.cert, "tls.key": pair.key })) writeFileSync(join(dir, name), text);
    const second = this.run(process.execPath, [join(here, "control.mjs"), dir, this.originUrl]);
    const secondPort = Number(new URL((await second.said(/hop (\S+)/))[1]!).port);
    const first = this.run(process.execPath, [join(here, "control.mjs"), dir, `https://127.0.0.1:${await through(secondPort)}`]);
    const base = (await first.said(/hop (\S+)/))[1]!;
    return { name: "control", base, ca: join(dir, "ca.crt"), token: "", pids: [first.child.pid!, second.child.pid!] };
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
    await this.place.close();
    await Promise.all(this.#extra.map((started) => started.stop(2_000)));
  }
}

/** CPU seconds that processes have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }, 0);
}

/** Resident octets of one process. */
export function rssOctets(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
