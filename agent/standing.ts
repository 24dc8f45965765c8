// Where the site stands: the trust document in force and its own signed statement, as the last WELCOME left them. What a relay says is walked and verified
// before it is stored, and stored before it is used.
import { Fault } from "../shared/kit/errors.ts";
import type { AgentHandshakeResult } from "../shared/link/handshake.ts";
import { openSiteStatement, type SiteStatement } from "../shared/trust/site-statement.ts";
import { acceptFirst, acceptNext, type TrustDocument } from "../shared/trust/trust-document.ts";
import { recordOf, storedTrust, type AgentFolder, type RelayRecord } from "./folder.ts";

export class SiteStanding {
  readonly #folder: AgentFolder;
  readonly #relay: RelayRecord;
  #document: TrustDocument | null;
  #statement: SiteStatement | null;
  relayEpoch: number;
  /** The last link that the relay gave this process in that epoch. */
  relayFence = 0;
  name: string;
  /** The statement as it came, in base64url. */
  #statementOctets: string;
  /** The facts of the last WELCOME that are stored, as JSON. */
  #stored = "";

  private constructor(folder: AgentFolder, relay: RelayRecord, state: { document: TrustDocument | null; statement: SiteStatement | null; octets: string; relayEpoch: number; name: string }) {
    this.#folder = folder;
    this.#relay = relay;
    this.#document = state.document;
    this.#statement = state.statement;
    this.#statementOctets = state.statement === null ? "" : state.octets;
    this.relayEpoch = state.relayEpoch;
    this.name = state.name;
  }

  /** Reads what is stored; every signature is checked again. */
  static async open(folder: AgentFolder, relay: RelayRecord): Promise<SiteStanding> {
    const facts = await folder.store.call("allFacts", null);
    const document = await storedTrust(folder.store, relay);
    const statement = document === null || facts.statement === undefined ? null : openSiteStatement(Buffer.from(facts.statement, "base64url"), document, { site: folder.siteId, signKey: folder.keys.sign.publicKey });
    return new SiteStanding(folder, relay, { document, statement, octets: facts.statement ?? "", relayEpoch: Number(facts.relayEpoch ?? 0), name: facts.name ?? recordOf<{ name: string }>(facts, "joining")?.name ?? "" });
  }

  get trustVersion(): number {
    return this.#document?.version ?? 0;
  }

  /** Null while the site is not approved. */
  get approved(): { readonly document: TrustDocument; readonly epoch: number; readonly statement: SiteStatement } | null {
    return this.#document === null || this.#statement === null ? null : { document: this.#document, epoch: this.#statement.epoch, statement: this.#statement };
  }

  /** What a relay that has forgotten this site is shown. */
  get presented(): { readonly statement?: string } {
    return this.#statementOctets === "" ? {} : { statement: this.#statementOctets };
  }

  /** Takes a WELCOME: walks its trust documents, opens its statement, stores both. Fault TRUST_REFUSED, ENVELOPE_*: the relay is not to be believed. */
  async absorb({ welcome, fence }: Pick<AgentHandshakeResult, "welcome" | "fence">): Promise<void> {
    let document = this.#document;
    const steps: { version: number; envelope: Uint8Array }[] = [];
    // A join is answered with the whole chain, and may be asked again after its answer was stored: what is here to the octet was walked before.
    const stored = await this.#folder.store.call("trustChain", null);
    for (const envelope of welcome.trust) {
      if (stored.some((known) => Buffer.compare(known, envelope) === 0)) continue;
      document = document === null ? acceptFirst(envelope, this.#relay.trustRoot) : acceptNext(envelope, document);
      steps.push({ version: document.version, envelope });
    }
    if (document === null) throw new Fault("TRUST_REFUSED", { what: "the relay sent no trust document", why: "a site believes nobody without one", hint: "its data folder may be incomplete: restore the relay's whole folder from one backup" });
    const own = { site: this.#folder.siteId, signKey: this.#folder.keys.sign.publicKey };
    const statement = welcome.siteStatement === null ? this.#statement : openSiteStatement(welcome.siteStatement, document, own);
    const relayEpoch = Math.max(this.relayEpoch, welcome.relayEpoch);
    const facts = { name: welcome.name, site: own.site, relayEpoch: String(relayEpoch), ...(welcome.siteStatement === null ? {} : { statement: Buffer.from(welcome.siteStatement).toString("base64url") }) };
    // A link that says what is known already writes nothing: a site whose disk is full must still link.
    const known = JSON.stringify(facts);
    if (steps.length > 0 || known !== this.#stored) await this.#folder.store.call("takeWelcome", { documents: steps, facts });
    this.#stored = known;
    this.#document = document;
    this.#statement = statement;
    this.#statementOctets = facts.statement ?? this.#statementOctets;
    this.name = welcome.name;
    // What an older epoch gave out says nothing of this one's.
    this.relayFence = relayEpoch === this.relayEpoch ? Math.max(this.relayFence, fence) : fence;
    this.relayEpoch = relayEpoch;
  }
}
