// Judges a claim: who may link, who waits for approval, who is refused and why. Everything that is decided is in the store before WELCOME leaves.
// Refuses with a Fault; accept.ts turns it into a BYE. trust.md section 4, delivery.md section 4.
import type { Clock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { siteIdOf } from "../../shared/kit/keys.ts";
import type { Claim } from "../../shared/link/handshake.ts";
import { trustCharsMax, trustStepsMax, type Welcome } from "../../shared/link/handshake-parts.ts";
import { parseLabels } from "../../shared/rules/labels.ts";
import { requireSiteName } from "../../shared/rules/target.ts";
import { readSiteStatement, type SiteStatement } from "../../shared/trust/site-statement.ts";
import { storedTrustDocument } from "../../shared/trust/trust-document.ts";
import { creditStartBytes, letterCreditBytes, letterCreditLetters } from "../../shared/wire/limits.ts";
import type { SiteRow } from "../store/sites.ts";
import type { RelayStore } from "../store/store.ts";

export interface Admitted {
  readonly site: SiteRow;
  readonly welcome: Welcome;
}

export const ownLetterCredit = { letters: letterCreditLetters, octets: letterCreditBytes } as const;

/** A claim to an existing site: its key, its numbers, and what is in doubt. `binding`: how this relay's links are bound to TLS. */
export async function admitLink(store: RelayStore, clock: Clock, claim: Claim, binding: "exporter" | "none"): Promise<Admitted> {
  const id = claim.site!;
  const hello = claim.hello!;
  const known = (await store.call("findSiteById", { id })) ?? (await parkedSite(store, clock, claim, binding));
  // A site that is unknown and one whose key does not fit answer alike to a stranger.
  if (known === null || !claim.isSignedBy(known.signKey)) {
    throw new Fault("SITE_KEY_WRONG", { what: "the relay knows no site with this key", why: known === null ? "no such site has joined, or the relay's database is older" : "the proof does not fit", hint: "join again with a new token and an empty --data folder: bowline agent join --token TOKEN --data FOLDER" });
  }
  const { site, isClone, inDoubt, held } = await store.call("admitLink", {
    id,
    boot: claim.boot,
    dial: claim.dial,
    fence: claim.fence,
    agentEpoch: hello.agentEpoch,
    agentVersion: hello.version,
    freeOctets: hello.freeOctets,
    clockErrorMs: hello.clockErrorMs ?? null,
    agentInDoubt: hello.inDoubt,
    given: { relayEpoch: hello.relayEpoch, fence: hello.relayFence ?? 0, order: hello.relayOrder ?? 0, trustVersion: hello.trustVersion },
    nowMs: clock.wallMs(),
  });
  if (isClone) {
    throw new Fault("SITE_CLONED", { what: "another agent runs with this site's keys", why: `it has dialled more often than this one (dial ${claim.dial})`, hint: "stop one of them; keys belong to one agent. After restoring an old copy of the agent's data, join again with a new token and an empty --data folder" });
  }
  return { site, welcome: await welcomeOf(store, site, claim, { inDoubt, held }) };
}

/** A site that is unknown here and shows this relay's own signature under who it is: the store was put back from a copy, or is a new one. Null for any other. */
async function parkedSite(store: RelayStore, clock: Clock, claim: Claim, binding: "exporter" | "none"): Promise<SiteRow | null> {
  const id = claim.site!;
  if (claim.hello?.statement === undefined) return null;
  const newest = (await store.call("trustAfter", { version: 0 })).at(-1);
  if (newest === undefined) return null;
  let statement: SiteStatement;
  try {
    statement = readSiteStatement(Buffer.from(claim.hello.statement, "base64url"), storedTrustDocument(newest), id);
  } catch {
    return null; // another relay's, or nobody's: a stranger like any other
  }
  const { name, signKey, boxKey, labels, tier, epoch } = statement;
  if (siteIdOf(signKey) !== id || !claim.isSignedBy(signKey)) return null;
  return store.call("parkSite", { id, name, signKey, boxKey, labels, tier, epoch, binding, trustVersion: claim.hello.trustVersion, boot: claim.boot, dial: claim.dial - 1, fence: claim.fence, nowMs: clock.wallMs() });
}

/** A claim with a join token. The secret is proved, never sent; the use is bound to the key. */
export async function admitJoin(store: RelayStore, clock: Clock, claim: Claim): Promise<Admitted> {
  const join = claim.join!;
  const nowMs = clock.wallMs();
  const token = await store.call("findJoinToken", { id: join.token });
  if (token === null || !claim.isProvenBy(Buffer.from(token.secret))) throw new Fault("JOIN_TOKEN_UNKNOWN", { what: "the relay does not know this join token", why: token === null ? "it was never made here" : "the proof of its secret does not hold", hint: "make a new one: bowline token create" });
  if (!claim.isSignedBy(join.signKey)) throw new Fault("SITE_KEY_WRONG", { what: "the agent did not prove the key it wants to join with", hint: "keys or claim were changed on their way: bowline agent doctor" });
  const name = requireSiteName(join.name, "bowline agent join --name plant-07 ...");
  const site = await store.call("joinSite", {
    token: join.token,
    site: siteIdOf(join.signKey),
    signKey: join.signKey,
    boxKey: join.boxKey,
    name,
    labels: parseLabels(join.labels),
    boot: claim.boot,
    dial: claim.dial,
    fence: claim.fence,
    nowMs,
  });
  return { site, welcome: await welcomeOf(store, site, claim, { inDoubt: [], held: [] }) };
}

async function welcomeOf(store: RelayStore, site: SiteRow, claim: Claim, doubts: { readonly inDoubt: readonly string[]; readonly held: readonly string[] }): Promise<Welcome> {
  const documents = await store.call("trustAfter", { version: claim.hello?.trustVersion ?? 0, limit: trustStepsMax + 1 });
  const trust = trustPage(documents);
  const hasMore = trust.length < documents.length;
  const isLinked = site.state === "active" && claim.purpose === "link";
  return {
    state: isLinked ? "linked" : "waiting",
    name: site.name,
    relayEpoch: site.relayEpoch,
    startCredit: creditStartBytes,
    letterCredit: isLinked ? ownLetterCredit : { letters: 0, octets: 0 },
    trust,
    trustMore: hasMore,
    siteStatement: hasMore ? null : site.statement, // whoever signed it may be listed only in a document that is to come
    ...doubts,
    ...(isLinked && site.restoredMs !== null ? { wantsRecords: true } : {}),
  };
}

/** As many as fit a WELCOME, one at least. */
export function trustPage(documents: readonly Uint8Array[]): Uint8Array[] {
  let chars = 0;
  const page: Uint8Array[] = [];
  for (const document of documents.slice(0, trustStepsMax)) {
    chars += Math.ceil((document.length * 4) / 3) + 3;
    if (page.length > 0 && chars > trustCharsMax) break;
    page.push(document);
  }
  return page;
}
