// The `site` statement: who a site is, signed by the enrol role when an operator approved its agent. The agent presents it to relays that have
// forgotten it; commands are judged against its tier and epoch. Travels as an envelope of type `site`.
import { Fault } from "../kit/errors.ts";
import { parseKey, type KeyPair } from "../kit/keys.ts";
import { openEnvelope, sealEnvelope } from "./envelope.ts";
import { keysOf, ruleFor, type TrustDocument } from "./trust-document.ts";

export interface SiteStatement {
  readonly site: string;
  readonly version: number;
  readonly name: string;
  readonly signKey: string;
  readonly boxKey: string;
  readonly tier: string;
  readonly setting: "relayed" | "sealed";
  readonly epoch: number;
  readonly labels: Readonly<Record<string, string>>;
}

export function sealSiteStatement(statement: SiteStatement, signer: KeyPair, seq: number, nowMs: number): Buffer {
  const body = Buffer.from(JSON.stringify(statement));
  return sealEnvelope({ typ: "site", aud: statement.site, epoch: statement.epoch, seq, prev: "", cid: `site-${statement.version}`, iat: nowMs, nbf: 0, exp: 0, cls: "admin" }, body, [signer]);
}

/** Opens a statement for `site` whose signing key is ours. */
export function openSiteStatement(envelope: Uint8Array, document: TrustDocument, own: { readonly site: string; readonly signKey: string }): SiteStatement {
  const statement = readSiteStatement(envelope, document, own.site);
  if (statement.signKey !== own.signKey) throw new Fault("ENVELOPE_AUDIENCE", { what: "the site statement names another key than this agent's" });
  return statement;
}

/** Opens a statement that is about `site`, whatever its key. */
export function readSiteStatement(envelope: Uint8Array, document: TrustDocument, site: string): SiteStatement {
  const keys = keysOf(document);
  const opened = openEnvelope(envelope, {
    keysById: (kid) => keys.get(kid) ?? null,
    rule: (header) => {
      if (header.typ !== "site") throw new Fault("ENVELOPE_KEY", { what: `a ${header.typ} came where the site statement belongs` });
      return ruleFor(document, header);
    },
    audience: null,
    time: null,
    isSeen: () => false,
  });
  const statement = JSON.parse(opened.body.toString("utf8")) as SiteStatement;
  if (statement.site !== site || opened.header.aud !== site) throw new Fault("ENVELOPE_AUDIENCE", { what: "the site statement is another site's" });
  parseKey("ed25519", statement.signKey);
  return statement;
}
