// What a bench prints: tables with the control beside the product, one line per goal, and the same as JSON. Never an assertion: a goal that is missed is said, and
// the machine's load stands beside it.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { root } from "../e2e/place.ts";

export interface Goal {
  /** `hop.rps16`. */
  readonly name: string;
  readonly sign: ">=" | "<=";
  readonly bound: number;
  readonly value: number;
  /** A first step is named as one; the goal behind it belongs to later work. */
  readonly step?: boolean;
}

export class Report {
  readonly #name: string;
  readonly #rows: unknown[] = [];
  readonly #goals: Goal[] = [];
  readonly #said: string[] = [];
  readonly #begin = { at: new Date(), load: loadavg()[0]! };

  constructor(name: string) {
    this.#name = name;
    const [one] = cpus();
    process.stdout.write(`\n## ${name}   Node ${process.versions.node}, ${cpus().length} x ${one?.model ?? "?"}, load ${this.#begin.load.toFixed(2)}\n`);
  }

  table(columns: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const texts = [columns, ...rows.map((row) => row.map((cell) => (typeof cell === "number" ? shown(cell) : cell)))];
    const widths = columns.map((_column, index) => Math.max(...texts.map((row) => String(row[index]).length)));
    for (const row of texts) process.stdout.write(`${row.map((cell, index) => (index === 0 ? String(cell).padEnd(widths[index]!) : String(cell).padStart(widths[index]!))).join("  ")}\n`);
    process.stdout.write("\n");
    this.#rows.push({ columns, rows });
  }

  goal(goal: Goal): void {
    const isMet = goal.sign === ">=" ? goal.value >= goal.bound : goal.value <= goal.bound;
    process.stdout.write(`${goal.step === true ? "step" : "goal"} ${goal.name} ${goal.sign} ${goal.bound}: ${shown(goal.value)} ${isMet ? "met" : "missed"}\n`);
    this.#goals.push(goal);
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
    this.#said.push(text);
  }

  write(): void {
    const dir = join(root, "test", "bench", "out");
    mkdirSync(dir, { recursive: true });
    const load = { begin: this.#begin.load, end: loadavg()[0]! };
    const seconds = Math.round((Date.now() - this.#begin.at.getTime()) / 1000);
    process.stdout.write(`${this.#name} took ${seconds} s; load average ${load.begin.toFixed(2)} at its begin, ${load.end.toFixed(2)} at its end (the bench itself included)\n`);
    writeFileSync(join(dir, `${this.#name}.json`), `${JSON.stringify({ name: this.#name, at: this.#begin.at.toISOString(), seconds, node: process.versions.node, cpu: cpus()[0]?.model, cores: cpus().length, load, tables: this.#rows, said: this.#said, goals: this.#goals }, null, 2)}\n`);
  }
}

export function shown(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
