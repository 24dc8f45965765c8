// `relay doctor`: one line per check of this relay's folder, disk, keys, database, certificate and port, and at the end which is the problem. Looks only: nothing is made,
// renewed or migrated, and a running relay's database is not opened. Whatever fails says what to try.
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { closeSync, existsSync, openSync, readSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { certificateEndMs } from "../shared/kit/certificates.ts";
import type { HostPort } from "../shared/kit/config.ts";
import { dial, noProxySettings } from "../shared/kit/dial.ts";
import { asFault, type Fault } from "../shared/kit/errors.ts";
import { fileFault } from "../shared/kit/files.ts";
import { readSecretFile } from "../shared/kit/keys.ts";
import { isOwnTlsDue, readTls, type RelayTls, type TlsSettings } from "./setup.ts";
import { applicationId, migrations } from "./store/schema.ts";

export interface Check {
  readonly name: string;
  readonly isOk: boolean;
  readonly said: string;
  /** What to try, when it is not ok. */
  readonly hint: string;
}

export interface Looked {
  /** The data folder. */
  readonly dir: string;
  readonly listen: HostPort;
  readonly tls: TlsSettings;
  /** Names that the relay's own certificate is to have. */
  readonly names: readonly string[];
  readonly nowMs: number;
}

/** Less free disk (MiB) than this holds for days of orders at most. */
const lowDiskMiB = 256;
/** A certificate that ends within this time (days) is a problem now: people need time to get another. */
const certificateDaysMin = 14;
const dialMs = 5_000;
/** SQLite's file format: 16 octets of magic at 0, user_version (u32be) at 60, application id (u32be) at 68, in a header of 100. */
const DATABASE = { magic: "SQLite format 3\0", versionAt: 60, applicationAt: 68, headerBytes: 100 } as const;

const good = (name: string, said: string): Check => ({ name, isOk: true, said, hint: "" });
const bad = (name: string, said: string, hint: string): Check => ({ name, isOk: false, said, hint });
const broken = (name: string, { message, why, hint }: Fault): Check => bad(name, `${message}: ${why}`, hint);

export async function checkRelay(looked: Looked): Promise<Check[]> {
  const { dir, nowMs } = looked;
  const init = `bowline relay init --data ${dir}`;
  if (!existsSync(join(dir, "identity.key"))) {
    const isLost = existsSync(join(dir, "relay.db"));
    return [bad("folder", isLost ? `${dir} has a database and no keys` : `${dir} was not set up`, isLost ? "restore the whole folder from one backup" : init), await checkPort(looked.listen, null)];
  }
  const checks = [good("folder", dir), checkDisk(dir), checkKeys(dir), checkDatabase(join(dir, "relay.db"))];
  let tls: RelayTls | null = null;
  try {
    tls = readTls(dir, looked.tls);
    checks.push(checkCertificate(tls, isOwnTlsDue(dir, looked.tls, looked.names, nowMs), nowMs));
  } catch (error) {
    const fault = asFault(error);
    checks.push(fault.code === "FILE_MISSING" && looked.tls.tlsCert === "" ? bad("certificate", `${fault.message}: ${fault.why}`, init) : broken("certificate", fault));
  }
  return [...checks, await checkPort(looked.listen, tls)];
}

function checkDisk(dir: string): Check {
  const { bavail, bsize } = statfsSync(dir);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  const said = `${freeMiB} MiB free for ${dir}`;
  return freeMiB >= lowDiskMiB ? good("disk", said) : bad("disk", said, `free space on the disk that holds ${dir}: less than ${lowDiskMiB} MiB fills up with orders and reports`);
}

function checkKeys(dir: string): Check {
  try {
    readSecretFile(join(dir, "identity.key"));
    return good("keys", "there, and readable by their owner only");
  } catch (error) {
    return broken("keys", asFault(error));
  }
}

/** By the head of its file: opening it would migrate it, or take it from a relay that runs. */
function checkDatabase(file: string): Check {
  const restore = "restore the whole folder from one backup";
  try {
    if (!existsSync(file)) return bad("database", `${file} is gone`, restore);
    // What was written last is in the file beside it, and the head may not know of it yet.
    if (existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) return good("database", "a relay runs on it, or was not stopped cleanly; then the next start mends it");
    const head = Buffer.alloc(DATABASE.headerBytes);
    const handle = openSync(file, "r");
    try {
      if (readSync(handle, head, 0, head.length, 0) < head.length || head.toString("latin1", 0, DATABASE.magic.length) !== DATABASE.magic) return bad("database", `${file} is damaged, or no database`, restore);
    } finally {
      closeSync(handle);
    }
    if (head.readUInt32BE(DATABASE.applicationAt) !== applicationId) return bad("database", `${file} is another program's`, restore);
    const version = head.readUInt32BE(DATABASE.versionAt);
    if (version > migrations.length) return bad("database", `${file} was written by a newer version (${version}, this one knows ${migrations.length})`, "run the version that wrote it, or a newer one");
    return good("database", version < migrations.length ? `of version ${version}; the next start brings it to ${migrations.length}` : `of version ${version}, closed cleanly`);
  } catch (error) {
    return broken("database", fileFault(error, file));
  }
}

function checkCertificate(tls: RelayTls, isDue: boolean, nowMs: number): Check {
  try {
    if (!new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key))) return bad("certificate", "certificate and key do not belong together", "give the key that the certificate was issued for");
    const days = Math.floor((certificateEndMs(tls.cert) - nowMs) / 86_400_000);
    const said = `good for ${days} days${isDue ? "; the next start issues a new one, for the names and addresses that this host has now" : ""}`;
    if (days > certificateDaysMin) return good("certificate", said);
    return bad("certificate", said, isDue ? "restart the relay: it issues its own certificate" : "renew it, and restart the relay");
  } catch (error) {
    return bad("certificate", `certificate or key cannot be read: ${(error as Error).message}`, "they must be PEM and belong together");
  }
}

/** Free, or held by the relay of this folder, which shows its certificate. */
async function checkPort({ host, port }: HostPort, tls: RelayTls | null): Promise<Check> {
  const shown = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (port === 0) return good("port", "a free one is taken at the start");
  const code = await openingError(host, port);
  if (code === null) return good("port", `${shown} is free`);
  if (code === "EADDRINUSE") {
    if (tls !== null && (await answersAs(tls, host, port))) return good("port", `the relay answers at ${shown}`);
    return bad("port", `another program listens at ${shown}`, `bowline relay run --listen ${host.includes(":") ? `[${host}]` : host}:OTHER, or stop it: fuser -v ${port}/tcp`);
  }
  if (code === "EACCES") return bad("port", `this user may not listen at ${shown}`, "take a port from 1024 on, or give the process CAP_NET_BIND_SERVICE");
  return bad("port", `${shown} cannot be listened at (${code})`, "--listen 0.0.0.0:8443, or an address that this host has");
}

/** Opens the port for a moment, as the relay would; null when it can. */
function openingError(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

async function answersAs(tls: RelayTls, host: string, port: number): Promise<boolean> {
  const pin = createHash("sha256").update(new X509Certificate(tls.cert).publicKey.export({ type: "spki", format: "der" })).digest("base64url");
  const to = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  try {
    const socket = await dial({ host: to, port, tls: { ca: "webpki", pins: [pin] }, proxy: noProxySettings, timeoutMs: dialMs, faults: { down: "RELAY_UNREACHABLE", tls: "RELAY_TLS" }, signal: new AbortController().signal });
    socket.destroy();
    return true;
  } catch {
    return false; // silent, no TLS, or somebody else's certificate: not this folder's relay
  }
}

/** The lines that a person reads; the last one says which is the problem. */
export function checkText(checks: readonly Check[]): string {
  const lines = checks.map(({ name, isOk, said, hint }) => `${isOk ? "ok   " : "FAIL "} ${name.padEnd(12)} ${said}\n${isOk ? "" : `      ${"try".padEnd(12)} ${hint}\n`}`);
  const failed = checks.find(({ isOk }) => !isOk);
  return `${lines.join("")}${failed === undefined ? "nothing is wrong here" : `the problem: ${failed.name}`}\n`;
}

export function checkJson(checks: readonly Check[]): string {
  const failed = checks.find(({ isOk }) => !isOk);
  const items = checks.map(({ name, isOk, said, hint }) => ({ name, ok: isOk, said, hint }));
  return `${JSON.stringify({ apiVersion: "bowline/v1", kind: "RelayDoctor", ok: failed === undefined, problem: failed?.name ?? null, checks: items }, null, 2)}\n`;
}
