// What a soak runs on: a relay and three agents as processes, each agent behind a cable of its own, a cluster for each or one for all. Whatever is killed or ends is
// started again, whatever is cut is healed, by a schedule that a seed draws; only what was started here is ended, by its id.
import type { Random } from "../../shared/kit/random.ts";
import { openLine, type Line } from "../kit/line.ts";
import { ask } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { startTestCluster, type TestCluster } from "./test-cluster.ts";

const names = ["anvil", "birch", "cedar"] as const;
/** A start on a machine that has other work (ms). */
const startMs = 120_000;
/** Between two troubles (s), and how long something stays away (s): a few seconds, as lines do. */
const calmS = [3, 12] as const;
const awayS = [0, 8] as const;

export interface SoakSite {
  readonly name: string;
  readonly namespace: string;
  readonly line: Line;
  readonly cluster: TestCluster;
  agent: Started;
}

export class SoakGround {
  readonly place = new Place();
  readonly sites: SoakSite[] = [];
  readonly #random: Random;
  #relay!: Started;
  /** How often what was done. */
  readonly troubles = new Map<string, number>();
  /** Processes that ended although nobody had killed them. */
  readonly ended: string[] = [];
  readonly #killed = new Set<Started>();
  #isCalm = true;
  #isOver = false;
  #trouble: Promise<void> = Promise.resolve();

  constructor(random: Random) {
    this.#random = random;
  }

  async start(): Promise<void> {
    const { place } = this;
    await this.#startRelay();
    await place.login();
    const stamp = Date.now().toString(36);
    for (const name of names) {
      const cluster = await startTestCluster();
      const line = await openLine({ host: "127.0.0.1", port: () => Number(new URL(place.relayUrl).port) });
      await place.joined(name, cluster.kubeconfig, { url: `https://127.0.0.1:${line.port}` });
      const site: SoakSite = { name, namespace: `bowline-soak-${stamp}-${name}`, line, cluster, agent: place.agent(name, cluster.kubeconfig) };
      this.sites.push(site);
      this.#watch(site.agent, () => this.#again(site));
      await site.agent.said(/"msg":"linked"/, startMs);
      const { status, body } = await ask(place, "POST", `/k8s/${name}/api/v1/namespaces`, { body: { apiVersion: "v1", kind: "Namespace", metadata: { name: site.namespace } } });
      if (status !== 201) throw new Error(`the namespace of ${name} was not made: ${JSON.stringify(body)}`);
    }
  }

  async #startRelay(): Promise<void> {
    this.#relay = await this.place.relay(["--log-level", "warn"], startMs);
    this.#watch(this.#relay, () => this.#startRelay());
  }

  #again(site: SoakSite): Promise<void> {
    site.agent = this.place.agent(site.name, site.cluster.kubeconfig);
    this.#watch(site.agent, () => this.#again(site));
    return Promise.resolve();
  }

  /** A process that was killed comes back after a while, one that ended by itself is said. */
  #watch(started: Started, again: () => Promise<void>): void {
    void started.ended.then(async (code) => {
      if (this.#isOver) return;
      if (!this.#killed.has(started)) this.ended.push(`exit code ${code}: ${started.err.slice(-500)}${started.out.slice(-500)}`);
      await this.#wait(awayS);
      if (!this.#isOver) await again();
    });
  }

  #wait([least, most]: readonly [number, number]): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1_000 * (least + this.#random() * (most - least))));
  }

  /** Trouble, one after the other, until `calm`. */
  storm(): void {
    this.#isCalm = false;
    this.#trouble = this.#storm();
  }

  async #storm(): Promise<void> {
    for (;;) {
      await this.#wait(calmS);
      if (this.#isCalm) return;
      const site = this.sites[Math.floor(this.#random() * this.sites.length)]!;
      const choice = this.#random();
      if (choice < 0.25) this.#kill("relay killed", this.#relay);
      else if (choice < 0.55) this.#kill("agent killed", site.agent);
      else await this.#cut(site.line);
    }
  }

  #kill(what: string, started: Started): void {
    if (started.hasEnded) return;
    this.#note(what);
    this.#killed.add(started);
    void started.kill();
  }

  async #cut(line: Line): Promise<void> {
    this.#note("line cut");
    line.cut();
    await this.#wait(awayS);
    line.heal();
  }

  #note(what: string): void {
    this.troubles.set(what, (this.troubles.get(what) ?? 0) + 1);
  }

  /** No trouble any more; every site is linked. */
  async calm(): Promise<void> {
    this.#isCalm = true;
    await this.#trouble;
    for (const { name } of this.sites) await until(`${name} is linked`, async () => (await ask(this.place, "GET", `/k8s/${name}/version`).catch(() => null))?.status === 200, 120_000);
  }

  async stop(): Promise<void> {
    for (const { name, namespace } of this.sites) await ask(this.place, "DELETE", `/k8s/${name}/api/v1/namespaces/${namespace}`).catch(() => null);
    this.#isOver = true;
    await this.place.close();
    for (const { line, cluster } of this.sites) {
      await line.close();
      await cluster.stop();
    }
  }
}
