// A site that this relay's store has lost: what it shows of itself is judged by the relay's own signature and by its key, parked, and left to a person.
import { afterEach, beforeEach, expect, test } from "vitest";
import { admitLink } from "../relay/agents/admission.ts";
import { extendTrust } from "../relay/setup.ts";
import type { RelayStore } from "../relay/store/store.ts";
import { makeSigningKeys, siteIdOf } from "../shared/kit/keys.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import type { Claim } from "../shared/link/handshake.ts";
import { sealSiteStatement, type SiteStatement } from "../shared/trust/site-statement.ts";
import { acceptFirst, firstTrustDocument, sealTrustDocument, trustRootHash, walkTrust } from "../shared/trust/trust-document.ts";
import { RelayBench } from "./kit/relay-store.ts";

const keys = { identity: makeSigningKeys(), command: makeSigningKeys(), root: makeSigningKeys() };
const siteKeys = makeSigningKeys();
const site = siteIdOf(siteKeys.publicKey);
const statement: SiteStatement = { site, version: 1, name: "plant-07", signKey: siteKeys.publicKey, boxKey: "box", tier: "admin", setting: "relayed", epoch: 3, labels: { region: "north" } };

let relay: RelayBench;
let store: RelayStore;
let clock: ManualClock;
beforeEach(async () => {
  relay = await RelayBench.open();
  store = relay.store as unknown as RelayStore;
  clock = new ManualClock(relay.nowMs);
  await store.call("putTrust", { version: 1, envelope: sealTrustDocument(firstTrustDocument(keys.root, keys.command.publicKey, relay.nowMs), [keys.root], relay.nowMs), nowMs: relay.nowMs });
});
afterEach(() => relay.close());

function claims(shown: Uint8Array | null, rest: { readonly signer?: string; readonly dial?: number } = {}): Promise<unknown> {
  const hello = { agentEpoch: "e", relayEpoch: 4, relayFence: 9, relayOrder: 17, trustVersion: 5, startCredit: 1, letterCredit: { letters: 1, octets: 1 }, inDoubt: [], version: "1", freeOctets: 1, outbox: 0, ...(shown === null ? {} : { statement: Buffer.from(shown).toString("base64url") }) };
  const claim: Claim = { purpose: "link", boot: "b", dial: rest.dial ?? 7, fence: 2, site, hello, join: null, isSignedBy: (key) => key === (rest.signer ?? siteKeys.publicKey), isProvenBy: () => false };
  return admitLink(store, clock, claim, "exporter");
}

const signed = (change: Partial<SiteStatement> = {}, by = keys.command): Buffer => sealSiteStatement({ ...statement, ...change }, by, 1, relay.nowMs);

test("it waits under its name, with what was signed of it, and a person approves it again", async () => {
  expect(await claims(signed())).toMatchObject({ welcome: { state: "waiting", name: "plant-07", siteStatement: null } });
  expect(await store.call("findSiteById", { id: site })).toMatchObject({ state: "waiting", epoch: 3, labels: '{"region":"north"}', tier: "admin", binding: "exporter" });
  expect((await store.call("unconfirmedRestores", null)).sites).toMatchObject([{ site: "plant-07", why: expect.stringMatching(/no record of it/) }]);
  expect(await claims(signed(), { dial: 8 })).toMatchObject({ welcome: { state: "waiting" } });
  await store.call("approveSite", { id: site, name: "plant-07", statement: signed(), operator: "ann", nowMs: relay.nowMs });
  // What it has from the store that was lost shows: it is asked what it knows before it is offered anything.
  expect(await claims(signed(), { dial: 9 })).toMatchObject({ welcome: { state: "linked", relayEpoch: 5, wantsRecords: true } });
});

test("a name that another site has meanwhile gets a part of its id", async () => {
  await claims(signed({ name: "anvil" }));
  expect((await store.call("findSiteById", { id: site }))!.name).toBe(`anvil-${site.slice(2, 10)}`);
});

test.each([
  ["shows nothing", () => null, undefined],
  ["shows octets", () => Buffer.from("statement"), undefined],
  ["shows what another relay signed", () => signed({}, makeSigningKeys()), undefined],
  ["shows another site's", () => signed({ site: "s_other" }), undefined],
  ["shows another key under its id", () => signed({ signKey: makeSigningKeys().publicKey }), undefined],
  ["did not prove the key that is named", () => signed(), "another key"],
])("a site that %s is a stranger", async (_what, shown, signer) => {
  await expect(claims(shown(), signer === undefined ? {} : { signer })).rejects.toThrow(expect.objectContaining({ code: "SITE_KEY_WRONG" }));
  expect(await store.call("findSiteById", { id: site })).toBeNull();
});

test("once a person has confirmed, the chain of trust documents goes beyond the sites' own, step by step", async () => {
  await claims(signed());
  await relay.link({ given: { relayEpoch: 9, fence: 0, order: 0, trustVersion: 5_000 } }); // a site that lies hides nothing of what the others have
  const { trustVersion } = await store.call("unconfirmedRestores", null);
  expect(trustVersion).toBe(5);
  expect(await extendTrust(store, keys, trustVersion, relay.nowMs)).toBe(6);
  const chain = await store.call("trustAfter", { version: 0 });
  const rootHash = trustRootHash(firstTrustDocument(keys.root, keys.command.publicKey, relay.nowMs));
  expect(walkTrust(chain.slice(1), { pinnedHash: rootHash, document: acceptFirst(chain[0]!, rootHash) })?.version).toBe(6);
  expect(await extendTrust(store, keys, 6, relay.nowMs), "nothing to do").toBe(6);
  expect(await extendTrust(store, keys, 500, relay.nowMs), "nobody's honest version").toBe(6);
});
