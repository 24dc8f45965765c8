// The agent's letters, both ways: what leaves is signed with the site's key as it leaves, what comes is verified before anything of it is stored and stored
// before its receipt. Refuses by the status that delivery.md section 3 gives each reason. One desk for all links of the process.
import { createHash } from "node:crypto";
import type { Clock } from "../shared/kit/clock.ts";
import { crashPoint } from "../shared/kit/crash.ts";
import { asFault, Fault, type FaultCode } from "../shared/kit/errors.ts";
import type { KeyPair } from "../shared/kit/keys.ts";
import type { Logger } from "../shared/kit/log.ts";
import type { CourierSide, RenderedLetter, SettleStatus } from "../shared/outbox/courier.ts";
import { encodeLetter, type Letter } from "../shared/outbox/letter.ts";
import { findCommandKind } from "../shared/rules/command-kinds.ts";
import { openEnvelope, sealEnvelope } from "../shared/trust/envelope.ts";
import { keysOf, ruleFor, type TrustDocument } from "../shared/trust/trust-document.ts";
import type { SiteClock } from "./site-clock.ts";
import type { NewStored } from "./store/commands.ts";
import type { LeasedOwn } from "./store/letters.ts";
import type { AgentStore } from "./store/store.ts";

/** A relay that has no room is asked again after this (ms). */
const refusedPauseMs = 30_000;

export interface Standing {
  readonly document: TrustDocument;
  /** The site's key epoch, from its statement. */
  readonly epoch: number;
}

export interface DeskOptions {
  readonly store: AgentStore;
  readonly clock: Clock;
  readonly siteClock: SiteClock;
  readonly log: Logger;
  readonly siteId: string;
  readonly signKey: KeyPair;
  /** Trust in force and key epoch, or null while the site is not approved. */
  readonly standing: () => Standing | null;
  /** A command was stored. */
  readonly onCommand: () => void;
}

const STATUS_OF: Readonly<Partial<Record<FaultCode, SettleStatus>>> = {
  DISK_FULL: "storage",
  STORE_FAILED: "storage",
  QUEUE_FULL: "storage",
  TOO_MANY: "storage",
  DRAINING: "storage",
  ENVELOPE_KEY: "trust",
  ENVELOPE_AUDIENCE: "policy",
  TRUST_REFUSED: "trust",
  ENVELOPE_REPLAYED: "policy",
  CONFLICT: "policy",
  COMMAND_INVALID: "unsupported",
};

export class LetterDesk {
  readonly #options: DeskOptions;
  readonly #committing = new Set<Promise<unknown>>();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** The durable side of one link. `poke` wakes its courier. */
  side(fence: number, poke: () => void): CourierSide {
    const { store, clock, siteClock, log } = this.#options;
    let pausedUntilMs = 0;
    /** A command refused on this link holds back its successors on this link: order inside a key is kept. */
    const refused = new Map<string, SettleStatus>();
    return {
      lease: async (room) => {
        if (clock.monoMs() < pausedUntilMs) return [];
        return (await store.call("leaseOwn", { ...room, fence, nowMs: siteClock.shownMs() })).map((letter) => this.#render(letter));
      },
      settle: async (id, status) => {
        if (status === "committed") return store.call("ownReceipt", { id, fence });
        if (status !== "storage" && status !== "trust") {
          log.error({ letter: id, status }, "the relay refused a letter for good");
          return store.call("ownDrop", { id, fence });
        }
        pausedUntilMs = clock.monoMs() + refusedPauseMs;
        clock.after(refusedPauseMs, poke);
        log.warn({ letter: id, status }, "the relay has no room for a letter; it is kept and tried again");
        return store.call("ownReturn", { id, fence, notBeforeMs: 0 });
      },
      intake: (letter) => this.#intake(letter, refused),
    };
  }

  #render(letter: LeasedOwn): RenderedLetter {
    const { siteId, signKey, siteClock } = this.#options;
    const typ = letter.kind === "report" || letter.kind === "event" ? "report" : "result";
    const epoch = this.#options.standing()?.epoch ?? 1;
    const envelope = sealEnvelope({ typ, aud: siteId, epoch, seq: letter.seq, prev: "", cid: letter.id, iat: siteClock.shownMs(), nbf: 0, exp: 0, cls: "read" }, letter.body ?? new Uint8Array(0), [signKey]);
    return { id: letter.id, lane: letter.lane, bytes: encodeLetter({ id: letter.id, lane: letter.lane, kind: letter.kind, order: letter.ord }, envelope) };
  }

  async #intake(letter: Letter, refused: Map<string, SettleStatus>): Promise<SettleStatus> {
    const { after, id } = letter.head;
    const before = after === undefined ? undefined : refused.get(after);
    const status = before ?? (await this.#judge(letter));
    if (status !== "committed") refused.set(id, status);
    return status;
  }

  async #judge(letter: Letter): Promise<SettleStatus> {
    const { store, log, onCommand } = this.#options;
    try {
      const command = this.#open(letter);
      crashPoint("letter-before-insert");
      const commit = store.call("storeCommand", command);
      this.#committing.add(commit);
      try {
        await commit;
      } finally {
        this.#committing.delete(commit);
      }
      crashPoint("committed-before-receipt");
      onCommand();
      return "committed";
    } catch (error) {
      const fault = asFault(error);
      log.warn({ letter: letter.head.id, code: fault.code, why: fault.why }, "a command was refused");
      return STATUS_OF[fault.code] ?? "malformed";
    }
  }

  #open(letter: Letter): NewStored {
    const { siteId, siteClock } = this.#options;
    const standing = this.#options.standing();
    if (standing === null) throw new Fault("TRUST_REFUSED", { what: "this site is not approved yet" });
    const { document, epoch } = standing;
    const now = siteClock.estimate();
    if (now !== null && now.nowMs - now.errorMs > document.expires) throw new Fault("TRUST_REFUSED", { what: "the trust document has expired", why: `it was good until ${new Date(document.expires).toISOString()}` });
    const keys = keysOf(document);
    const { header, body } = openEnvelope(letter.envelope, {
      keysById: (kid) => keys.get(kid) ?? null,
      rule: (asked) => ruleFor(document, asked),
      audience: { site: siteId, epoch },
      time: null, // a command whose time is over is stored and expires here, so that its end is reported
      isSeen: () => false, // judged in the transaction that stores it
    });
    if (header.typ !== "command") throw new Fault("COMMAND_INVALID", { what: `a ${header.typ} is not taken yet` });
    if (header.cid !== letter.head.id) throw new Fault("ENVELOPE_MALFORMED", { what: "a letter's head and envelope name different commands" });
    if (header.exp === 0) throw new Fault("COMMAND_INVALID", { what: "a command without a deadline" });
    const kind = kindOf(body);
    if (findCommandKind(kind) === null) throw new Fault("COMMAND_INVALID", { what: `this agent knows no command "${kind}"` });
    return {
      id: header.cid,
      ord: letter.head.order ?? 0,
      after: letter.head.after ?? null,
      kind,
      body,
      bodyHash: createHash("sha256").update(body).digest("hex"),
      deadlineMs: header.exp,
      kid: header.kid,
      seq: header.seq,
      nowMs: siteClock.shownMs(),
    };
  }

  /** Which of the relay's letters in doubt are here, after what is still being committed has settled. */
  async held(ids: readonly string[]): Promise<string[]> {
    await Promise.allSettled([...this.#committing]);
    return this.#options.store.call("heldCommands", { ids });
  }
}

function kindOf(body: Uint8Array): string {
  try {
    return String((JSON.parse(Buffer.from(body).toString("utf8")) as { spec?: { kind?: unknown } }).spec?.kind ?? "");
  } catch {
    throw new Fault("ENVELOPE_MALFORMED", { what: "a command's body is not JSON" });
  }
}
