// Many approved sites in a relay's folder before the relay starts: the same store operations as a join and an approval make, without their sockets. What the swarm
// needs to dial as them goes into one file: keys, ids, and how the relay is known.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { keyText, siteIdOf, type KeyKind } from "../../shared/kit/keys.ts";
import { sealSiteStatement } from "../../shared/trust/site-statement.ts";
import { openRelayFolder } from "../../relay/setup.ts";

export interface SwarmSite {
  readonly id: string;
  readonly signKey: string;
  /** Base64url of the seed. */
  readonly seed: string;
}

export interface SwarmSites {
  readonly identity: string;
  readonly sites: readonly SwarmSite[];
}

const dayMs = 86_400_000;
/** Sites that are under way at once: below what may wait for approval. */
const batch = 200;
/** Octets before the key in Node's PKCS#8 and SPKI forms. */
const pkcs8Head = 16;
const spkiHead = 12;

/** Made by node:crypto: tweetnacl needs milliseconds for each, and these are thousands. */
function makeKey(kind: KeyKind): { readonly text: string; readonly seed: Buffer } {
  const pair = kind === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("x25519");
  const text = keyText(kind, pair.publicKey.export({ type: "spki", format: "der" }).subarray(spkiHead));
  return { text, seed: pair.privateKey.export({ type: "pkcs8", format: "der" }).subarray(pkcs8Head) };
}

/** Sets up the relay's folder if need be, and adds `count` active sites named swarm-N. */
export async function makeSites(relayDir: string, count: number, file: string): Promise<void> {
  const { keys, store } = await openRelayFolder(relayDir);
  try {
    const nowMs = Date.now();
    const token = "jt_swarm";
    await store.call("putJoinToken", { id: token, secret: randomBytes(32), name: "swarm-*", labels: "{}", tier: "admin", binding: "exporter", uses: count, operator: "admin", nowMs, expiresMs: nowMs + dayMs });
    const sites: SwarmSite[] = [];
    const add = async (index: number): Promise<void> => {
      const sign = makeKey("ed25519");
      const boxKey = makeKey("x25519").text;
      const name = `swarm-${index}`;
      const id = siteIdOf(sign.text);
      await store.call("joinSite", { token, site: id, signKey: sign.text, boxKey, name, labels: {}, boot: "none", dial: 0, fence: 0, nowMs });
      const statement = sealSiteStatement({ site: id, version: 1, name, signKey: sign.text, boxKey, tier: "admin", setting: "relayed", epoch: 1, labels: {} }, keys.command, 1, nowMs);
      await store.call("approveSite", { id, name, statement, operator: "admin", nowMs });
      sites[index] = { id, signKey: sign.text, seed: sign.seed.toString("base64url") };
    };
    for (let from = 0; from < count; from += batch) await Promise.all(Array.from({ length: Math.min(batch, count - from) }, (_none, index) => add(from + index)));
    writeFileSync(file, JSON.stringify({ identity: keys.identity.publicKey, sites } satisfies SwarmSites), { mode: 0o600 });
  } finally {
    await store.close();
  }
}
