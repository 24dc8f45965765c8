// Rounds of one measurement, subjects taking turns, and what is said of them: median with the least and the greatest. A ratio is taken within a round, where both
// sides met the same machine, and its median over the rounds is what a goal is judged by.
import { shown } from "./report.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((left, right) => left - right);
  if (sorted.length === 0) return { median: Number.NaN, min: Number.NaN, max: Number.NaN };
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** `3.41 (3.2-3.6)`. */
export function spreadText(values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return values.length < 2 || Number.isNaN(median) ? shown(median) : `${shown(median)} (${shown(min)}-${shown(max)})`;
}

/** Each subject once a round; every second round in reverse, so that a machine that grows slower favours nobody. */
export async function takeTurns<Subject extends { readonly name: string }, Result>(subjects: readonly Subject[], rounds: number, run: (subject: Subject, round: number) => Promise<Result>): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>(subjects.map((subject) => [subject.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? subjects : [...subjects].reverse();
    for (const subject of order) results.get(subject.name)!.push(await run(subject, round));
  }
  return results;
}

/** One number of every round of a subject. */
export function column<Result>(results: ReadonlyMap<string, readonly Result[]>, name: string, of: (result: Result) => number): number[] {
  return (results.get(name) ?? []).map(of);
}

/** `left` to `right`, round by round. */
export function ratios(left: readonly number[], right: readonly number[]): number[] {
  return left.map((value, index) => value / right[index]!);
}
