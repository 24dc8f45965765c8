// Letters to a site: leased from the store (offered, numbered), signed by the relay's command key as they leave, settled by receipts. The envelope is made
// at the offer and not at acceptance, so it is always signed by the key in force and numbered without holes. One that cannot be made ends alone.
import type { Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import { asFault, Fault } from "../../shared/kit/errors.ts";
import { sha256, type KeyPair } from "../../shared/kit/keys.ts";
import type { Logger } from "../../shared/kit/log.ts";
import type { RenderedLetter, SettleStatus } from "../../shared/outbox/courier.ts";
import { encodeLetter } from "../../shared/outbox/letter.ts";
import type { LeaseRoom } from "../../shared/outbox/outbox.ts";
import { kidOf, sealEnvelope } from "../../shared/trust/envelope.ts";
import type { LeasedCommand } from "../store/delivery.ts";
import type { RelayStore } from "../store/store.ts";

export interface DeliverOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly commandKey: KeyPair;
}

interface LinkedSite {
  readonly id: string;
  readonly fence: number;
}

export async function leaseLetters(options: DeliverOptions, site: LinkedSite, room: LeaseRoom): Promise<RenderedLetter[]> {
  const { store, clock, commandKey } = options;
  for (;;) {
    const leased = await store.call("leaseCommands", { ...room, site: site.id, fence: site.fence, kid: kidOf(commandKey.publicKey), nowMs: clock.wallMs() });
    if (leased.length > 0) crashPoint("offered-before-send");
    const letters = await renderAll(options, site, leased);
    // None of them could be made: there may be others behind them, and nobody else would look.
    if (letters.length > 0 || leased.length === 0) return letters;
  }
}

async function renderAll({ store, clock, log, commandKey }: DeliverOptions, site: LinkedSite, leased: readonly LeasedCommand[]): Promise<RenderedLetter[]> {
  const letters: RenderedLetter[] = [];
  for (const command of leased) {
    try {
      letters.push(render(commandKey, command));
    } catch (error) {
      const fault = asFault(error);
      log.error({ command: command.id, code: fault.code, why: fault.why }, "a command cannot be put into a letter");
      const why = `${fault.message}: ${fault.why}`.slice(0, 500);
      // Should that fail too, the letter is in doubt, and the next link brings it here again.
      await store.call("rejectUnsendable", { site: site.id, id: command.id, why, nowMs: clock.wallMs() }).catch((again: unknown) => log.error({ command: command.id, why: asFault(again).why }, "a command that cannot be sent could not be ended"));
    }
  }
  return letters;
}

function render(commandKey: KeyPair, command: LeasedCommand): RenderedLetter {
  const { id, lane, kind, after, bodyHash } = command;
  // A signature makes whatever is under it the operator's word: never of what a disk has changed.
  if (sha256(command.body).toString("hex") !== bodyHash) throw new Fault("STORE_CORRUPT", { what: "its body was damaged on the relay's disk", why: "it is not what was accepted", hint: "give the order again; and check that disk" });
  const envelope = sealEnvelope(command.parts, command.body, [commandKey]);
  const head = { id, lane, kind, order: command.ord, ...(after === null ? {} : { after }) };
  return { id, lane, bytes: encodeLetter(head, envelope) };
}

export async function settleLetter(options: DeliverOptions, site: LinkedSite, id: string, status: SettleStatus): Promise<void> {
  await options.store.call("settleLetter", { site: site.id, fence: site.fence, id, status, nowMs: options.clock.wallMs() });
}
