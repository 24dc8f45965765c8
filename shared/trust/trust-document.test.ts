// Trust documents: version N+1 after N and nothing else, signed by the thresholds of both; a site that was away walks the chain; who may sign what is read
// from the document in force. trust.md sections 3 and 7.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../kit/errors.ts";
import { keyId, makeSigningKeys, type KeyPair } from "../kit/keys.ts";
import { sealEnvelope, type EnvelopeHeader } from "./envelope.ts";
import * as trust from "./trust-document.ts";
import { openSiteStatement, sealSiteStatement, type SiteStatement } from "./site-statement.ts";

const nowMs = Date.parse("2026-01-02T00:00:00Z");
const root = makeSigningKeys();
const second = makeSigningKeys();
const third = makeSigningKeys();
const command = makeSigningKeys();
const first = trust.firstTrustDocument(root, command.publicKey, nowMs);
const pinned = trust.trustRootHash(first);
const seal = (document: trust.TrustDocument, ...signers: KeyPair[]): Buffer => trust.sealTrustDocument(document, signers, nowMs);
const next = (before: trust.TrustDocument, change: Partial<trust.TrustDocument> = {}): trust.TrustDocument => ({
  ...before,
  version: before.version + 1,
  ...change,
});
const withRoot = (document: trust.TrustDocument, threshold: number, ...keys: KeyPair[]): trust.TrustDocument => ({
  ...document,
  roles: { ...document.roles, root: { threshold, keys: keys.map(({ publicKey }) => publicKey) } },
});
const refused = expect.objectContaining({ code: "TRUST_REFUSED" });
const untrusted = expect.objectContaining({ code: expect.stringMatching(/^(TRUST_REFUSED|ENVELOPE_KEY|ENVELOPE_SIGNATURE)$/) as string });

test("the first is accepted by its hash, and lasts ninety days", () => {
  expect(trust.acceptFirst(seal(first, root), pinned)).toEqual(first);
  expect(first.expires - nowMs).toBe(trust.trustDaysMax * 86_400_000);
});

test("a first one that is not the pinned one is refused, whoever signed it", () => {
  const other = trust.firstTrustDocument(root, makeSigningKeys().publicKey, nowMs);
  expect(() => trust.acceptFirst(seal(other, root), pinned)).toThrow(refused);
  expect(() => trust.acceptFirst(seal(next(first), root), trust.trustRootHash(next(first)))).toThrow(refused);
  expect(() => trust.acceptFirst(seal(first, command), pinned)).toThrow(untrusted);
});

describe("the next version", () => {
  test("keeps the keys and is signed by the root", () => {
    const renewed = trust.renewedTrustDocument(first, nowMs + 1);
    expect(trust.acceptNext(seal(renewed, root), first)).toEqual({ ...first, version: 2, expires: nowMs + 1 + trust.trustDaysMax * 86_400_000 });
  });

  test.each([
    ["N again", 0],
    ["N+2", 2],
    ["N-1", -1],
  ])("%s is refused", (_name, step) => {
    const before = next(next(first));
    expect(() => trust.acceptNext(seal({ ...before, version: before.version + step }, root), before)).toThrow(refused);
  });

  test("one-sided N+1: new roots alone, or old roots alone, hand nothing over", () => {
    const handed = withRoot(next(first), 1, second);
    expect(() => trust.acceptNext(seal(handed, second), first)).toThrow(untrusted);
    expect(() => trust.acceptNext(seal(handed, root), first)).toThrow(untrusted);
    expect(trust.acceptNext(seal(handed, root, second), first)).toEqual(handed);
    expect(trust.acceptNext(seal(handed, second, root), first)).toEqual(handed);
  });

  test("counts distinct keys toward each threshold", () => {
    const twoOfThree = withRoot(next(first), 2, root, second, third);
    expect(() => trust.acceptNext(seal(twoOfThree, root), first)).toThrow(untrusted);
    expect(() => trust.acceptNext(seal(twoOfThree, root, root), first)).toThrow(untrusted);
    const accepted = trust.acceptNext(seal(twoOfThree, root, third), first);
    const after = next(accepted);
    expect(() => trust.acceptNext(seal(after, second), accepted)).toThrow(untrusted);
    expect(trust.acceptNext(seal(after, second, third), accepted)).toEqual(after);
  });

  test("with a signer that no root lists is refused, although enough others signed", () => {
    expect(() => trust.acceptNext(seal(next(first), root, command), first)).toThrow(untrusted);
  });

  test("whose header says another version, or another type, or another audience is refused", () => {
    const document = next(first);
    const body = Buffer.from(JSON.stringify(document));
    const header = { typ: "trust", aud: trust.TRUST_AUDIENCE, epoch: 0, seq: 2, prev: "", cid: "trust-2", iat: nowMs, nbf: 0, exp: 0, cls: "admin" } as const;
    expect(trust.acceptNext(sealEnvelope(header, body, [root]), first)).toEqual(document);
    for (const change of [{ seq: 3 }, { typ: "command" as const }, { aud: "s_1" }, { epoch: 1 }])
      expect(() => trust.acceptNext(sealEnvelope({ ...header, ...change }, body, [root]), first)).toThrow(Fault);
  });
});

describe("a walk", () => {
  test("40-step walk: a site that was away for years arrives, over roots that changed on the way", () => {
    const chain: Buffer[] = [seal(first, root)];
    let before = first;
    let keys = [root];
    for (let step = 2; step <= 41; step += 1) {
      const fresh = step % 5 === 0 ? [makeSigningKeys(), makeSigningKeys()] : keys;
      const document = step % 5 === 0 ? withRoot(next(before), fresh.length, ...fresh) : next(before);
      chain.push(seal(document, ...new Set([...keys, ...fresh])));
      before = document;
      keys = fresh;
    }
    expect(trust.walkTrust(chain, { pinnedHash: pinned, document: null })).toEqual(before);
    expect(() => trust.walkTrust([...chain.slice(0, 20), ...chain.slice(21)], { pinnedHash: pinned, document: null })).toThrow(refused);
    expect(trust.walkTrust(chain.slice(1), { pinnedHash: pinned, document: first })).toEqual(before);
    expect(trust.walkTrust([], { pinnedHash: pinned, document: first })).toBe(first);
  });
});

describe("a document that is not whole", () => {
  const parse = (change: Record<string, unknown>): unknown => trust.parseTrustDocument(Buffer.from(JSON.stringify({ ...first, ...change })));
  const withRole = (role: unknown): unknown => parse({ roles: { ...first.roles, operator: role } });
  const key = command.publicKey;

  test.each([
    ["threshold 0", () => withRole({ threshold: 0, keys: [key] })],
    ["a negative threshold", () => withRole({ threshold: -1, keys: [key] })],
    ["a threshold that is a text", () => withRole({ threshold: "1", keys: [key] })],
    ["more to sign than there are", () => withRole({ threshold: 2, keys: [key] })],
    ["one key twice", () => withRole({ threshold: 2, keys: [key, key] })],
    ["a role missing", () => withRole(undefined)],
    ["a role that is null", () => withRole(null)],
    ["keys that are no list", () => withRole({ threshold: 1, keys: key })],
    ["version 0", () => parse({ version: 0 })],
    ["version 1.5", () => parse({ version: 1.5 })],
    ["no expiry", () => parse({ expires: null })],
    ["no roles", () => parse({ roles: null })],
    ["null instead of it", () => trust.parseTrustDocument(Buffer.from("null"))],
    ["a second way to write it", () => trust.parseTrustDocument(Buffer.from(JSON.stringify(first).replace(",", ", ")))],
    ["a member twice", () => trust.parseTrustDocument(Buffer.from(JSON.stringify(first).replace('"version":1', '"version":1,"version":1')))],
    ["no JSON", () => trust.parseTrustDocument(Buffer.from("{"))],
  ])("has %s", (_name, act) => {
    expect(act).toThrow(refused);
  });

  test("lists a key that is none", () => {
    for (const bad of ["", "ed25519:x", 7, null])
      expect(() => withRole({ threshold: 1, keys: [bad] }), String(bad)).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
  });

  test("is refused whatever it holds, and is never a bug of ours", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom("version", "expires", "roles"),
        fc.constantFrom(...trust.ROLES),
        fc.jsonValue(),
        (whole, member, role, value) => {
          for (const content of [whole, { ...first, [member]: value }, { ...first, roles: { ...first.roles, [role]: value } }]) {
            try {
              trust.parseTrustDocument(Buffer.from(JSON.stringify(content)));
            } catch (error) {
              expect(error instanceof Fault && error.code !== "BUG", `${JSON.stringify(content)}: ${String(error)}`).toBe(true);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("who may sign", () => {
  const header = (typ: string, cls = "write"): EnvelopeHeader => ({ typ, cls }) as EnvelopeHeader;

  test.each([
    ["site", "enrol"],
    ["revoke", "revoke"],
    ["beacon", "beacon"],
    ["command", "operator"],
    ["cancel", "operator"],
    ["desired", "operator"],
    ["grant", "operator"],
  ] as const)("a %s is for the role %s", (typ, role) => {
    expect(trust.ruleFor(first, header(typ))).toBe(first.roles[role]);
  });

  test.each(["result", "report", "audit", "trust"])("a %s is nothing that a site takes by a role", (typ) => {
    expect(() => trust.ruleFor(first, header(typ))).toThrow(expect.objectContaining({ code: "ENVELOPE_KEY" }));
  });

  test("admin needs two operators as soon as there are two", () => {
    expect(trust.ruleFor(first, header("command", "admin")).threshold).toBe(1);
    const two = { ...first, roles: { ...first.roles, operator: { threshold: 1, keys: [command.publicKey, second.publicKey] } } };
    expect(trust.ruleFor(two, header("command", "admin")).threshold).toBe(2);
    expect(trust.ruleFor(two, header("command", "write")).threshold).toBe(1);
    const three = { ...first, roles: { ...first.roles, operator: { threshold: 3, keys: [command.publicKey, second.publicKey, third.publicKey] } } };
    expect(trust.ruleFor(three, header("command", "admin")).threshold).toBe(3);
  });

  test("keys are found by the ids that envelopes carry", () => {
    expect([...trust.keysOf(first)].sort()).toEqual([root, command].map((keys) => [Buffer.from(keyId(keys.publicKey)).toString("hex"), keys.publicKey]).sort());
  });
});

describe("a site statement", () => {
  const agent = makeSigningKeys();
  const statement: SiteStatement = {
    site: "s_1",
    version: 1,
    name: "plant-07",
    signKey: agent.publicKey,
    boxKey: "x25519:x",
    tier: "admin",
    setting: "relayed",
    epoch: 1,
    labels: {},
  };
  const own = { site: "s_1", signKey: agent.publicKey };

  test("opens at the site that it names, for the key that it names", () => {
    expect(openSiteStatement(sealSiteStatement(statement, command, 1, nowMs), first, own)).toEqual(statement);
  });

  test("is refused elsewhere, and for another key", () => {
    const sealed = sealSiteStatement(statement, command, 1, nowMs);
    expect(() => openSiteStatement(sealed, first, { ...own, site: "s_2" })).toThrow(expect.objectContaining({ code: "ENVELOPE_AUDIENCE" }));
    expect(() => openSiteStatement(sealed, first, { ...own, signKey: root.publicKey })).toThrow(expect.objectContaining({ code: "ENVELOPE_AUDIENCE" }));
  });

  test("is refused from whoever is not of the enrol role", () => {
    for (const signer of [root, agent])
      expect(() => openSiteStatement(sealSiteStatement(statement, signer, 1, nowMs), first, own)).toThrow(expect.objectContaining({ code: "ENVELOPE_KEY" }));
  });

  test("is refused when an envelope of another type stands in for it", () => {
    const body = Buffer.from(JSON.stringify(statement));
    const sealed = sealEnvelope({ typ: "command", aud: "s_1", epoch: 1, seq: 1, prev: "", cid: "site-1", iat: nowMs, nbf: 0, exp: 0, cls: "admin" }, body, [
      command,
    ]);
    expect(() => openSiteStatement(sealed, first, own)).toThrow(expect.objectContaining({ code: "ENVELOPE_KEY" }));
  });
});
