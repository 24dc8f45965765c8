// Sums over many runs: what was simulated, what became of the commands, where processes were killed. For people; the verdicts are the checker's.
import type { RunReport } from "./run.ts";

export class Tally {
  readonly #begunMs = performance.now();
  runs = 0;
  #commands = 0;
  #happened = 0;
  #simulatedMs = 0;
  #letters = 0;
  readonly #states = new Map<string, number>();
  readonly #kills = new Map<string, number>();

  add(report: RunReport): void {
    this.runs += 1;
    this.#commands += report.commands;
    this.#happened += report.happened;
    this.#simulatedMs += report.simulatedMs;
    this.#letters += report.letters;
    count(this.#states, report.states);
    count(this.#kills, report.kills);
  }

  text(): string {
    const hours = (this.#simulatedMs / 3_600_000).toFixed(1);
    const seconds = Math.round((performance.now() - this.#begunMs) / 1_000);
    return [
      `${this.runs} runs: ${hours} simulated hours, ${this.#happened} happenings, ${this.#letters} letters, in ${seconds} s`,
      `${this.#commands} commands: ${list(this.#states)}`,
      `killed at: ${list(this.#kills)}`,
    ].join("\n");
  }
}

function count(sums: Map<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, by] of Object.entries(more)) sums.set(name, (sums.get(name) ?? 0) + by);
}

function list(sums: ReadonlyMap<string, number>): string {
  return sums.size === 0 ? "none" : [...sums].sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, sum]) => `${name} ${sum}`).join(", ");
}
