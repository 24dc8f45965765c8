// What the demo prints when it is up: every line that begins with a command works as it is printed, pasted into another terminal in the clone's folder. Pure; the
// test runs each of them.
import { relative } from "node:path";

export interface OwnCluster {
  readonly name: string;
  readonly kubeconfig: string;
  /** Does the cluster know the roles that operators act in? */
  readonly roles: "there" | "missing" | "unknown";
}

export interface GuideFacts {
  readonly dir: string;
  readonly tookMs: number;
  readonly sites: readonly { readonly name: string; readonly about: string }[];
  readonly own: OwnCluster | null;
}

export interface GuideOptions {
  /** The clone's folder. */
  readonly root: string;
  readonly hasKubectl: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

type Step = readonly [command: string, remark?: string];

/** Remarks stand in one column where the command leaves room for it. */
const remarkColumn = 53;

export function guide(facts: GuideFacts, options: GuideOptions): string {
  const { bold } = options;
  const width = Math.max(...facts.sites.map(({ name }) => name.length));
  const sites = facts.sites.map(({ name, about }) => `  ${name.padEnd(width)}   ${about}\n`).join("");
  const kube = (command: Step, without: Step): Step => (options.hasKubectl ? command : without);
  return [
    `${bold(`A relay and ${facts.sites.length} sites are up, on this machine only`)} (${(facts.tookMs / 1000).toFixed(1)} s). Ctrl-C here ends them and leaves nothing behind.\n\n${sites}`,
    section("Open another terminal in this folder", [[`source ${shellWord(nearPath(options.root, facts.dir))}/env`, "bowline and kubectl speak to the demo"]], options),
    ...ownSection(facts.own, options),
    section("1  Look around", options.hasKubectl ? lookKubectl : lookBowline, options),
    section("2  Cut the ship's cable, and leave it two orders", [
      ["bowline demo cut ship-3"],
      kube(["kubectl --context ship-3 -n bridge get pods", "waits 5 s for its return, then says why not"], ["bowline job run now --site ship-3 --image busybox --live", "refused, with the reason"]),
      ["bowline apply -f test/demo/weather.yaml --site ship-3", "taken: it waits for the ship"],
      ["bowline job run backup --site ship-3 --image busybox -- echo saved"],
      ["bowline command ls"],
    ], options),
    section("3  Put it back: both orders run, each once", [
      ["bowline demo heal ship-3"],
      ["bowline command ls"],
      ["bowline command ls -o name | head -n 1 | xargs bowline command describe", "by both clocks"],
      kube(["kubectl --context ship-3 get deployments,jobs -A"], ["bowline site describe ship-3"]),
    ], options),
    section("More", [["bowline demo slow shop-112", "a satellite hop; heal makes it fast again"], ["bowline demo status", "who runs where"], ["bowline --help"]], options),
  ].join("\n");
}

const lookKubectl: readonly Step[] = [
  ["bowline site ls"],
  ["bowline site describe ship-3", "what is not well aboard"],
  ["kubectl --context ship-3 -n bridge get pods", "plain kubectl; no port is open at the site"],
  ["kubectl --context ship-3 -n bridge logs deploy/engine-monitor"],
  ["kubectl --context plant-07 -n line exec deploy/press -- env"],
];

const lookBowline: readonly Step[] = [
  ["bowline site ls"],
  ["bowline site describe ship-3", "what is not well aboard"],
  ["bowline job run hello --site plant-07 --image busybox --wait -- echo hello"],
];

function ownSection(own: OwnCluster | null, options: GuideOptions): string[] {
  if (own === null || own.roles === "there") return [];
  const title = own.roles === "missing" ? `${own.name}, your own cluster, does not know Bowline's roles yet` : `${own.name}, your own cluster, does not answer; when it does, it needs Bowline's roles`;
  const manifest = "bowline agent manifest --rbac-only";
  const step: Step = options.hasKubectl ? [`${manifest} | kubectl --kubeconfig ${shellWord(own.kubeconfig)} apply -f -`] : [manifest, "apply this there, with a tool of yours"];
  return [section(`${title} (the demo changes nothing there by itself; the roles stay when it ends)`, [step], options)];
}

function section(title: string, steps: readonly Step[], { bold, dim }: GuideOptions): string {
  const line = ([command, remark]: Step): string => (remark === undefined ? `  ${command}\n` : `  ${command.padEnd(remarkColumn)}  ${dim(`# ${remark}`)}\n`);
  return `${bold(`${title}:`)}\n${steps.map(line).join("")}`;
}

function nearPath(root: string, dir: string): string {
  const near = relative(root, dir);
  return near.startsWith("..") ? dir : near;
}

/** A word for a shell, quoted where it must be. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
