// Envelopes under attack: the list of trust.md section 7, by its own words. Nothing opens that was not signed as it is, by a key that may, for this site, at
// this time, once; and every refusal says which of these it was.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "../kit/errors.ts";
import { keyId, keyText, makeSigningKeys, sha256, signBytes, type KeyPair } from "../kit/keys.ts";
import {
  envelopeBodyBytesMax,
  envelopeHeaderBytesMax,
  ENVELOPE_TYPES,
  openEnvelope,
  sealEnvelope,
  type EnvelopeHeader,
  type HeaderParts,
  type Verifier,
} from "./envelope.ts";

const fault = (code: FaultCode, parts: Readonly<Record<string, unknown>> = {}): unknown => expect.objectContaining({ code, ...parts });
const ann = makeSigningKeys();
const bob = makeSigningKeys();
const stranger = makeSigningKeys();
const kidOf = (keys: KeyPair): string => Buffer.from(keyId(keys.publicKey)).toString("hex");
const known = new Map([ann, bob].map((keys) => [kidOf(keys), keys.publicKey]));

const nowMs = Date.parse("2026-01-02T00:00:00Z");
const parts: HeaderParts = { typ: "command", aud: "s_plant07", epoch: 3, seq: 9, prev: "", cid: "c-1", iat: nowMs, nbf: 0, exp: nowMs + 60_000, cls: "write" };
const body = Buffer.from('{"operator":"ann"}');
const honest = sealEnvelope(parts, body, [ann]);

function verifier(change: Partial<Verifier> = {}): Verifier {
  return {
    keysById: (kid) => known.get(kid) ?? null,
    rule: () => ({ keys: [ann.publicKey, bob.publicKey], threshold: 1 }),
    audience: { site: "s_plant07", epoch: 3 },
    time: { nowMs, errorMs: 0 },
    isSeen: () => false,
    ...change,
  };
}

const open = (bytes: Uint8Array, change: Partial<Verifier> = {}): ReturnType<typeof openEnvelope> => openEnvelope(bytes, verifier(change));
const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};

/** An envelope around any header text, signed all the same: what a signer of ill will can make. */
function signedAround(header: string | Buffer, content: Uint8Array = body, signers: readonly KeyPair[] = [ann]): Buffer {
  const text = Buffer.from(header);
  const octets = Buffer.concat([Buffer.from("bowline/envelope/v1\0"), u32(text.length), text]);
  const signatures = signers.flatMap((signer) => [keyId(signer.publicKey), signBytes(signer.secretKey, octets)]);
  return Buffer.concat([Buffer.from("BWE1"), Buffer.from([signers.length]), ...signatures, u32(text.length), text, u32(content.length), content]);
}

const headerStart = 5 + 80 + 4;
const headerText = (envelope: Buffer): string => envelope.toString("utf8", headerStart, headerStart + envelope.readUInt32BE(headerStart - 4));
const withHeader = (change: (header: Record<string, unknown>) => void): Buffer => {
  const header = JSON.parse(headerText(honest)) as Record<string, unknown>;
  change(header);
  return signedAround(JSON.stringify(header));
};

test("an honest one opens, and says who signed", () => {
  const opened = open(honest);
  expect(opened.header).toMatchObject({ v: 1, enc: "none", ...parts, kid: kidOf(ann), len: body.length, sha256: sha256(body).toString("hex") });
  expect(opened.body).toEqual(body);
  expect(opened.signers).toEqual([ann.publicKey]);
  expect(Buffer.from(opened.headerBytes).toString("utf8")).toBe(headerText(honest));
});

test("any body comes back, an empty one too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (content) => {
      expect(Uint8Array.from(open(sealEnvelope(parts, content, [ann, bob])).body)).toEqual(content);
    }),
    { numRuns: 30 },
  );
});

describe("bits and lengths", () => {
  test("every bit flipped: none opens, and none is taken for a bug of ours", () => {
    for (let bit = 0; bit < honest.length * 8; bit += 1) {
      const bent = Buffer.from(honest);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      let code = "opened";
      try {
        open(bent);
      } catch (error) {
        code = error instanceof Fault ? error.code : String(error);
      }
      expect(["ENVELOPE_MALFORMED", "ENVELOPE_KEY", "ENVELOPE_SIGNATURE", "ENVELOPE_HASH"], `bit ${bit}: ${code}`).toContain(code);
    }
  });

  test("cut at every length, and with octets behind", () => {
    for (let length = 0; length < honest.length; length += 1)
      expect(() => open(honest.subarray(0, length)), `${length} of ${honest.length}`).toThrow(fault("ENVELOPE_MALFORMED"));
    expect(() => open(Buffer.concat([honest, Buffer.of(0)]))).toThrow(fault("ENVELOPE_MALFORMED"));
  });

  test.each([0, 9, 255])("nsig %d", (count) => {
    const bent = Buffer.concat([honest, Buffer.alloc(255 * 80)]);
    bent[4] = count;
    expect(() => open(bent)).toThrow(fault("ENVELOPE_MALFORMED", { why: `it has ${count} signatures, 1 to 8 are allowed` }));
  });

  test.each([0xffff_ffff, 0x8000_0000, envelopeHeaderBytesMax + 1])("hdrLen %d", (length) => {
    const bent = Buffer.from(honest);
    bent.writeUInt32BE(length, headerStart - 4);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_MALFORMED", { why: `its header has ${length} octets, at most ${envelopeHeaderBytesMax} are allowed` }));
  });

  test("a body over 4 MiB is neither sealed nor looked at", () => {
    expect(() => sealEnvelope(parts, Buffer.alloc(envelopeBodyBytesMax + 1), [ann])).toThrow(fault("BODY_TOO_LARGE"));
    const bent = Buffer.from(honest);
    bent.writeUInt32BE(envelopeBodyBytesMax + 1, honest.length - body.length - 4);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_MALFORMED"));
  });

  test("any octets end in a Fault of an envelope", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (junk, isMarked) => {
        const bytes = isMarked ? Buffer.concat([Buffer.from("BWE1"), junk]) : Buffer.from(junk);
        expect(() => open(bytes)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ENVELOPE_/) as string }));
      }),
    );
  });
});

describe("keys and signatures", () => {
  test("S+L signature", () => {
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const at = 5 + 16 + 32;
    const s = BigInt(
      `0x${Buffer.from(honest.subarray(at, at + 32))
        .reverse()
        .toString("hex")}`,
    );
    const bent = Buffer.from(honest);
    Buffer.from((s + order).toString(16).padStart(64, "0"), "hex")
      .reverse()
      .copy(bent, at);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_SIGNATURE"));
  });

  test("small-order keys: even listed by mistake, nothing opens under one", () => {
    const weak = keyText("ed25519", Buffer.concat([Buffer.of(1), Buffer.alloc(31)]));
    const forged = Buffer.from(honest);
    Buffer.concat([Buffer.of(1), Buffer.alloc(63)]).copy(forged, 5 + 16);
    expect(() => open(forged, { keysById: () => weak, rule: () => ({ keys: [weak], threshold: 1 }) })).toThrow(fault("ENVELOPE_SIGNATURE"));
  });

  test("an unknown key, and a known one that may not", () => {
    expect(() => open(sealEnvelope(parts, body, [stranger]))).toThrow(fault("ENVELOPE_KEY"));
    expect(() => open(sealEnvelope(parts, body, [bob]), { rule: () => ({ keys: [ann.publicKey], threshold: 1 }) })).toThrow(fault("ENVELOPE_KEY"));
  });

  test("a signer that may beside one that may not: the second spoils it", () => {
    expect(() => open(sealEnvelope(parts, body, [ann, bob]), { rule: () => ({ keys: [ann.publicKey], threshold: 1 }) })).toThrow(fault("ENVELOPE_KEY"));
  });

  test("one signer twice for admin", () => {
    const rule: Verifier["rule"] = () => ({ keys: [ann.publicKey, bob.publicKey], threshold: 2 });
    expect(() => open(sealEnvelope(parts, body, [ann]), { rule })).toThrow(
      fault("ENVELOPE_SIGNATURE", { message: "2 distinct keys must sign a command of class write" }),
    );
    expect(() => open(sealEnvelope(parts, body, [ann, ann]), { rule })).toThrow(fault("ENVELOPE_SIGNATURE", { message: "one key signed an envelope twice" }));
    expect(open(sealEnvelope(parts, body, [ann, bob]), { rule }).signers).toEqual([ann.publicKey, bob.publicKey]);
  });

  test("a threshold of 0 lets nobody in", () => {
    expect(() => open(honest, { rule: () => ({ keys: [ann.publicKey], threshold: 0 }) })).toThrow(fault("ENVELOPE_KEY"));
  });

  test("a signature moved from another envelope of the same signer", () => {
    const other = sealEnvelope({ ...parts, seq: 10 }, body, [ann]);
    const bent = Buffer.from(honest);
    other.copy(bent, 5, 5, 85);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_SIGNATURE"));
  });

  test("the header names another first signer", () => {
    expect(() => open(withHeader((header) => (header["kid"] = kidOf(bob))))).toThrow(fault("ENVELOPE_MALFORMED"));
  });

  test("nothing of the header is read before a signature holds", () => {
    const bent = signedAround("{not json", body, [stranger]);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_KEY"));
  });
});

describe("the one form of a header", () => {
  const text = headerText(honest);

  test.each([
    ["duplicate JSON keys", text.replace('"seq":9', '"seq":9,"seq":1')],
    ["white space", text.replace(",", ", ")],
    ["an escape that needs none", text.replace("c-1", "\\u0063-1")],
    ["another order of keys", text.replace('{"v":1,"typ":"command"', '{"typ":"command","v":1')],
    ["one more key", text.replace(/}$/, ',"more":1}')],
    ["one key less", text.replace(',"prev":""', "")],
    ["a number with a point", text.replace('"epoch":3', '"epoch":3.0')],
    ["a number with an exponent", text.replace('"epoch":3', '"epoch":3e0')],
    ["a list", "[]"],
    ["null", "null"],
    ["no JSON", "v=1"],
    ["octets that are no UTF-8", Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.of(0xff), Buffer.from("}")])],
  ])("%s", (_name, header) => {
    expect(() => open(signedAround(header))).toThrow(fault("ENVELOPE_MALFORMED"));
  });

  test.each([
    ["seq 2^53", { seq: 2 ** 53 }],
    ["seq as a string", { seq: "9" }],
    ["seq below nothing", { seq: -1 }],
    ["a fraction", { epoch: 0.5 }],
    ["exp as null", { exp: null }],
    ["aud as a list", { aud: ["s_plant07"] }],
    ["a text of 257 characters", { cid: "c".repeat(257) }],
    ["typ confusion: a type that nobody knows", { typ: "Command" }],
    ["a class that nobody knows", { cls: "root" }],
    ["version 2", { v: 2 }],
    ["sealed, which this end cannot open", { enc: "box1" }],
  ])("%s", (_name, change) => {
    expect(() => open(withHeader((header) => Object.assign(header, change)))).toThrow(fault("ENVELOPE_MALFORMED"));
  });

  test("seq 2^53-1 is the last", () => {
    expect(open(withHeader((header) => (header["seq"] = Number.MAX_SAFE_INTEGER))).header.seq).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("typ confusion: the rule is asked for the type and class that were signed", () => {
    const asked: string[] = [];
    const rule = (header: EnvelopeHeader) => {
      asked.push(`${header.typ} ${header.cls}`);
      return { keys: [ann.publicKey], threshold: 1 };
    };
    for (const typ of ENVELOPE_TYPES) open(sealEnvelope({ ...parts, typ, cls: "admin" }, body, [ann]), { rule });
    expect(asked).toEqual(ENVELOPE_TYPES.map((typ) => `${typ} admin`));
  });
});

describe("for whom, when, once", () => {
  test.each(["s_ship3", "s_plant0", "s_plant07x", "", "*", "S_PLANT07"])("other site's aud, prefix of aud: %j", (aud) => {
    expect(() => open(sealEnvelope({ ...parts, aud }, body, [ann]))).toThrow(fault("ENVELOPE_AUDIENCE"));
  });

  test.each([0, 2, 4])("old epoch, or one that is not yet: %d", (epoch) => {
    expect(() => open(sealEnvelope({ ...parts, epoch }, body, [ann]))).toThrow(fault("ENVELOPE_AUDIENCE"));
  });

  test.each([
    ["exp passed, for certain", { exp: nowMs - 1_001 }, 1_000, "ENVELOPE_TIME"],
    ["exp passed, perhaps", { exp: nowMs - 999 }, 1_000, null],
    ["exp now", { exp: nowMs }, 0, null],
    ["no exp: it has a version instead", { exp: 0 }, 0, null],
    ["nbf not yet, for certain", { nbf: nowMs + 1_001 }, 1_000, "ENVELOPE_TIME"],
    ["nbf not yet, perhaps", { nbf: nowMs + 999 }, 1_000, null],
  ] as const)("%s", (_name, change, errorMs, code) => {
    const sealed = sealEnvelope({ ...parts, ...change }, body, [ann]);
    if (code === null) expect(open(sealed, { time: { nowMs, errorMs } }).header.cid).toBe("c-1");
    else expect(() => open(sealed, { time: { nowMs, errorMs } })).toThrow(fault(code));
    expect(open(sealed, { time: null }).header.cid, "nothing is judged by a clock that is not known").toBe("c-1");
  });

  test("twice: the number of this signer is asked for, and a used one is refused", () => {
    const seen = new Set<string>();
    const isSeen: Verifier["isSeen"] = (kid, seq) => {
      const key = `${kid} ${seq}`;
      return seen.has(key) || (seen.add(key), false);
    };
    open(honest, { isSeen });
    expect(() => open(honest, { isSeen })).toThrow(fault("ENVELOPE_REPLAYED"));
    expect(open(sealEnvelope({ ...parts, seq: 1_000 }, body, [ann]), { isSeen }).header.seq, "a gap is no sin").toBe(1_000);
    expect(open(sealEnvelope(parts, body, [bob]), { isSeen }).header.seq, "another signer's 9 is another number").toBe(9);
  });

  test("an envelope that is refused otherwise uses no number", () => {
    const asked: number[] = [];
    const isSeen: Verifier["isSeen"] = (_kid, seq) => {
      asked.push(seq);
      return false;
    };
    for (const change of [{ aud: "s_other" }, { epoch: 9 }, { exp: 1 }])
      expect(() => open(sealEnvelope({ ...parts, ...change }, body, [ann]), { isSeen })).toThrow();
    expect(asked).toEqual([]);
  });

  test("swapped body, relay edits a stored result: the header's hash tells", () => {
    const result = sealEnvelope({ ...parts, typ: "result", cid: "result-c-1" }, Buffer.from('{"state":"failed"}'), [ann]);
    const bent = Buffer.concat([result.subarray(0, result.length - 18), Buffer.from('{"state":"absent"}')]);
    expect(bent.length).toBe(result.length);
    expect(() => open(bent)).toThrow(fault("ENVELOPE_HASH"));
    expect(() => open(withHeader((header) => (header["sha256"] = "")))).toThrow(fault("ENVELOPE_HASH"));
    expect(() => open(withHeader((header) => (header["sha256"] = `${sha256(body).toString("hex")}zz`)))).not.toThrow(fault("BUG"));
  });
});
