// Letters to a site: leased from the store (offered, numbered), signed by the relay's command key as they leave, settled by receipts. The envelope is made
// at the offer and not at acceptance, so it is always signed by the key in force and numbered without holes.
import type { Clock } from "../../shared/kit/clock.ts";
import { crashPoint } from "../../shared/kit/crash.ts";
import type { KeyPair } from "../../shared/kit/keys.ts";
import type { RenderedLetter, SettleStatus } from "../../shared/outbox/courier.ts";
import type { LeaseRoom } from "../../shared/outbox/outbox.ts";
import { encodeLetter } from "../../shared/outbox/letter.ts";
import { sealEnvelope } from "../../shared/trust/envelope.ts";
import type { LeasedCommand } from "../store/delivery.ts";
import type { RelayStore } from "../store/store.ts";

export interface DeliverOptions {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly commandKey: KeyPair;
}

export async function leaseLetters(options: DeliverOptions, site: { readonly id: string; readonly fence: number }, room: LeaseRoom): Promise<RenderedLetter[]> {
  const leased = await options.store.call("leaseCommands", { ...room, site: site.id, fence: site.fence, nowMs: options.clock.wallMs() });
  if (leased.length > 0) crashPoint("offered-before-send");
  return leased.map((command) => render(options, site.id, command));
}

function render(options: DeliverOptions, site: string, command: LeasedCommand): RenderedLetter {
  const envelope = sealEnvelope(
    { typ: "command", aud: site, epoch: command.epoch, seq: command.seq, prev: "", cid: command.id, iat: command.askedMs, nbf: 0, exp: command.deadlineMs, cls: "write" },
    command.body,
    [options.commandKey],
  );
  const head = { id: command.id, lane: "deploy", kind: "command", order: command.ord, ...(command.after === null ? {} : { after: command.after }) } as const;
  return { id: command.id, lane: "deploy", bytes: encodeLetter(head, envelope) };
}

export async function settleLetter(options: DeliverOptions, site: { readonly id: string; readonly fence: number }, id: string, status: SettleStatus): Promise<void> {
  await options.store.call("settleLetter", { site: site.id, fence: site.fence, id, status, nowMs: options.clock.wallMs() });
}
