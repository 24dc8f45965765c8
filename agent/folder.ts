// The agent's data folder: keys and database, and what they say about the site. Made once, in an order that survives a kill at any point: keys are durable
// under a provisional name before anything leaves, and get their real name when the database exists. A folder that lost a part is an error, never a first run.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../shared/kit/errors.ts";
import { fileFault } from "../shared/kit/files.ts";
import { boxKeysOf, makeBoxKeys, makeSigningKeys, readSecretFile, signingKeysOf, siteIdOf, writeSecretFile, type KeyPair } from "../shared/kit/keys.ts";
import type { JoinToken } from "../shared/trust/join-token.ts";
import { walkTrust, type TrustDocument } from "../shared/trust/trust-document.ts";
import type { FactName } from "./store/identity.ts";
import { openDatabase, type Aside } from "./quarantine.ts";
import type { AgentStore } from "./store/store.ts";

export interface AgentKeys {
  readonly sign: KeyPair;
  readonly box: KeyPair;
}

/** What the join token said about the relay, kept for every later dial. */
export type RelayRecord = Pick<JoinToken, "urls" | "identity" | "tls" | "trustRoot" | "binding">;

/** A join that has not been answered yet. */
export interface JoiningRecord {
  readonly id: string;
  readonly secret: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface AgentFolder {
  readonly dir: string;
  readonly keys: AgentKeys;
  readonly siteId: string;
  readonly agentEpoch: string;
  readonly store: AgentStore;
  /** What was found wrong with the witness beside the database, or "". */
  readonly witnessTrouble: string;
}

export function hasIdentity(dir: string): boolean {
  return existsSync(join(dir, "identity.key"));
}

/** `aside`: a database that is not what it was is put aside and made anew (quarantine.ts); without it, that is an error. */
export async function openAgentFolder(dir: string, aside: Aside | null = null): Promise<AgentFolder> {
  const path = join(dir, "identity.key");
  const provisional = join(dir, "identity.key.next");
  const isFirst = !existsSync(path);
  if (isFirst && !existsSync(provisional) && existsSync(join(dir, "agent.db"))) {
    throw new Fault("FILE_MISSING", { what: `the key file ${path} is gone`, why: "the database beside it belongs to a site whose keys it held", hint: "restore the whole folder from one backup; or move it away and join again with a new token" });
  }
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (isFirst && !existsSync(provisional)) writeSecretFile(provisional, { sign: text(makeSigningKeys()), box: text(makeBoxKeys()) });
  } catch (error) {
    throw fileFault(error, dir);
  }
  const keys = keysOf(readSecretFile(isFirst ? provisional : path), path);
  const { store, witnessTrouble } = await openDatabase(dir, !isFirst, aside);
  try {
    const facts = await store.call("allFacts", null);
    const agentEpoch = facts.agentEpoch ?? randomBytes(16).toString("hex");
    if (facts.agentEpoch === undefined) await store.call("putFacts", { facts: { agentEpoch } });
    const siteId = siteIdOf(keys.sign.publicKey);
    if (facts.site !== undefined && facts.site !== siteId) {
      throw new Fault("FILE_INVALID", { what: `the key file ${path} and the database beside it belong to different sites`, why: `the keys are those of ${siteId}, the database is that of ${facts.site}`, hint: "restore the whole folder from one backup" });
    }
    if (isFirst) renameSync(provisional, path);
    return { dir, keys, siteId, agentEpoch, store, witnessTrouble };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function text(pair: KeyPair): string {
  return Buffer.from(pair.secretKey).toString("base64url");
}

function keysOf(file: Readonly<Record<string, string>>, path: string): AgentKeys {
  const octets = (name: string): Buffer => {
    const found = Buffer.from(file[name] ?? "", "base64url");
    if (found.length !== 32) throw new Fault("FILE_INVALID", { what: `the key file ${path} cannot be used`, why: `it holds no key "${name}"`, hint: "restore it from a backup, or join again with a new token in a new folder" });
    return found;
  };
  return { sign: signingKeysOf(octets("sign")), box: boxKeysOf(octets("box")) };
}

export function recordOf<Record>(facts: Partial<globalThis.Record<FactName, string>>, name: FactName): Record | null {
  const found = facts[name];
  return found === undefined ? null : (JSON.parse(found) as Record);
}

/** The trust document in force, walked from the pinned root; null before the join was answered. */
export async function storedTrust(store: AgentStore, relay: RelayRecord): Promise<TrustDocument | null> {
  const chain = (await store.call("trustChain", null)).map((envelope) => Buffer.from(envelope));
  return walkTrust(chain, { pinnedHash: relay.trustRoot, document: null });
}
