// The demo as a new user meets it: the real `npm run demo`, every command that it prints run as it is printed, a cut cable with orders that wait for it, a cluster of
// one's own, and nothing left behind at the end. With kubectl and, for machines that have none, without.
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { startKubesim, type Kubesim } from "../kit/kubesim/kubesim.ts";
import { ask, list, type Listed, type RelayAt } from "./kube-rest.ts";
import { root, Started, until, type Finished } from "./place.ts";

/** A start under load; CI runs the rings on two shared cores. */
const startMs = 100_000;
const commandMs = 60_000;
const base = mkdtempSync(join(tmpdir(), "bowline-demo-"));
const kubectl = findProgram("kubectl");
const demos: Demo[] = [];

afterAll(async () => {
  for (const { npm } of demos) if (!npm.hasEnded) process.kill(-npm.child.pid!, "SIGTERM");
  await Promise.all(demos.map(({ npm }) => npm.ended));
  rmSync(base, { recursive: true, force: true });
});

interface Step {
  readonly command: string;
  readonly remark: string;
}

/** One `npm run demo` in its own process group, so that a Ctrl-C can be sent as a terminal does: to all of it. */
class Demo {
  readonly state: string;
  readonly env: Record<string, string>;
  readonly npm: Started;

  constructor(name: string, flags: readonly string[] = [], env: Record<string, string> = {}) {
    this.state = join(base, name, "demo");
    mkdirSync(join(base, name), { recursive: true });
    this.env = { BOWLINE_DEMO_STATE: this.state, ...env };
    this.npm = new Started(["npm", "run", "demo", "--", ...flags], { command: "/usr/bin/env", env: this.env, cwd: root, isDetached: true });
    demos.push(this);
  }

  /** The commands of the guide, in order. */
  async steps(): Promise<readonly Step[]> {
    await this.npm.said(/^ {2}bowline --help$/m, startMs);
    return [...this.npm.out.matchAll(/^ {2}((?:source|bowline|kubectl) .*?)(?: {2,}# (.*))?$/gm)].map(([, command, remark]) => ({ command: command!, remark: remark ?? "" }));
  }

  /** Runs a line as a second terminal would: after the guide's first one, in the clone's folder. */
  async type(line: string): Promise<Finished> {
    const source = (await this.steps())[0]!.command;
    const shell = new Started(["-c", `${source}\n${line}`], { command: "bash", env: this.env, cwd: root });
    const code = await Promise.race([shell.ended, until(`"${line}" ends`, () => shell.hasEnded, commandMs).then(() => shell.ended)]);
    return { code, out: shell.out, err: shell.err };
  }

  async pids(): Promise<number[]> {
    const { out } = await this.type("bowline demo status");
    return [...out.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
  }

  get relay(): RelayAt {
    return { relayData: join(this.state, "relay"), relayUrl: readFileSync(join(this.state, "relay", "address"), "utf8").trim(), env: { BOWLINE_CONFIG: join(this.state, "cli", "config.json") } };
  }

  async interrupt(): Promise<void> {
    process.kill(-this.npm.child.pid!, "SIGINT");
    await this.npm.ended;
  }
}

function findProgram(name: string): string | null {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // not there
    }
  }
  return null;
}

/** A PATH on which there is all that the guide's commands need, and no kubectl. */
function pathWithoutKubectl(): string {
  const dir = join(base, "path");
  mkdirSync(dir);
  for (const name of ["bash", "sh", "env", "node", "npm", "npx", "head", "xargs", "tar"]) {
    const found = findProgram(name);
    if (found !== null) symlinkSync(realpathSync(found), join(dir, name));
  }
  return dir;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function expectNothingLeft(demo: Demo, pids: readonly number[], port: number): Promise<void> {
  expect(pids.length).toBeGreaterThanOrEqual(5); // the demo, the relay, three agents: the check below looked at something
  expect(pids.filter(isAlive)).toEqual([]);
  expect(existsSync(demo.state)).toBe(false);
  expect(readdirSync(join(demo.state, ".."))).toEqual([]);
  return new Promise((resolve, reject) => {
    connect(port, "127.0.0.1")
      .once("connect", () => reject(new Error(`port ${port} is still served`)))
      .once("error", () => resolve());
  });
}

/** What each command of the guide must say; a command without a row fails the test. A string is a further check of its own. */
const EXPECTED: readonly (readonly [start: string, ...words: RegExp[]])[] = [
  ["bowline site ls", /^plant-07 +online/m, /^ship-3 +online/m, /^shop-112 +online/m],
  ["bowline site describe ship-3", /bridge\/Deployment\/engine-monitor: 0 of 1 ready/],
  ["kubectl --context ship-3 -n bridge get pods", /^charts-\S+ +1\/1 +Running/m, /^engine-monitor-/m],
  ["kubectl --context ship-3 -n bridge logs deploy/engine-monitor", /no answer from engine 2/],
  ["kubectl --context plant-07 -n line exec deploy/press -- env", /^FORCE=412$/m],
  ["bowline job run hello --site plant-07", /succeeded/],
  ["bowline demo cut ship-3", /^ship-3 is cut: /m],
  ["bowline apply -f test/demo/weather.yaml --site ship-3", / queued +\d+s +the site is offline/],
  ["bowline job run backup --site ship-3", / queued +\d+s +the site is offline/],
  ["bowline demo heal ship-3", /^ship-3 is back after \d+s; the 2 orders that waited are on their way$/m],
  ["bowline command ls -o name | head -n 1 | xargs bowline command describe", /^Asked by: .+\(relay clock\)$/m, /^Started: .+\(site clock\)$/m, /^Ended: .+\(site clock\), known here 20/m, /^State: +succeeded$/m],
  ["kubectl --context ship-3 get deployments,jobs -A", /deployment.apps\/weather +1\/1/, /job.batch\/backup-\S+ +Complete/],
  ["bowline demo slow shop-112", /^shop-112 is slow: 800 ms and 64 KiB\/s each way$/m],
  ["bowline demo status", /^ship-3 +whole/m, /^shop-112 +slow, 800 ms/m],
  ["bowline --help", /Usage: bowline/],
];
const OFFLINE = /ship-3 is offline[\s\S]+SITE_OFFLINE/;

async function follow(demo: Demo): Promise<void> {
  const [source, ...steps] = await demo.steps();
  expect(source!.command).toMatch(/^source \S+\/env$/);
  expect(steps.length).toBeGreaterThanOrEqual(15);
  let listed = 0;
  for (const { command, remark } of steps) {
    if (command.includes("kubectl --kubeconfig")) continue; // the step of one's own cluster has its own test
    const isRefused = /says why not|refused/.test(remark);
    if (command === "bowline command ls") {
      // Before the healing both wait; after it they end, each in its own time.
      await (listed++ === 0 ? expectCommands(demo, "queued") : until("both orders end", () => expectCommands(demo, "succeeded").then(() => true, () => null)));
      continue;
    }
    const done = await demo.type(command);
    const said = `$ ${command}\n${done.out}${done.err}[exit ${done.code}]`;
    expect(done.code === 0, said).toBe(!isRefused);
    const words = isRefused ? [OFFLINE] : EXPECTED.find(([start]) => command.startsWith(start))?.slice(1);
    expect(words, `${command} has no row of what it must say`).toBeDefined();
    for (const word of words!) expect(said).toMatch(word);
  }
}

async function expectCommands(demo: Demo, state: string): Promise<void> {
  const { code, out } = await demo.type("bowline command ls");
  expect([code, out.match(new RegExp(` ship-3 +.+ ${state} `, "g"))?.length], out).toEqual([0, 2]);
}

/** Read through the relay: the objects are there, and the job ran once. */
async function expectEffects({ relay }: Demo): Promise<void> {
  const deployments = await list(relay, "ship-3", "/apis/apps/v1/namespaces/bridge/deployments");
  expect(deployments.items.map(({ metadata }) => metadata.name)).toContain("weather");
  const isBackup = ({ metadata }: Listed["items"][number]): boolean => metadata.name.startsWith("backup-");
  const jobs = await list(relay, "ship-3", "/apis/batch/v1/namespaces/default/jobs");
  const pods = await list(relay, "ship-3", "/api/v1/namespaces/default/pods");
  expect([jobs.items.filter(isBackup).length, pods.items.filter(isBackup).map(({ status }) => status?.phase)]).toEqual([1, ["Succeeded"]]);
  const { body } = await ask(relay, "GET", "/api/v1/commands?site=ship-3");
  const { items } = body as { items: { state: string; asked: string; ended: string; startedAtSite: string; endedAtSite: string }[] };
  expect(items.map(({ state }) => state)).toEqual(["succeeded", "succeeded"]);
  for (const item of items) for (const time of [item.asked, item.startedAtSite, item.endedAtSite, item.ended]) expect(Date.parse(time)).toBeGreaterThan(Date.now() - 600_000);
}

/** A cluster that forbids what operators ask for until their roles are there, as a real one does. */
async function strictCluster(): Promise<Kubesim> {
  const strict: { sim?: Kubesim } = {};
  const isForbidden = (groups: readonly string[]): boolean => groups.includes("bowline:admin") && strict.sim?.find("ClusterRoleBinding", undefined, "bowline:admin") === null;
  strict.sim = await startKubesim({ settings: { authorize: (user, { resource }) => (resource !== "" && isForbidden(user.groups) ? "" : null) } });
  return strict.sim;
}

if (kubectl === null) console.warn("SKIPPED: the guide with kubectl, and a cluster of one's own: there is no kubectl on PATH");

describe.skipIf(kubectl === null)("with kubectl", () => {
  test("every printed command works as printed, one's own cluster too, and Ctrl-C leaves nothing behind", { timeout: 600_000 }, async () => {
    const own = await strictCluster();
    const file = join(base, "own cluster.yaml");
    writeFileSync(file, own.kubeconfig());
    const demo = new Demo("with", ["--kubeconfig", file]);
    const step = (await demo.steps()).find(({ command }) => command.includes("agent manifest"));
    expect(demo.npm.out).toMatch(/^kubesim, your own cluster, does not know Bowline's roles yet/m);
    expect(own.find("ClusterRole", undefined, "bowline:admin")).toBeNull(); // nothing was changed unasked
    expect((await demo.type("kubectl --context kubesim get namespaces")).err).toContain("forbidden");
    expect((await demo.type(step!.command)).code).toBe(0);
    expect((await demo.type("kubectl --context kubesim get namespaces")).out).toContain("kube-system");

    await follow(demo);
    await expectEffects(demo);

    const pids = await demo.pids();
    const port = Number(new URL(demo.relay.relayUrl).port);
    await demo.interrupt();
    expect(demo.npm.err).toContain("demo: ended, nothing is left");
    await expectNothingLeft(demo, pids, port);
    await own.stop();
  });
});

describe("without kubectl", () => {
  const env = { PATH: pathWithoutKubectl() };

  test("every printed command works as printed, and SIGTERM leaves nothing behind", { timeout: 600_000 }, async () => {
    const demo = new Demo("without", [], env);
    expect((await demo.steps()).filter(({ command }) => command.includes("kubectl"))).toEqual([]);
    await follow(demo);
    await expectEffects(demo);
    const pids = await demo.pids();
    const port = Number(new URL(demo.relay.relayUrl).port);
    await demo.npm.stop(); // to npm alone, as a supervisor does
    expect(demo.npm.err).toContain("demo: ended, nothing is left");
    await expectNothingLeft(demo, pids, port);
  });
});

describe("what goes wrong", () => {
  const fault = (done: Finished, code: string, ...words: RegExp[]): void => {
    expect(done.err).toMatch(/^error: .+\n {2}why {4}.+/m);
    expect(done.err).toContain(`  code   ${code} (exit ${done.code})`);
    expect(done.code).toBeGreaterThan(0);
    for (const word of words) expect(done.err).toMatch(word);
  };
  const bowline = async (state: string, ...args: string[]): Promise<Finished> => {
    const started = new Started([join(root, "bin", "bowline.mjs"), "demo", "--state", state, ...args]);
    return { code: await started.ended, out: started.out, err: started.err };
  };

  test("no demo, a strange folder, a port in use and a bad kubeconfig are each told in four parts", async () => {
    const none = join(base, "none");
    fault(await bowline(none, "cut", "ship-3"), "NOT_FOUND", /npm run demo/);
    fault(await bowline(none, "cut"), "USAGE", /needs a site/);
    fault(await bowline(none, "fly"), "USAGE", /cut, heal, slow, status and stop/);
    const strange = join(base, "strange");
    mkdirSync(strange);
    writeFileSync(join(strange, "thesis.txt"), "mine");
    fault(await bowline(strange), "FILE_INVALID", /left alone/, /--state/);
    expect(readdirSync(strange)).toEqual(["thesis.txt"]);
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    fault(await bowline(none, "--port", String(port)), "PORT_IN_USE", new RegExp(String(port)));
    server.close();
    fault(await bowline(none, "--kubeconfig", join(base, "nowhere.yaml")), "FILE_MISSING", /nowhere\.yaml/);
    expect(existsSync(none)).toBe(false);
    expect((await bowline(none, "--help")).out).toContain("npx bowline demo heal SITE");
  });

  test("an agent that is killed is started again; a demo that is killed takes its processes along and the next one starts", { timeout: 600_000 }, async () => {
    const demo = new Demo("killed");
    const [own, relay, agent, ...more] = await demo.pids();
    fault(await bowline(demo.state), "CONFLICT", new RegExp(`process ${own}`), /demo stop/);
    fault(await bowline(demo.state, "heal", "atlantis"), "SITE_UNKNOWN", /plant-07, shop-112, ship-3/);
    const back = (): Promise<unknown> => until("plant-07 is back", async () => (await demo.type("bowline site ls")).out.match(/^plant-07 +online/m));
    process.kill(agent!, "SIGKILL");
    await demo.npm.said(/the agent of plant-07 ended \(SIGKILL\); starting it again/);
    await back();
    const again = (await demo.pids())[2]!;
    expect(again).not.toBe(agent);
    const relayLog = (): string => readFileSync(join(demo.state, "logs", "relay.log"), "utf8");
    expect(relayLog()).not.toContain("the agent is shutting down");
    process.kill(again, "SIGTERM"); // an agent that is asked to stop says so before its link ends
    await until("the relay heard it", () => /"code":"DRAINING","why":"the agent is shutting down.+"saidBy":"peer"/.test(relayLog()));
    await demo.npm.said(/the agent of plant-07 ended \(exit code 0\); starting it again/);
    await back();
    const last = (await demo.pids())[2]!;

    process.kill(own!, "SIGKILL");
    await until("its processes are gone", () => ![own!, relay!, last, ...more].some(isAlive));
    await demo.npm.ended;
    expect(existsSync(demo.state)).toBe(true);
    const next = new Demo("killed");
    expect((await next.steps()).length).toBeGreaterThan(10);
    const pids = await next.pids();
    const port = Number(new URL(next.relay.relayUrl).port);
    const stopped = await bowline(next.state, "stop");
    expect([stopped.code, stopped.out]).toEqual([0, "the demo has ended\n"]);
    expect(await next.npm.ended).toBe(0);
    await expectNothingLeft(next, pids, port);
  });
});
