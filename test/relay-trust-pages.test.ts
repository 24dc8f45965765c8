// A site that was away for forty trust documents: each WELCOME brings what fits, and the walk ends at the newest, where the statement comes too.
import { afterEach, beforeEach, expect, test } from "vitest";
import { admitLink } from "../relay/agents/admission.ts";
import type { RelayStore } from "../relay/store/store.ts";
import { makeSigningKeys } from "../shared/kit/keys.ts";
import { ManualClock } from "../shared/kit/manual-clock.ts";
import type { Claim } from "../shared/link/handshake.ts";
import { encodeHandshake } from "../shared/link/handshake-frames.ts";
import { parseWelcome, welcomeJson } from "../shared/link/handshake-parts.ts";
import { acceptFirst, acceptNext, firstTrustDocument, renewedTrustDocument, sealTrustDocument, trustRootHash, type TrustDocument } from "../shared/trust/trust-document.ts";
import { handshakeClaimBytesMax } from "../shared/wire/limits.ts";
import { RelayBench } from "./kit/relay-store.ts";

let relay: RelayBench;
beforeEach(async () => {
  relay = await RelayBench.open();
});
afterEach(() => relay.close());

test("forty documents are walked in pages, each of which fits its frame, and no page is served as a link but the last", async () => {
  const root = makeSigningKeys();
  const first = firstTrustDocument(root, makeSigningKeys().publicKey, relay.nowMs);
  let next: TrustDocument = first;
  for (let version = 1; version <= 40; version += 1) {
    if (version > 1) next = renewedTrustDocument(next, relay.nowMs + version);
    await relay.store.call("putTrust", { version, envelope: sealTrustDocument(next, [root], relay.nowMs), nowMs: relay.nowMs });
  }
  const clock = new ManualClock(relay.nowMs);
  let document: TrustDocument | null = null;
  const pages: number[] = [];
  for (let dial = 10; dial < 20; dial += 1) {
    const hello = { agentEpoch: "e", relayEpoch: 1, trustVersion: document?.version ?? 0, startCredit: 1, letterCredit: { letters: 1, octets: 1 }, inDoubt: [], version: "1", freeOctets: 1, outbox: 0 };
    const claim: Claim = { purpose: "link", boot: "b", dial, fence: dial, site: relay.site, hello, join: null, isSignedBy: () => true, isProvenBy: () => false };
    const { welcome } = await admitLink(relay.store as unknown as RelayStore, clock, claim, "exporter");
    const frame = encodeHandshake(welcomeJson(welcome));
    expect(frame.length).toBeLessThan(handshakeClaimBytesMax);
    const heard = parseWelcome(JSON.parse(JSON.stringify(welcomeJson(welcome))) as Record<string, unknown>);
    for (const envelope of heard.trust) document = document === null ? acceptFirst(envelope, trustRootHash(first)) : acceptNext(envelope, document);
    pages.push(heard.trust.length);
    expect(heard.siteStatement === null).toBe(heard.trustMore);
    if (heard.trustMore !== true) break;
  }
  expect(document?.version).toBe(40);
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.reduce((sum, page) => sum + page, 0)).toBe(40);
});
