// A .cpuprofile by self time: the functions that cost most, and the files. `node test/bench/profile-summary.ts FILE...`; `bench --profile` leaves the files in out/prof.
import { readFileSync } from "node:fs";

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const top = 30;

for (const file of process.argv.slice(2)) {
  const profile = JSON.parse(readFileSync(file, "utf8")) as Profile;
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const byFunction = new Map<string, number>();
  let busyUs = 0;
  let totalUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index] ?? 0;
    const { functionName, url, lineNumber } = nodes.get(id)!.callFrame;
    totalUs += us;
    if (functionName === "(idle)" || functionName === "(program)") continue;
    busyUs += us;
    const place = url.replace(/^.*\/(?=(?:shared|agent|relay|node_modules)\/)/, "").replace(/^node:/, "");
    const name = `${functionName === "" ? "(anonymous)" : functionName} ${place}:${lineNumber + 1}`;
    byFunction.set(name, (byFunction.get(name) ?? 0) + us);
  }
  process.stdout.write(`${file}: busy ${(busyUs / 1e6).toFixed(1)} s of ${(totalUs / 1e6).toFixed(1)} s\n`);
  const rows = [...byFunction].sort((left, right) => right[1] - left[1]).slice(0, top);
  for (const [name, us] of rows) process.stdout.write(`${((us / busyUs) * 100).toFixed(1).padStart(6)} %  ${name}\n`);
}
