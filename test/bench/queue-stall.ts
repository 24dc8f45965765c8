// Heartbeats while the disk does not answer: every fdatasync of one process takes 2 s longer (strace), while its store is kept at work, and the other end of a link asks
// it for its time again and again. What is measured is how long each answer takes; nothing of the disk may be heard in it.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { systemClock } from "../../shared/kit/clock.ts";
import { silentLog } from "../../shared/kit/log.ts";
import { systemRandom } from "../../shared/kit/random.ts";
import { Link } from "../../shared/link/link.ts";
import { creditStartBytes, letterCreditBytes, letterCreditLetters } from "../../shared/wire/limits.ts";
import { ask, contextToken } from "../e2e/kube-rest.ts";
import { RawAgent } from "../e2e/raw-peers.ts";
import { pause, type Ground } from "./ground.ts";
import { order } from "./queue-accepts.ts";
import { PlayedRelay, signedCommands } from "./queue-site.ts";

export const stallMs = 2_000;
const askEveryMs = 20;
/** strace stops every thread once as it attaches, and once as it leaves: that is no stall of the disk. */
const attachMs = 1_500;

export interface Beats {
  readonly answers: number;
  /** Asked, and not answered when the time was over. */
  readonly missed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** How long the store took for what it was asked meanwhile, at most (ms): else nothing stalled, and nothing is shown. */
  readonly storeMs: number;
}

export function hasStrace(): boolean {
  return spawnSync("strace", ["-V"], { stdio: "ignore" }).status === 0;
}

/** Every commit of a process takes longer until what comes back is called. */
async function stallDisk(pid: number): Promise<() => Promise<void>> {
  const tracer = spawn("strace", ["-f", "-p", String(pid), "-e", "trace=fdatasync,fsync", "-e", `inject=fdatasync,fsync:delay_enter=${stallMs * 1_000}`, "-o", "/dev/null"], { stdio: "ignore" });
  await pause(attachMs);
  if (tracer.exitCode !== null) throw new Error(`strace ended with ${tracer.exitCode}: it may not attach to process ${pid} here`);
  return async () => {
    const ended = once(tracer, "exit");
    tracer.kill("SIGINT");
    await ended;
  };
}

/** Asks for the other end's time, one question after the other, for so long. */
async function beats(link: Link, forMs: number, work: (until: number) => Promise<number>): Promise<Beats> {
  const times: number[] = [];
  let askedMs = 0;
  let missed = 0;
  link.onRoundTrip = () => {
    times.push(performance.now() - askedMs);
    askedMs = 0;
  };
  const endMs = performance.now() + forMs;
  const working = work(endMs);
  while (performance.now() < endMs) {
    if (askedMs === 0) {
      askedMs = performance.now();
      link.ping();
    }
    await pause(askEveryMs);
  }
  if (askedMs !== 0 && performance.now() - askedMs > stallMs / 2) missed += 1;
  const storeMs = await working;
  times.sort((left, right) => left - right);
  const at = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Infinity;
  return { answers: times.length, missed: missed + (link.hasEnded ? 1 : 0), p50: at(0.5), p99: at(0.99), max: at(1), storeMs };
}

export interface Stalled {
  readonly idle: Beats;
  readonly stalled: Beats;
}

async function idleAndStalled(link: Link, pid: number, forMs: number, work: (until: number) => Promise<number>): Promise<Stalled> {
  const idle = await beats(link, forMs / 2, work);
  const heal = await stallDisk(pid);
  try {
    return { idle, stalled: await beats(link, forMs, work) };
  } finally {
    await heal();
  }
}

/** A relay whose disk stalls, seen from a site's end of a link, while orders are given. */
export async function relayStall(ground: Ground, name: string, forMs: number): Promise<Stalled> {
  const { place } = ground;
  const relay = await ground.startRelay();
  await (await place.site(name, ground.kubeconfig)).stop();
  const raw = await RawAgent.open(place, name);
  const { socket, welcome } = await raw.link();
  const link = new Link({ role: "agent", socket, peerStartCredit: welcome.startCredit, ownStartCredit: creditStartBytes, peerLetterCredit: welcome.letterCredit, ownLetterCredit: { letters: letterCreditLetters, octets: letterCreditBytes }, clock: systemClock, random: systemRandom, log: silentLog });
  link.mux.held(Buffer.from(JSON.stringify({ held: [] })));
  link.start();
  const token = contextToken(place);
  const submit = async (until: number): Promise<number> => {
    let slowestMs = 0;
    while (performance.now() < until) {
      const begunMs = performance.now();
      const { status } = await ask(place, "POST", "/api/v1/commands", { token, body: { site: name, spec: order("cm") } });
      if (status !== 202) throw new Error(`the relay answered ${status}`);
      slowestMs = Math.max(slowestMs, performance.now() - begunMs);
      await pause(askEveryMs);
    }
    return slowestMs;
  };
  try {
    return await idleAndStalled(link, relay.child.pid!, forMs, submit);
  } finally {
    socket.terminate();
    await raw.close();
    await relay.stop();
  }
}

/** An agent whose disk stalls, seen from its relay's end, while commands arrive. */
export async function agentStall(ground: Ground, name: string, forMs: number): Promise<Stalled> {
  const { place } = ground;
  const real = await ground.startRelay();
  await (await place.site(name, ground.kubeconfig)).stop();
  await real.stop();
  const relay = await PlayedRelay.start(place);
  const agent = place.agent(name, ground.kubeconfig, ["--report-every", "10m", "--log-level", "warn"]);
  try {
    const { link, site } = await relay.linked;
    const letters = signedCommands(place, site, 1_000);
    const send = async (until: number): Promise<number> => {
      let slowestMs = 0;
      while (performance.now() < until) {
        const begunMs = performance.now();
        await relay.send(letters.splice(0, 4));
        slowestMs = Math.max(slowestMs, performance.now() - begunMs);
        await pause(askEveryMs);
      }
      return slowestMs;
    };
    return await idleAndStalled(link, agent.child.pid!, forMs, send);
  } finally {
    await agent.stop();
    await relay.stop();
  }
}
