// The leak oracle: what a running process holds, read from /proc, before and after many rounds of the same work. Promises: descriptors back where they were and
// resident memory flat, or an error that names what stayed. It never signals the process and changes nothing in it; Linux only.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Alive, Inspector } from "./inspect.ts";

/** Descriptors are given this long (ms) to go: closing handshakes and graces of a second or two are no leak. */
const settleMs = 10_000;
/** Resident memory (KiB) that one run of the collector more or less explains: Node's young generation is 16 MiB and is kept. */
const rssSlackKiB = 24 * 1_024;

export interface Footprint {
  /** Descriptors by kind: socket, pipe, anon_inode:[eventpoll], /path/of/a/file. */
  readonly descriptors: ReadonlyMap<string, number>;
  readonly rssKiB: number;
}

export function footprint(pid: number): Footprint {
  const descriptors = new Map<string, number>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    const kind = descriptorKind(pid, name);
    if (kind !== null) descriptors.set(kind, (descriptors.get(kind) ?? 0) + 1);
  }
  return { descriptors, rssKiB: rssKiB(pid) };
}

export function rssKiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (found === null) throw new Error(`process ${pid} has no resident memory: it has ended`);
  return Number(found[1]);
}

/** Null for a descriptor that was closed while we looked. */
function descriptorKind(pid: number, name: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/fd/${name}`).replace(/^(socket|pipe):.*/, "$1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** What `now` holds above `before` and `spare` more of each kind, as `kind: before -> now`; "" for nothing. */
function grownDescriptors(before: Footprint, now: Footprint, spare = 0): string {
  const grown = [...now.descriptors].filter(([kind, count]) => count > (before.descriptors.get(kind) ?? 0) + spare);
  return grown.map(([kind, count]) => `${kind}: ${before.descriptors.get(kind) ?? 0} -> ${count}`).join(", ");
}

export interface FlatOptions {
  /** Name to process id, looked up before each measurement (a process may be another one by then). */
  readonly processes: () => Readonly<Record<string, number>>;
  /** Rounds before the first measurement: caches, pools and compiled code fill once. */
  readonly warmUp?: number;
  readonly rounds: number;
  readonly rssSlackKiB?: number;
  /** More descriptors of a kind that are no leak, such as sockets of a pool; below the number of rounds, or a leak of one a round goes unseen. */
  readonly spareDescriptors?: number;
  /** Inspectors of some of the processes: their living timers, sockets and signals are counted too, with the same spare. */
  readonly inside?: Readonly<Record<string, Inspector>>;
  readonly round: (index: number) => Promise<void>;
}

/** Runs the rounds and throws when a process holds more descriptors than after the warm-up, or grew beyond the slack. Returns the growth in KiB by process. */
export async function expectFlat(options: FlatOptions): Promise<Record<string, number>> {
  const { warmUp = 1, spareDescriptors = 0 } = options;
  if (spareDescriptors >= options.rounds) throw new Error(`${options.rounds} rounds show no leak of one descriptor a round when ${spareDescriptors} are spare`);
  for (let index = 0; index < warmUp; index += 1) await options.round(index);
  const before = new Map(Object.entries(options.processes()).map(([name, pid]) => [name, { pid, held: footprint(pid) }]));
  const alive = new Map<string, Alive>();
  for (const [name, inspector] of Object.entries(options.inside ?? {})) alive.set(name, await inspector.alive());
  for (let index = 0; index < options.rounds; index += 1) await options.round(warmUp + index);
  const growth: Record<string, number> = {};
  for (const [name, { pid, held }] of before) {
    if (options.processes()[name] !== pid) throw new Error(`${name} is another process than before: nothing can be said of its leaks`);
    await expectDescriptorsBack(name, pid, held, { spare: spareDescriptors });
    growth[name] = rssKiB(pid) - held.rssKiB;
    const slack = options.rssSlackKiB ?? rssSlackKiB;
    if (growth[name] > slack) throw new Error(`${name} grew by ${growth[name]} KiB in ${options.rounds} rounds, at most ${slack} KiB are explained`);
  }
  for (const [name, inspector] of Object.entries(options.inside ?? {})) await expectAliveBack(name, inspector, alive.get(name)!, spareDescriptors);
  return growth;
}

/** Waits until a process keeps no more timers, sockets and signals alive than before; throws with the counts. */
async function expectAliveBack(name: string, inspector: Inspector, before: Alive, spare: number): Promise<void> {
  const giveUpMs = performance.now() + settleMs;
  for (;;) {
    const { counts } = await inspector.alive();
    const grown = Object.entries(counts).filter(([kind, count]) => count > before.counts[kind as keyof Alive["counts"]] + spare);
    if (grown.length === 0) return;
    if (performance.now() > giveUpMs) throw new Error(`${name} keeps alive what it did not before: ${grown.map(([kind, count]) => `${kind}: ${before.counts[kind as keyof Alive["counts"]]} -> ${count}`).join(", ")}`);
  }
}

/** Waits until a process holds no more descriptors than `before` (and `spare` of each kind); throws with what stayed. */
export async function expectDescriptorsBack(name: string, pid: number, before: Footprint, options: { readonly waitMs?: number; readonly spare?: number } = {}): Promise<void> {
  const giveUpMs = performance.now() + (options.waitMs ?? settleMs);
  for (;;) {
    const grown = grownDescriptors(before, footprint(pid), options.spare);
    if (grown === "") return;
    if (performance.now() > giveUpMs) throw new Error(`${name} holds descriptors that it did not hold before: ${grown}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
