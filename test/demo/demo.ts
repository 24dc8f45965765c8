// The demo put together: a relay and agents as processes of the product, API servers in memory, and a cable of our own in every link. Start ends with every site
// linked and reported; stop ends the processes before what they stand on, and the folder last. Answers what `demo cut|heal|slow|status` ask.
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { systemClock } from "../../shared/kit/clock.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { Scope } from "../../shared/kit/scope.ts";
import type { LinkWord } from "../../shared/api.ts";
import { duration, table } from "../../relay/cli/output.ts";
import { openLine, type Line, type Slowness } from "../kit/line.ts";
import { Child, Kept } from "./child.ts";
import { claimFolder, root, type Ask } from "./folder.ts";
import { shellWord, type GuideFacts, type OwnCluster } from "./guide.ts";
import { Operator } from "./operator.ts";
import { ownClusterName, simulatedSites, startCluster } from "./sites.ts";

/** Requests may finish for so long at the end; a demo is not worth more. */
const drain = ["--drain", "1s"];
/** A first report leaves a second after the link. */
const reportMs = 10_000;
/** An agent dials again at the latest 30 s after its last try. */
const returnMs = 45_000;
const cutNoticedMs = 3_000;

export interface DemoSettings {
  readonly dir: string;
  /** 0: any free one. */
  readonly port: number;
  /** The user's own cluster, or null. */
  readonly kubeconfig: string | null;
  readonly isKept: boolean;
}

interface Site {
  readonly name: string;
  readonly about: string;
  readonly cluster: string;
  readonly kubeconfig: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly line: Line;
  agent: Kept | null;
  sinceMs: number;
}

const isThere = (link: LinkWord): boolean => link === "online" || link === "slow";

export class Demo {
  /** Resolves when the demo is over; with a Fault when it could not go on. */
  readonly ended: Promise<Fault | null>;
  readonly #settings: DemoSettings;
  readonly #note: (text: string) => void;
  readonly #scope = new Scope("demo");
  readonly #sites = new Map<string, Site>();
  readonly #begunMs = systemClock.monoMs();
  #relay: Kept | null = null;
  #relayUrl = "";
  #operator!: Operator;
  #end!: (fault: Fault | null) => void;

  constructor(settings: DemoSettings, note: (text: string) => void) {
    this.#settings = settings;
    this.#note = note;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Resolves with what the guide needs, when all of it can be tried. */
  async start(): Promise<GuideFacts> {
    const { dir, port, kubeconfig } = this.#settings;
    const ownName = kubeconfig === null ? null : await ownClusterName(kubeconfig);
    if (port > 0) await requireFree(port);
    const folder = await claimFolder(dir, (ask) => this.#answer(ask));
    if (this.#scope.hasEnded) folder.release(false); // Ctrl-C was quicker; the next line says so
    this.#scope.onEnd(() => folder.release(this.#settings.isKept));
    this.#note(`starting a relay and agents for ${simulatedSites.length + (ownName === null ? 0 : 1)} sites ...`);
    for (const name of ["agents", "bin", "clusters", "logs"]) mkdirSync(join(dir, name));
    const relay = this.#startRelay();
    const sites = this.#openSites(ownName);
    await Promise.all([relay, sites]);
    this.#operator = new Operator(join(dir, "cli", "config.json"), this.#scope.signal);
    this.#scope.onEnd(() => this.#operator.close());
    await this.#operator.login(this.#relayUrl, join(dir, "relay"));
    this.#scope.onEnd(async () => void (await Promise.all([...this.#sites.values()].map((site) => site.agent?.stop() ?? Promise.resolve()))));
    await Promise.all([...this.#sites.values()].map((site) => this.#join(site)));
    await this.#writeWaysIn();
    const tookMs = systemClock.monoMs() - this.#begunMs;
    return { dir, tookMs, sites: [...this.#sites.values()].map(({ name, about }) => ({ name, about })), own: ownName === null ? null : await this.#ownCluster(ownName, kubeconfig!) };
  }

  #log(name: string): string {
    return join(this.#settings.dir, "logs", `${name}.log`);
  }

  async #startRelay(): Promise<void> {
    const { dir, port } = this.#settings;
    let listen = `127.0.0.1:${port}`;
    const start = (): Child => new Child({ name: "the relay", code: "RELAY_UNREACHABLE", args: ["relay", "run", "--data", "relay", "--listen", listen, ...drain], logFile: this.#log("relay"), cwd: dir });
    this.#relay = new Kept({ start, name: "the relay", code: "RELAY_UNREACHABLE", note: this.#note, onGaveUp: (fault) => void this.stop(fault) });
    this.#scope.onEnd(() => this.#relay!.stop());
    const [, url] = await this.#relay.child.said(/^relay ready at (https:\S+)/);
    this.#relayUrl = url!;
    listen = new URL(url!).host; // its agents know this one
    this.#note(`the relay serves at ${url}`);
  }

  /** Clusters and cables: what the agents stand between. */
  async #openSites(ownName: string | null): Promise<void> {
    const { dir, kubeconfig } = this.#settings;
    await Promise.all(
      simulatedSites.map(async ({ name, about, labels, nodes }) => {
        const cluster = await startCluster({ name, about, labels, nodes });
        this.#scope.onEnd(() => cluster.stop());
        const file = join("clusters", `${name}.kubeconfig`);
        writeFileSync(join(dir, file), cluster.kubeconfig(), { mode: 0o600 });
        await this.#openSite({ name, about, labels, cluster: `in memory, ${cluster.url}`, kubeconfig: file });
      }),
    );
    if (ownName !== null) await this.#openSite({ name: ownName, about: "your own cluster; what you do there is real", labels: { kind: "own" }, cluster: kubeconfig!, kubeconfig: kubeconfig! });
  }

  async #openSite(parts: Omit<Site, "line" | "agent" | "sinceMs">): Promise<void> {
    const line = await openLine({ host: "127.0.0.1", port: () => Number(new URL(this.#relayUrl).port) });
    this.#scope.onEnd(() => line.close());
    this.#sites.set(parts.name, { ...parts, line, agent: null, sinceMs: systemClock.monoMs() });
  }

  /** Token, agent, code, approval, link, first report: all that a site goes through on its first day. */
  async #join(site: Site): Promise<void> {
    const { name } = site;
    const token = await this.#operator.joinToken(name, site.labels, `https://127.0.0.1:${site.line.port}`);
    const tokenFile = join("agents", `${name}.token`);
    writeFileSync(join(this.#settings.dir, tokenFile), token, { mode: 0o600 });
    const args = ["agent", "run", "--data", join("agents", name), "--kubeconfig", site.kubeconfig, "--token-file", tokenFile, "--report-every", "3s", "--log-format", "json", ...drain];
    const start = (): Child => new Child({ name: `the agent of ${name}`, code: "SITE_OFFLINE", args, logFile: this.#log(name), cwd: this.#settings.dir });
    site.agent = new Kept({ start, name: `the agent of ${name}`, code: "SITE_OFFLINE", note: this.#note, onGaveUp: (fault) => void this.stop(fault) });
    const { child } = site.agent;
    const linked = child.said(/"msg":"linked"/);
    const [, code] = await Promise.race([child.said(/"code":"([A-Z]+-[A-Z]+-\d+)"/), linked]); // whichever way it fails
    await this.#operator.approve(name, code!);
    await linked;
    await this.#operator.siteOnce(name, reportMs, ({ report }) => report !== null);
    this.#note(`${name} asked to join with the code ${code}, was approved and is linked`);
  }

  /** What a shell of the user's needs to speak to this demo: a login, a kubeconfig, `bowline` itself. */
  async #writeWaysIn(): Promise<void> {
    const { dir } = this.#settings;
    writeFileSync(join(dir, "bin", "bowline"), `#!/bin/sh\nexec node ${shellWord(join(root, "bin", "bowline.mjs"))} "$@"\n`, { mode: 0o755 });
    await this.#operator.writeKubeconfig(join(dir, "kubeconfig"));
    const lines = [
      ["BOWLINE_CONFIG", this.#operator.configFile],
      ["BOWLINE_CONTEXT", "demo"],
      ["BOWLINE_DEMO_STATE", dir],
      ["KUBECONFIG", join(dir, "kubeconfig")],
      ["KUBECACHEDIR", join(dir, "kube-cache")],
    ].map(([name, value]) => `export ${name}=${shellWord(value!)}\n`);
    writeFileSync(join(dir, "env"), `# For a shell: bowline and kubectl speak to the demo. Ends with the demo.\n${lines.join("")}export PATH=${shellWord(join(dir, "bin"))}:"$PATH"\n`);
  }

  async #ownCluster(name: string, kubeconfig: string): Promise<OwnCluster> {
    const status = await this.#operator.kubeStatus(name);
    return { name, kubeconfig, roles: status === 200 ? "there" : status === 403 ? "missing" : "unknown" };
  }

  async #answer({ verb, words, options }: Ask): Promise<string> {
    if (verb === "pid") return String(process.pid);
    if (verb === "status") return this.#status();
    if (verb === "stop") {
      void this.stop();
      return new Promise(() => {}); // the asker sees the socket close with the process
    }
    const sites = words.map((name) => this.#site(name));
    const slowness: Slowness = { delayMs: options["delayMs"] ?? 0, bytesPerSecond: options["bytesPerSecond"] ?? 0 };
    const act = { cut: (site: Site) => this.#cut(site), heal: (site: Site) => this.#heal(site), slow: (site: Site) => this.#slow(site, slowness) }[verb];
    if (act === undefined) throw new Fault("USAGE", { what: `the demo cannot "${verb}"`, why: "this one was started by another version", hint: "npx bowline demo --help" });
    return (await Promise.all(sites.map(act))).join("");
  }

  #site(name: string): Site {
    const site = this.#sites.get(name);
    if (site === undefined) throw new Fault("SITE_UNKNOWN", { what: `the demo has no site "${name}"`, why: this.#sites.size === 0 ? "it is still starting" : `it has ${[...this.#sites.keys()].join(", ")}`, hint: "npx bowline demo status" });
    return site;
  }

  async #cut(site: Site): Promise<string> {
    const { name, line } = site;
    if (line.state.kind === "cut") return `${name} is cut already, for ${this.#for(site)}\n`;
    line.cut();
    this.#mark(site, `${name} is cut`);
    await this.#operator.siteOnce(name, cutNoticedMs, ({ link }) => !isThere(link));
    return `${name} is cut: its link got a reset, and so does every new dial of its agent\n`;
  }

  async #heal(site: Site): Promise<string> {
    const { name, line } = site;
    const before = line.state.kind;
    if (before === "whole") return `${name} needs no healing: its cable is whole\n`;
    const away = this.#for(site);
    line.heal();
    this.#mark(site, `${name} is healed, after ${away}`);
    if (before === "slow") return `${name} is fast again\n`;
    return this.#returned(site, `${name} is back after ${away}`);
  }

  async #slow(site: Site, slowness: Slowness): Promise<string> {
    const { name, line } = site;
    const wasCut = line.state.kind === "cut";
    line.slow(slowness);
    const how = slownessText(slowness);
    this.#mark(site, `${name} is slow: ${how}`);
    return wasCut ? this.#returned(site, `${name} is back, and slow: ${how}`) : `${name} is slow: ${how}\n`;
  }

  async #returned({ name }: Site, text: string): Promise<string> {
    const { link, openCommands } = await this.#operator.siteOnce(name, returnMs, ({ link: now }) => isThere(now));
    if (!isThere(link)) return `${name}'s cable is whole again; its agent has not come back within ${returnMs / 1000} s\n`;
    return `${text}${openCommands === 0 ? "" : openCommands === 1 ? "; the order that waited is on its way" : `; the ${openCommands} orders that waited are on their way`}\n`;
  }

  #mark(site: Site, text: string): void {
    site.sinceMs = systemClock.monoMs();
    this.#note(text);
  }

  #for(site: Site): string {
    return duration(systemClock.monoMs() - site.sinceMs);
  }

  #status(): string {
    const cable = (site: Site): string => {
      const { state } = site.line;
      return state.kind === "whole" ? "whole" : state.kind === "cut" ? `cut for ${this.#for(site)}` : `slow, ${slownessText(state.slowness)}`;
    };
    const head = `demo    runs for ${duration(systemClock.monoMs() - this.#begunMs)}, process ${process.pid}, in ${this.#settings.dir}\nrelay   ${this.#relayUrl || "starting"}, process ${this.#relay?.child.pid ?? "-"}\n\n`;
    if (this.#sites.size === 0) return `${head}no site yet: it is still starting\n`;
    return `${head}${table([...this.#sites.values()], [
      { title: "SITE", value: ({ name }) => name },
      { title: "CABLE", value: cable },
      { title: "AGENT", value: ({ agent }) => (agent === null ? "-" : `process ${agent.child.pid}`) },
      { title: "CLUSTER", value: ({ cluster }) => cluster },
    ])}`;
  }

  /** Ends everything in order; idempotent. */
  async stop(fault: Fault | null = null): Promise<void> {
    try {
      await this.#scope.end(new Fault("DRAINING", { what: "the demo ends", why: "it was asked to" }));
      this.#end(fault);
    } catch (error) {
      this.#end(fault ?? asFault(error));
    }
  }

  /** Ends everything at once. */
  kill(): void {
    for (const { agent } of this.#sites.values()) agent?.kill();
    this.#relay?.kill();
  }
}

/** The relay would say so too, with advice for a relay. */
async function requireFree(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Fault("PORT_IN_USE", { what: `port ${port} cannot be had for the relay`, why: (error as Error).message, hint: "leave --port out: the demo takes a free one" });
  } finally {
    server.close();
  }
}

function slownessText({ delayMs, bytesPerSecond }: Slowness): string {
  return `${delayMs} ms and ${Math.round(bytesPerSecond / 1024)} KiB/s each way`;
}
