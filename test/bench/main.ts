// `npm run bench -- [NAME...] [--quick] [--profile]`: runs the named benches (all by default), each with its control in the same run.
import { back } from "./back.ts";
import { bulk } from "./bulk.ts";
import { dead } from "./dead.ts";
import { fair } from "./fair.ts";
import { buildGo } from "./ground.ts";
import { hop } from "./hop.ts";
import { idle } from "./idle.ts";
import { list } from "./list.ts";
import { queue } from "./queue.ts";
import { raw } from "./raw.ts";
import { replay } from "./replay.ts";
import { stall } from "./stall.ts";
import { stormBench } from "./storm.ts";
import { wan } from "./wan.ts";

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly profile: boolean;
}

type Bench = (options: BenchOptions) => Promise<void>;

const BENCHES: Readonly<Record<string, Bench>> = { hop, bulk, fair, stall, wan, dead, idle, back, storm: stormBench, raw, list, queue, replay };
/** One line of wan alone, by its name. */
const PARTS: Readonly<Record<string, Bench>> = {
  wan60: (options) => wan(options, ["wan60"]),
  wan600: (options) => wan(options, ["wan600"]),
  wan64k: (options) => wan(options, ["wan64k"]),
};
const ALL = { ...BENCHES, ...PARTS };

const words = process.argv.slice(2);
const names = words.filter((word) => !word.startsWith("--"));
const unknown = names.find((name) => !Object.hasOwn(ALL, name));
if (unknown !== undefined) {
  process.stderr.write(`there is no bench "${unknown}"; there are ${Object.keys(ALL).join(", ")}\n`);
  process.exitCode = 2;
} else if (!buildGo()) {
  process.stderr.write("SKIPPED: the benches need Go for their load and origin programs, and there is none here\n");
} else {
  const options = { isQuick: words.includes("--quick"), profile: words.includes("--profile") };
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) await ALL[name]!(options);
}
