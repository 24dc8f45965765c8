// Runs a program of this project under the Node it is tested on, whatever Node the machine has: fetches a private Node 24
// from the package registry (checked against the digests below) and the project's packages when the lockfile changed.
// Depends on nothing but an old Node (>= 18), npm and tar. Called by bin/bowline.mjs, the npm scripts and .ci/run.
//
//   node bin/launch.mjs [--version] PROGRAM [ARGS...]    PROGRAM is a .ts/.mjs file or a tool in node_modules/.bin
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import module from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NODE_VERSION = "24.21.0"; // the LTS line that we ship and test on
const NODE_FLOOR = [22, 21]; // type stripping without a flag, http keep-alive fixes; below it nothing is imported
const NODE_MAJOR_SHIPPED = 24;
// Digests of the npm packages node-<platform>@NODE_VERSION, so that what is run is what was reviewed.
const NODE_DIGESTS = {
  "linux-x64": "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  "linux-arm64": "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
};
/** A cold install takes half a minute; a slow line some minutes. */
const lockWaitMs = 10 * 60_000;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const privateRoot = join(root, ".node");

/** Compiled modules are kept, for every process and thread from here on: types are stripped once and not at each start, which is most of what a start costs. */
process.env.NODE_COMPILE_CACHE ??= join(privateRoot, "compiled");
module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE); // an older Node has none, and only launches the right one

class LaunchError extends Error {}

function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
}

/** Path of a Node that may run the project: this one when it is the shipped line, else the private one (fetched if absent). */
export function ensureNode() {
  if (Number(process.versions.node.split(".")[0]) === NODE_MAJOR_SHIPPED && isSupported(process.versions.node)) return process.execPath;
  const binary = join(privateRoot, `node-v${NODE_VERSION}`, "bin", "node");
  if (existsSync(binary)) return binary;
  const platform = `${process.platform}-${process.arch}`;
  const digest = NODE_DIGESTS[platform];
  if (!digest) {
    if (isSupported(process.versions.node)) return process.execPath;
    throw new LaunchError(
      `Node ${process.versions.node} is too old for Bowline and there is no private Node for ${platform}.\n` +
        `  try    install Node ${NODE_MAJOR_SHIPPED} LTS and run the command again`,
    );
  }
  alone(() => {
    if (existsSync(binary)) return; // another process fetched it while this one waited
    console.error(`bowline: fetching a private Node ${NODE_VERSION} (this machine has ${process.versions.node}) ...`);
    fetchNode(platform, digest, binary);
  });
  return binary;
}

function fetchNode(platform, digest, binary) {
  mkdirSync(privateRoot, { recursive: true });
  const work = mkdtempSync(join(privateRoot, "fetch-"));
  try {
    run("npm", ["pack", `node-${platform}@${NODE_VERSION}`, "--silent", "--pack-destination", work], { cwd: work });
    const archive = join(work, `node-${platform}-${NODE_VERSION}.tgz`);
    const actual = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
    if (actual !== digest) throw new LaunchError(`the package node-${platform}@${NODE_VERSION} has the digest ${actual}, expected ${digest}`);
    run("tar", ["-xzf", archive, "-C", work, "package/bin/node", "package/LICENSE"]);
    const home = dirname(dirname(binary));
    rmSync(home, { recursive: true, force: true });
    renameSync(join(work, "package"), home); // the rename is the commit: a cut download leaves no half a Node behind
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Installs the project's packages when they are missing or the lockfile is not the one they were installed from. */
export function ensurePackages(node) {
  const lockfile = join(root, "package-lock.json");
  if (!existsSync(lockfile)) return; // an installed bundle carries its packages inside
  const wanted = createHash("sha256").update(readFileSync(lockfile)).digest("hex");
  const stamp = join(root, "node_modules", ".bowline-lock");
  const isInstalled = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (isInstalled()) return;
  alone(() => {
    if (isInstalled()) return;
    console.error("bowline: installing packages (npm ci) ...");
    run("npm", ["ci", "--no-progress", "--loglevel=error"], { cwd: root, env: withNodeFirst(node) });
    writeFileSync(stamp, wanted);
  });
}

/** Two commands started at once must not install over each other: one works, the others wait for it. A dead holder's lock is taken over. */
function alone(work) {
  mkdirSync(privateRoot, { recursive: true });
  const lock = join(privateRoot, "lock");
  const giveUpAt = Date.now() + lockWaitMs;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw new LaunchError(`${lock} cannot be written: ${error.message}`);
    }
    if (isLeftOver(lock)) rmSync(lock, { force: true });
    else if (Date.now() > giveUpAt) throw new LaunchError(`another process has been installing for ${lockWaitMs / 60_000} minutes\n  try    rm ${lock}`);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isLeftOver(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function withNodeFirst(node) {
  return { ...process.env, PATH: `${dirname(node)}:${process.env.PATH ?? ""}` };
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
  if (done.error) throw new LaunchError(`${command} could not be started: ${done.error.message}\n  try    install ${command} and run the command again`);
  if (done.status !== 0) throw new LaunchError(`${command} ${args[0]} failed with exit code ${done.status ?? done.signal}\n  try    check that the package registry can be reached, then run the command again`);
}

/** Runs `program` under the right Node in this process' place: same terminal, same signals, same exit code. */
export function launch(program, args) {
  const node = ensureNode();
  ensurePackages(node);
  const tool = join(root, "node_modules", ".bin", program);
  const file = !program.includes("/") && !program.endsWith(".ts") && existsSync(tool) ? realpathSync(tool) : resolve(program);
  const child = spawn(node, [file, ...args], { stdio: "inherit", env: withNodeFirst(node) });
  // The terminal sends Ctrl-C to the child as well; a supervisor sends SIGTERM to us alone, so that one is passed on.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
  child.on("error", (error) => fail(new LaunchError(error.message)));
  child.on("exit", (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exitCode = code ?? 1;
  });
}

export function fail(error) {
  if (!(error instanceof LaunchError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  try {
    if (process.argv.length < 3) throw new LaunchError("usage: node bin/launch.mjs PROGRAM [ARGS...]");
    launch(process.argv[2], process.argv.slice(3));
  } catch (error) {
    fail(error);
  }
}
