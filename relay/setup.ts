// The relay's data folder: keys, certificates, first database. Made once, in an order that survives a kill at any point: keys are durable under a provisional
// name before the database knows them, and get their real name last. A folder that was set up and lost a part is an error, never a first run.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { certificateEndMs, issueCertificate, makeAuthority } from "../shared/kit/certificates.ts";
import { Fault } from "../shared/kit/errors.ts";
import { fileFault, writeWhole } from "../shared/kit/files.ts";
import { makeSigningKeys, readSecretFile, signingKeysOf, writeSecretFile, type KeyPair } from "../shared/kit/keys.ts";
import { acceptFirst, firstTrustDocument, renewedTrustDocument, sealTrustDocument, storedTrustDocument, trustRootHash, walkTrust, type TrustDocument } from "../shared/trust/trust-document.ts";
import { trustAheadMax } from "./store/restores.ts";
import { openRelayStore, type RelayStore } from "./store/store.ts";

const dayMs = 86_400_000;
const authorityDays = 3_650;
const certificateDays = 365;
/** Own certificates are issued anew when less than this is left. */
const renewBeforeMs = 120 * dayMs;
/** Trust documents are renewed at half life: 45 of 90 days. */
const trustRenewBeforeMs = 45 * dayMs;

export interface RelayKeys {
  /** Proves the relay on every link. */
  readonly identity: KeyPair;
  /** Signs commands and site statements. */
  readonly command: KeyPair;
  /** Signs trust documents. */
  readonly root: KeyPair;
}

export interface RelayFolder {
  readonly keys: RelayKeys;
  readonly store: RelayStore;
  readonly isFirstStart: boolean;
}

/** `makesDatabase`: the keys are there and the database is lost for good, so a new one is made; its sites come back and wait for approval. */
export async function openRelayFolder(dir: string, makesDatabase = false): Promise<RelayFolder> {
  const path = join(dir, "identity.key");
  const provisional = join(dir, "identity.key.next");
  const isFirstStart = !existsSync(path);
  if (isFirstStart && !existsSync(provisional) && existsSync(join(dir, "relay.db"))) {
    throw new Fault("FILE_MISSING", { what: `the key file ${path} is gone`, why: "the database beside it belongs to a relay whose keys it held: its sites trust those and no others", hint: "restore the whole folder from one backup" });
  }
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (isFirstStart && !existsSync(provisional)) writeSecretFile(provisional, { identity: seed(makeSigningKeys()), command: seed(makeSigningKeys()), root: seed(makeSigningKeys()) });
  } catch (error) {
    throw fileFault(error, dir);
  }
  const keys = keysOf(readSecretFile(isFirstStart ? provisional : path), path);
  if (makesDatabase && existsSync(join(dir, "relay.db"))) throw new Fault("STATE_REFUSED", { what: `${join(dir, "relay.db")} is there`, why: "a new database is made only where there is none", hint: "move relay.db away, with relay.db-wal and relay.db-shm; what is queued in it is lost for the sites" });
  if (!isFirstStart && !makesDatabase && !existsSync(join(dir, "relay.db"))) {
    throw new Fault("STORE_CORRUPT", { what: `the database ${join(dir, "relay.db")} is gone`, why: "this data folder was in use before", hint: `restore it from a backup. If there is none: bowline relay init --new-database --data ${dir}; the sites come back by themselves and wait for approval, what was queued is lost` });
  }
  const store = await openRelayStore(dir, !isFirstStart && !makesDatabase);
  try {
    if (isFirstStart || makesDatabase) await makeFirstTrust(store, keys);
    if (isFirstStart) renameSync(provisional, path);
    return { keys, store, isFirstStart };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function seed(pair: KeyPair): string {
  return Buffer.from(pair.secretKey).toString("base64url");
}

function keysOf(file: Readonly<Record<string, string>>, path: string): RelayKeys {
  const key = (name: string): KeyPair => {
    const octets = Buffer.from(file[name] ?? "", "base64url");
    if (octets.length !== 32) throw new Fault("FILE_INVALID", { what: `the key file ${path} cannot be used`, why: `it holds no key "${name}"`, hint: "restore it from a backup" });
    return signingKeysOf(octets);
  };
  return { identity: key("identity"), command: key("command"), root: key("root") };
}

async function makeFirstTrust(store: RelayStore, keys: RelayKeys): Promise<void> {
  if ((await store.call("trustAfter", { version: 0 })).length > 0) return; // killed between the two
  const nowMs = Date.now();
  const document = firstTrustDocument(keys.root, keys.command.publicKey, nowMs);
  await store.call("putTrust", { version: 1, envelope: sealTrustDocument(document, [keys.root], nowMs), nowMs });
}

export interface TrustState {
  /** Hash of version 1: what join tokens carry. */
  readonly rootHash: string;
  readonly document: TrustDocument;
}

/** The document in force, renewed when half of its life is over. Every version is walked as a site would. */
export async function currentTrust(store: RelayStore, keys: RelayKeys, nowMs: number): Promise<TrustState & { readonly isRenewed: boolean }> {
  const chain = (await store.call("trustAfter", { version: 0 })).map((envelope) => Buffer.from(envelope));
  const first = chain[0];
  if (first === undefined) throw new Fault("STORE_CORRUPT", { what: "the database holds no trust document", why: "it belongs to another identity, or lost rows", hint: "restore the whole data folder from one backup" });
  const rootHash = trustRootHash(storedTrustDocument(first));
  if (!storedTrustDocument(first).roles.root.keys.includes(keys.root.publicKey) && !storedTrustDocument(first).roles.operator.keys.includes(keys.command.publicKey)) {
    throw new Fault("FILE_INVALID", { what: "the relay's keys and its database do not belong together", why: "the trust document that its sites pinned names other keys", hint: "restore the whole folder from one backup" });
  }
  const document = walkTrust(chain.slice(1), { pinnedHash: rootHash, document: acceptFirst(first, rootHash) })!;
  if (document.expires - nowMs > trustRenewBeforeMs || !document.roles.root.keys.includes(keys.root.publicKey)) return { rootHash, document, isRenewed: false };
  return { rootHash, document: await renewTrust(store, keys, document, nowMs), isRenewed: true };
}

async function renewTrust(store: RelayStore, keys: RelayKeys, before: TrustDocument, nowMs: number): Promise<TrustDocument> {
  const next = renewedTrustDocument(before, nowMs);
  await store.call("putTrust", { version: next.version, envelope: sealTrustDocument(next, [keys.root], nowMs), nowMs });
  return next;
}

/** A site has walked to a version that this store has not: the chain is made longer than that, or the site's own document would run out with nothing to follow it. */
export async function extendTrust(store: RelayStore, keys: RelayKeys, siteVersion: number, nowMs: number): Promise<number> {
  let { document } = await currentTrust(store, keys, nowMs);
  if (siteVersion <= document.version || siteVersion > document.version + trustAheadMax || !document.roles.root.keys.includes(keys.root.publicKey)) return document.version;
  while (document.version <= siteVersion) document = await renewTrust(store, keys, document, nowMs);
  return document.version;
}

export interface RelayTls {
  readonly cert: string;
  readonly key: string;
  /** PEM that agents and people need to trust this relay, or null for public roots. */
  readonly ca: string | null;
}

export interface TlsSettings {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsCa: string;
}

/** Certificates: the given ones, or the relay's own, made and renewed here. */
export async function relayTls(dir: string, settings: TlsSettings, names: readonly string[], nowMs: number): Promise<RelayTls> {
  if (!areGiven(settings)) await makeOwnTls(join(dir, "tls"), names, nowMs);
  return readTls(dir, settings);
}

function areGiven({ tlsCert, tlsKey }: TlsSettings): boolean {
  if ((tlsCert === "") !== (tlsKey === "")) throw new Fault("USAGE", { what: "--tls-cert and --tls-key belong together", why: "one of them is missing", hint: "give both, or neither for the relay's own certificate" });
  return tlsCert !== "";
}

/** The certificates as they are there: looks only. */
export function readTls(dir: string, settings: TlsSettings): RelayTls {
  if (areGiven(settings)) return { cert: readPem(settings.tlsCert, "CERTIFICATE"), key: readPem(settings.tlsKey, "PRIVATE KEY"), ca: settings.tlsCa === "" ? null : readPem(settings.tlsCa, "CERTIFICATE") };
  const file = (name: string): string => join(dir, "tls", name);
  const ca = readPem(file("ca.crt"), "CERTIFICATE");
  return { cert: readPem(file("tls.crt"), "CERTIFICATE") + ca, key: readPem(file("tls.key"), "PRIVATE KEY"), ca };
}

/** Whether the next start issues the relay's own certificate anew: for other names, or because its time comes. */
export function isOwnTlsDue(dir: string, settings: TlsSettings, names: readonly string[], nowMs: number): boolean {
  return !areGiven(settings) && !isUsable(join(dir, "tls", "tls.crt"), join(dir, "tls", "names"), names, nowMs);
}

async function makeOwnTls(tlsDir: string, names: readonly string[], nowMs: number): Promise<void> {
  const file = (name: string): string => join(tlsDir, name);
  try {
    mkdirSync(tlsDir, { recursive: true, mode: 0o700 });
    if (!existsSync(file("ca.crt"))) {
      if (existsSync(file("tls.crt"))) throw new Fault("FILE_MISSING", { what: `${file("ca.crt")} is gone`, why: "the relay's certificate is there, its CA is not", hint: "restore the tls folder from a backup; to make new ones, remove the whole folder (sites then need new join tokens)" });
      const authority = await makeAuthority("Bowline relay CA", authorityDays, nowMs);
      writeWhole(file("ca.key"), authority.key, 0o600);
      writeWhole(file("ca.crt"), authority.cert, 0o644);
    }
    if (isUsable(file("tls.crt"), file("names"), names, nowMs)) return;
    const pair = await issueCertificate({ cert: readFileSync(file("ca.crt"), "utf8"), key: readPem(file("ca.key"), "PRIVATE KEY") }, names, certificateDays, nowMs);
    rmSync(file("names"), { force: true }); // written last: a pair that was half replaced is made anew
    writeWhole(file("tls.key"), pair.key, 0o600);
    writeWhole(file("tls.crt"), pair.cert, 0o644);
    writeWhole(file("names"), names.join("\n"), 0o644);
  } catch (error) {
    throw fileFault(error, tlsDir);
  }
}

function isUsable(cert: string, namesFile: string, names: readonly string[], nowMs: number): boolean {
  if (!existsSync(cert) || !existsSync(namesFile) || readFileSync(namesFile, "utf8") !== names.join("\n")) return false;
  return certificateEndMs(readFileSync(cert, "utf8")) - nowMs > renewBeforeMs;
}

function readPem(path: string, kind: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fileFault(error, path);
  }
  if (!new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) throw new Fault("FILE_INVALID", { what: `${path} cannot be used`, why: `it holds no PEM block ${kind}`, hint: "check the file with openssl" });
  return text;
}
