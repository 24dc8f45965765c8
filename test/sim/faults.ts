// What goes wrong in a simulated run: kills at any time and at every named point, lines that are cut, dark, down or slow, disks that are full or slow or gone, machines
// that reboot, clusters that are away. Each has its end; after the last one all is well again.
import { CRASH_POINTS, onCrashPoint, type CrashPoint } from "../../shared/kit/crash.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { SimSite } from "./sim-site.ts";
import { brings } from "./wire-watch.ts";
import { currentProcess, Killed, type World } from "./world.ts";

interface Plan {
  readonly point: CrashPoint;
  left: number;
}

export interface FaultOptions {
  readonly world: World;
  readonly relay: SimRelay;
  readonly sites: readonly SimSite[];
  readonly count: number;
  readonly untilMs: number;
  /** The relay's file was copied; what comes back is called when that copy has taken its place. */
  readonly onBackup: () => () => void;
}

export class Faults {
  readonly #options: FaultOptions;
  /** Armed crash points by the process' name without its number. */
  readonly #plans = new Map<string, Plan>();
  /** How often each point killed. */
  readonly kills = new Map<CrashPoint, number>();
  /** Sites that die as they send their next receipt, which then lags behind the agent that comes after (ms). */
  readonly #atReceipt = new Map<SimSite, number>();
  /** Sites whose old receipt lags, with the cable that it is on: it arrives just as the relay sends letters on a newer one. */
  readonly #lagging = new Map<SimSite, number>();
  #isOver = false;

  constructor(options: FaultOptions) {
    this.#options = options;
    const { world } = options;
    onCrashPoint((point) => this.#pass(point));
    for (let index = 0; index < options.count; index += 1) world.at(world.between(0, options.untilMs), () => this.#strike());
    world.at(options.untilMs, () => this.#heal());
  }

  /** The next process of this name (of a site, or "relay") that passes the point for the `left`-th time dies there. */
  arm(process: string, point: CrashPoint, left: number): void {
    this.#plans.set(process, { point, left });
  }

  /** No process of this run passes a point any more. */
  stop(): void {
    onCrashPoint(null);
  }

  /** A message leaves: the moment that some faults wait for. */
  sent(site: SimSite, from: "agent" | "relay", message: Uint8Array, cable: number): void {
    const { world } = this.#options;
    const lagging = this.#lagging.get(site);
    if (from === "relay" && lagging !== undefined && cable > lagging && brings("letter", message)) {
      this.#lagging.delete(site);
      world.after(world.between(0, 20), () => site.line.release());
    }
    const lagMs = this.#atReceipt.get(site);
    if (from !== "agent" || lagMs === undefined || !brings("receipt", message)) return;
    this.#atReceipt.delete(site);
    this.#lagging.set(site, cable);
    // The receipt is on its way first.
    world.after(0, () => {
      world.note("FAULT", `a receipt of ${site.name} lags by ${Math.round(lagMs)} ms, and the agent dies`);
      site.line.lag(lagMs);
      site.kill("its receipt lags");
      if (world.chance(0.5)) void site.loseDisk();
    });
  }

  #pass(point: CrashPoint): void {
    const process = currentProcess();
    if (process === null || process.isDead) return;
    const name = process.name.split("#")[0]!;
    const plan = this.#plans.get(name);
    if (plan === undefined || plan.point !== point) return;
    plan.left -= 1;
    if (plan.left > 0) return;
    this.#plans.delete(name);
    this.kills.set(point, (this.kills.get(point) ?? 0) + 1);
    this.#options.world.note(name, `killed at ${point}`);
    process.kill();
    throw new Killed(`killed at ${point}`);
  }

  #strike(): void {
    const { world, relay } = this.#options;
    const site = world.pick(this.#options.sites);
    const { line } = site;
    const lastsMs = world.pick([1_000, 10_000, 60_000]) * world.between(0.3, 1);
    const choice = world.random();
    const note = (what: string): void => world.note("FAULT", `${what} (${site.name}, ${Math.round(lastsMs)} ms)`);
    if (choice < 0.1) relay.kill("by the schedule");
    else if (choice < 0.18) site.kill("by the schedule");
    else if (choice < 0.38) this.arm(world.chance(0.4) ? "relay" : site.name, world.pick(CRASH_POINTS), world.pick([1, 1, 2, 5]));
    else if (choice < 0.48) {
      note("the line is cut");
      line.cut(world.chance(0.3));
    } else if (choice < 0.55) {
      note("the line is dark");
      line.darkUntilMs = world.nowMs + lastsMs;
    } else if (choice < 0.6) {
      note("dials are refused");
      line.isDown = true;
      line.cut(false);
      world.after(lastsMs, () => (line.isDown = false));
    } else if (choice < 0.66) {
      note("the line stalls");
      line.stalledUntilMs = world.nowMs + lastsMs;
    } else if (choice < 0.74) {
      const live = world.chance(0.3) ? relay.live : site.live;
      note("a disk is full");
      live?.store.fill(true);
      world.after(lastsMs, () => live?.process.isDead === false && live.store.fill(false));
    } else if (choice < 0.8) {
      note("a disk is slow");
      (world.chance(0.3) ? relay.live : site.live)?.store.stall(Math.min(lastsMs, 20_000));
    } else if (choice < 0.88) {
      note("the cluster is away");
      site.cluster.awayUntilMs = world.nowMs + lastsMs;
    } else if (choice < 0.92) {
      this.#atReceipt.set(site, Math.min(lastsMs, 25_000));
    } else if (choice < 0.96) site.reboot();
    else if (choice < 0.975) void site.loseDisk();
    else if (choice < 0.985) this.#putBackLater(site, lastsMs);
    else this.#restoreLater(lastsMs);
  }

  /** A copy of the relay is made now and takes its place after a while. */
  #restoreLater(afterMs: number): void {
    const { world, relay, onBackup } = this.#options;
    const putBack = relay.backup();
    if (putBack === null) return;
    world.note("FAULT", `the relay is copied, and put back from it in ${Math.round(afterMs)} ms`);
    const tell = onBackup();
    world.after(afterMs, () => {
      putBack();
      tell();
    });
  }

  /** As a machine that is put back from a snapshot, or a file from a copy that its witness finds out. */
  #putBackLater(site: SimSite, afterMs: number): void {
    const { world } = this.#options;
    const isWhole = world.chance(0.5);
    const putBack = site.backup(isWhole);
    if (putBack === null) return;
    world.note("FAULT", `${site.name} is copied${isWhole ? " with its witness" : ""}, and put back from it in ${Math.round(afterMs)} ms`);
    world.after(afterMs, putBack);
  }

  #heal(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { world, relay, sites } = this.#options;
    world.note("FAULT", "all is well from here on");
    this.#plans.clear();
    this.#atReceipt.clear();
    for (const site of sites) {
      site.line.darkUntilMs = 0;
      site.line.isDown = false;
      site.line.stalledUntilMs = 0;
      site.cluster.awayUntilMs = 0;
      site.live?.store.fill(false);
    }
    relay.live?.store.fill(false);
  }
}
