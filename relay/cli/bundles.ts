// `collect` and `command bundle`: a support bundle of a site, as a file of JSON. What a site sent is opened within a bound, and its shape is looked at before any of
// it is spoken of. The file is new, and only its owner may read it: it holds what a site's programs wrote.
import { writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Command } from "commander";
import type { CommandView, SupportBundle } from "../../shared/api.ts";
import { parseDurationWithin } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { printable } from "../../shared/kit/shown.ts";
import { collectSinceMs } from "../../shared/rules/command-spec.ts";
import { orderOptions, submitOptions, WAIT_DEFAULT, type OrderOptions } from "./order-options.ts";
import type { WithRun } from "./people.ts";
import type { Run } from "./run.ts";
import { submit } from "./submit.ts";

/** Octets of an opened bundle. An agent packs 8 MiB at most. */
const bundleOctetsMax = 32 * 1_048_576;
const SECTIONS = ["nodes", "workloads", "pods", "events", "logs"] as const;

interface CollectOptions extends OrderOptions {
  readonly defer?: boolean;
  readonly namespace: string[];
  readonly since: number;
  readonly filename?: string;
}

export function addCollectCommand(program: Command, withRun: WithRun): void {
  orderOptions(program.command("collect").description("a support bundle of a site: nodes, events, what is not well and its logs, the agent itself"))
    .option("-n, --namespace <namespace...>", "of these only", [])
    .option("--since <duration>", "events of this time", parseDurationWithin(collectSinceMs.least, collectSinceMs.most), collectSinceMs.byDefault)
    .option("-f, --filename <file>", "where to (default bundle-SITE-ID.json)")
    .addHelpText("after", `\nIt waits for the bundle, ${WAIT_DEFAULT} unless --wait says otherwise; with --defer it does not, and \`bowline command bundle ID\` writes it later.\nNever in it: Secrets, data of ConfigMaps, values of environments. Logs and command lines are.\n\nExample:\n  bowline collect --site plant-07 -n shop -f plant-07.json\n`)
    .action((options: CollectOptions, command: Command) =>
      withRun(command, async (run) => {
        const { defer, filename, namespace, since } = options;
        const shared = submitOptions(defer === true ? options : { ...options, wait: options.wait ?? WAIT_DEFAULT });
        if (filename !== undefined && !("site" in shared.to)) throw new Fault("USAGE", { what: "one file cannot hold the bundles of several sites", why: "-f was given, and several sites may be meant", hint: "leave -f out: each site gets a file of its own" });
        await submit(run, { ...shared, spec: { kind: "collect", namespaces: namespace.flatMap((name) => name.split(",")), sinceMs: since }, onEnded: (view) => void (view.state === "succeeded" && writeBundle(run, view, filename ?? null)) });
      }),
    );
}

export async function fetchBundle(run: Run, id: string, file: string | null): Promise<void> {
  writeBundle(run, await run.client().get<CommandView>(`/commands/${encodeURIComponent(id)}`), file);
}

function writeBundle(run: Run, view: CommandView, named: string | null): void {
  const { id, site, outcome } = view;
  if (outcome?.bundle === undefined) throw new Fault("NOT_FOUND", { what: `there is no bundle of command ${id}`, why: `it is ${view.state}; a bundle comes with the end of a collect`, hint: `bowline command describe ${id}` });
  const bundle = openBundle(outcome.bundle, site);
  const file = named ?? `bundle-${site}-${id.slice(0, 8)}.json`;
  try {
    writeFileSync(file, `${JSON.stringify(bundle, null, 2)}\n`, { mode: 0o600, flag: named === null ? "wx" : "w" });
  } catch (error) {
    throw new Fault("FILE_INVALID", { what: `${file} cannot be written`, why: (error as NodeJS.ErrnoException).code === "EEXIST" ? "it is there already" : (error as Error).message, hint: `bowline command bundle ${id} -f FILE` });
  }
  run.terminal.say(`${printable(`${site}: ${file} holds ${SECTIONS.map((section) => `${bundle[section].length} ${section}`).join(", ")}`)}\n`);
  for (const [section, count] of Object.entries(bundle.leftOut)) run.terminal.say(`${printable(`  ${count} more ${section} did not fit`)}\n`);
  for (const problem of bundle.problems) run.terminal.say(`  ${printable(String(problem))}\n`);
}

function openBundle(text: string, site: string): SupportBundle {
  let bundle: unknown;
  try {
    bundle = JSON.parse(gunzipSync(Buffer.from(text, "base64"), { maxOutputLength: bundleOctetsMax }).toString("utf8"));
  } catch (error) {
    throw new Fault("FILE_INVALID", { what: `the bundle of ${site} cannot be opened`, why: (error as Error).message, hint: "relay and agent may be of versions too far apart: bowline site describe NAME shows the agent's" });
  }
  const { kind, leftOut, problems, ...sections } = (bundle ?? {}) as Partial<SupportBundle>;
  const isKnown = kind === "SupportBundle" && typeof leftOut === "object" && leftOut !== null && Array.isArray(problems) && SECTIONS.every((section) => Array.isArray(sections[section]));
  if (!isKnown) throw new Fault("FILE_INVALID", { what: `the bundle of ${site} cannot be read`, why: "it is not of the documented form", hint: "relay and agent may be of versions too far apart: bowline site describe NAME shows the agent's" });
  return bundle as SupportBundle;
}
