// The agent's letters, both ways: what leaves is signed with the site's key as it leaves, what comes is verified before anything of it is stored and stored
// before its receipt. Refuses by the status that delivery.md section 3 gives each reason: only what is named here is the peer's fault and final, everything else
// is this site's own and passes. One desk for all links of the process.
import { createHash } from "node:crypto";
import type { Clock } from "../shared/kit/clock.ts";
import { crashPoint } from "../shared/kit/crash.ts";
import { asFault, Fault, type FaultCode } from "../shared/kit/errors.ts";
import type { KeyPair } from "../shared/kit/keys.ts";
import type { Logger } from "../shared/kit/log.ts";
import type { CourierSide, RenderedLetter, SettleStatus } from "../shared/outbox/courier.ts";
import { cancelLetterId, encodeLetter, type Letter } from "../shared/outbox/letter.ts";
import type { LeaseRoom } from "../shared/outbox/outbox.ts";
import { parseCommandBody, requireText } from "../shared/rules/command-spec.ts";
import { targetKeys } from "../shared/rules/ordering.ts";
import { kidOf, openEnvelope, sealEnvelope, type Opened } from "../shared/trust/envelope.ts";
import { keysOf, ruleFor, type TrustDocument } from "../shared/trust/trust-document.ts";
import { LinkOrder } from "./link-order.ts";
import type { SiteClock } from "./site-clock.ts";
import type { NewCancel, NewStored } from "./store/commands.ts";
import type { LeasedOwn } from "./store/letters.ts";
import type { AgentStore } from "./store/store.ts";

/** After so many refusals in a row nothing leaves for this time (ms): a relay that has no room is not asked ten thousand times. */
const refusalsInRowMax = 4;
const refusedPauseMs = 30_000;
const whyCharsMax = 500;

export interface Standing {
  readonly document: TrustDocument;
  /** The site's key epoch, from its statement. */
  readonly epoch: number;
}

export interface DeskOptions {
  readonly store: AgentStore;
  readonly clock: Clock;
  readonly siteClock: Pick<SiteClock, "estimate" | "shownMs">;
  readonly log: Logger;
  readonly siteId: string;
  readonly signKey: KeyPair;
  /** Trust in force and key epoch, or null while the site is not approved. */
  readonly standing: () => Standing | null;
  /** A command was stored. */
  readonly onCommand: () => void;
  /** A command that runs was cancelled. */
  readonly onCancel: (id: string) => void;
}

/** The link a desk's side works on. */
export interface DeskLink {
  /** Of this link and of no other in the life of this database. */
  readonly fence: number;
  readonly relayEpoch: number;
  /** Wakes its courier. */
  readonly poke: () => void;
}

/** What a peer's letter may be refused for. What is not here is our own disk's or our own bug, and the letter is asked for again. */
const STATUS_OF: Readonly<Partial<Record<FaultCode, SettleStatus>>> = {
  ENVELOPE_MALFORMED: "malformed",
  ENVELOPE_SIGNATURE: "malformed",
  ENVELOPE_HASH: "malformed",
  KEY_REFUSED: "malformed",
  ENVELOPE_KEY: "trust",
  TRUST_REFUSED: "trust",
  ENVELOPE_AUDIENCE: "policy",
  ENVELOPE_REPLAYED: "policy",
  CONFLICT: "policy",
  POLICY_REFUSED: "policy",
  COMMAND_INVALID: "unsupported",
  MANIFEST_EMPTY: "unsupported",
};

export class LetterDesk {
  readonly #options: DeskOptions;
  /** Letters that are being judged and committed, of every link so far. */
  readonly #judging = new Set<Promise<SettleStatus>>();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** The durable side of one link. */
  side(link: DeskLink): CourierSide {
    const { clock } = this.#options;
    const order = new LinkOrder();
    let refusalsInRow = 0;
    let pausedUntilMs = 0;
    return {
      lease: async (room) => (clock.monoMs() < pausedUntilMs ? [] : this.#lease(link.fence, room)),
      settle: async (id, status) => {
        refusalsInRow = status === "storage" || status === "trust" ? refusalsInRow + 1 : 0;
        if (refusalsInRow >= refusalsInRowMax) {
          pausedUntilMs = clock.monoMs() + refusedPauseMs;
          clock.after(refusedPauseMs, link.poke);
        }
        await this.#settle(link.fence, id, status);
      },
      intake: async (letter) => {
        const verdict = order.judge(letter.head, () => this.#judge(letter, link));
        this.#judging.add(verdict);
        try {
          return await verdict;
        } finally {
          this.#judging.delete(verdict);
        }
      },
    };
  }

  async #lease(fence: number, room: LeaseRoom): Promise<RenderedLetter[]> {
    const { store, siteClock, siteId, signKey, standing } = this.#options;
    const signer = { siteId, epoch: standing()?.epoch ?? 1, kid: kidOf(signKey.publicKey) };
    for (;;) {
      const leased = await store.call("leaseOwn", { ...room, ...signer, fence, nowMs: siteClock.shownMs() });
      const letters = await this.#renderAll(leased, fence);
      // None of them could be made: there may be others behind them, and nobody else would look.
      if (letters.length > 0 || leased.length === 0) return letters;
    }
  }

  async #renderAll(leased: readonly LeasedOwn[], fence: number): Promise<RenderedLetter[]> {
    const { store, siteClock, log } = this.#options;
    const letters: RenderedLetter[] = [];
    for (const letter of leased) {
      try {
        letters.push(this.#render(letter));
      } catch (error) {
        // One that cannot be made must not hold the others back: all of this lease are marked as offered already.
        const fault = asFault(error);
        const why = `${fault.message}: ${fault.why}`.slice(0, whyCharsMax);
        log.error({ letter: letter.id, code: fault.code, why }, "a letter cannot be sent as it is");
        // Should that fail too, the letter is in doubt, and the next link brings it here again.
        await store.call("ownUnsendable", { id: letter.id, fence, why, nowMs: siteClock.shownMs() }).catch((again: unknown) => log.error({ letter: letter.id, why: asFault(again).why }, "a letter that cannot be sent could not be replaced"));
      }
    }
    return letters;
  }

  async #settle(fence: number, id: string, status: SettleStatus): Promise<void> {
    const { store, siteClock, log } = this.#options;
    const letter = { id, fence, nowMs: siteClock.shownMs() };
    if (status === "committed") return store.call("ownReceipt", letter);
    if (status === "storage" || status === "trust") {
      log.warn({ letter: id, status }, "the relay has no room for a letter; it is kept and tried again");
      return store.call("ownReturn", letter);
    }
    const fate = await store.call("ownRefused", letter);
    log.error({ letter: id, status, fate }, "the relay refused a letter for good");
  }

  #render(letter: LeasedOwn): RenderedLetter {
    const body = letter.body ?? new Uint8Array(0);
    if (letter.sum !== null && createHash("sha256").update(body).digest("hex") !== letter.sum) throw new Fault("STORE_CORRUPT", { what: "the letter was damaged on this site's disk", why: "its octets are not those that were written" });
    const envelope = sealEnvelope(letter.parts, body, [this.#options.signKey]);
    return { id: letter.id, lane: letter.lane, bytes: encodeLetter({ id: letter.id, lane: letter.lane, kind: letter.kind, order: letter.ord }, envelope) };
  }

  async #judge(letter: Letter, link: DeskLink): Promise<SettleStatus> {
    const { store, log, onCommand, onCancel } = this.#options;
    try {
      const opened = this.#open(letter);
      crashPoint("letter-before-insert");
      if (opened.header.typ === "cancel") {
        const cancel = this.#cancelOf(opened, link.fence);
        const state = await store.call("cancelCommand", cancel);
        if (state === "claimed") onCancel(cancel.id);
        else link.poke(); // its result is there now, or again
      } else if ((await store.call("storeCommand", this.#commandOf(letter, opened, link))) === "known") link.poke(); // likewise
      crashPoint("committed-before-receipt");
      onCommand();
      return "committed";
    } catch (error) {
      const fault = asFault(error);
      log.warn({ letter: letter.head.id, code: fault.code, why: fault.why }, "a command was refused");
      return STATUS_OF[fault.code] ?? "storage";
    }
  }

  /** Verified, and of a form that this site knows; nothing of its body is read yet. */
  #open(letter: Letter): Opened {
    const { siteId, siteClock } = this.#options;
    const standing = this.#options.standing();
    if (standing === null) throw new Fault("TRUST_REFUSED", { what: "this site is not approved yet" });
    const { document, epoch } = standing;
    const now = siteClock.estimate();
    if (now !== null && now.nowMs - now.errorMs > document.expires) throw new Fault("TRUST_REFUSED", { what: "the trust document has expired", why: `it was good until ${new Date(document.expires).toISOString()}` });
    const keys = keysOf(document);
    const opened = openEnvelope(letter.envelope, {
      keysById: (kid) => keys.get(kid) ?? null,
      rule: (asked) => ruleFor(document, asked),
      audience: { site: siteId, epoch },
      time: null, // a command whose time is over is stored and expires here, so that its end is reported
      isSeen: () => false, // judged in the transaction that stores it
    });
    const { typ, cid, exp } = opened.header;
    if (typ !== "command" && typ !== "cancel") throw new Fault("COMMAND_INVALID", { what: `a ${typ} is not taken yet` });
    if (letter.head.kind !== typ || letter.head.id !== (typ === "cancel" ? cancelLetterId(cid) : cid)) throw new Fault("ENVELOPE_MALFORMED", { what: "a letter's head and envelope name different things" });
    if (exp === 0) throw new Fault("COMMAND_INVALID", { what: `a ${typ} without a deadline` });
    return opened;
  }

  #cancelOf({ header, body }: Opened, fence: number): NewCancel {
    const { operator } = jsonOf(body) as { operator?: unknown };
    return { id: header.cid, cls: header.cls, operator: requireText(operator, "operator", 128), deadlineMs: header.exp, kid: header.kid, seq: header.seq, floor: header.floor, fence, nowMs: this.#options.siteClock.shownMs() };
  }

  #commandOf(letter: Letter, { header, headerBytes, body }: Opened, { relayEpoch, fence }: DeskLink): NewStored {
    const asked = parseCommandBody(jsonOf(body), header.cls);
    return {
      id: header.cid,
      relayEpoch,
      ord: letter.head.order ?? 0,
      after: letter.head.after ?? null,
      lane: letter.head.lane,
      kind: asked.spec.kind,
      cls: header.cls,
      header: headerBytes.toString("utf8"),
      body,
      bodyHash: header.sha256,
      keys: targetKeys(asked.spec, asked.orderingKey),
      nbfMs: header.nbf,
      deadlineMs: header.exp,
      kid: header.kid,
      seq: header.seq,
      floor: header.floor,
      fence,
      nowMs: this.#options.siteClock.shownMs(),
    };
  }

  /** Which of the relay's letters in doubt are here, after what is still being committed has settled. Results of those that have ended leave with our next letters. */
  async held(ids: readonly string[], fence: number): Promise<string[]> {
    const { store, siteClock } = this.#options;
    await Promise.allSettled(this.#judging);
    if (ids.length > 0) await store.call("reportEnded", { ids, fence, nowMs: siteClock.shownMs() });
    return store.call("heldCommands", { ids });
  }
}

function jsonOf(body: Uint8Array): object {
  try {
    const value = JSON.parse(Buffer.from(body).toString("utf8")) as unknown;
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // said below
  }
  throw new Fault("ENVELOPE_MALFORMED", { what: "a body is not a JSON object" });
}
