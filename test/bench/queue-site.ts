// A site for the queue's benches: a real agent process whose relay is played here, by the product's link and courier over letters that were signed beforehand. So what is
// measured is the agent: its link, its verification, its commits, its receipts.
import { join } from "node:path";
import { silentLog } from "../../shared/kit/log.ts";
import { systemClock } from "../../shared/kit/clock.ts";
import { readSecretFile, sha256, signingKeysOf, type KeyPair } from "../../shared/kit/keys.ts";
import { systemRandom } from "../../shared/kit/random.ts";
import type { Claim } from "../../shared/link/handshake.ts";
import { Link } from "../../shared/link/link.ts";
import type { FrameSocket } from "../../shared/link/frame-socket.ts";
import { Courier, type RenderedLetter } from "../../shared/outbox/courier.ts";
import { encodeLetter } from "../../shared/outbox/letter.ts";
import { sealEnvelope } from "../../shared/trust/envelope.ts";
import { creditStartBytes, letterCreditBytes, letterCreditLetters } from "../../shared/wire/limits.ts";
import type { CommandBody } from "../../shared/api.ts";
import { FakeRelay } from "../e2e/raw-peers.ts";
import { Place } from "../e2e/place.ts";
import { order } from "./queue-accepts.ts";

const dayMs = 86_400_000;
const leasedAtOnce = 32;
const ownLetterCredit = { letters: letterCreditLetters, octets: letterCreditBytes } as const;

function commandKeyOf(place: Place): KeyPair {
  return signingKeysOf(Buffer.from(readSecretFile(join(place.relayData, "identity.key"))["command"]!, "base64url"));
}

/** Commands for a site, signed; none may start before tomorrow, so that storing them is all that is done. */
export function signedCommands(place: Place, site: string, count: number): RenderedLetter[] {
  const key = commandKeyOf(place);
  const nowMs = Date.now();
  return Array.from({ length: count }, (_none, index) => {
    const body = Buffer.from(JSON.stringify({ operator: "admin", tier: "admin", spec: order(`cm-${index}`) } satisfies CommandBody));
    const hash = sha256(`${site} ${index}`).toString("hex");
    const id = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
    const envelope = sealEnvelope({ typ: "command", aud: site, epoch: 1, seq: nowMs + index, floor: 0, prev: sha256(id).toString("hex"), cid: id, iat: nowMs, nbf: nowMs + dayMs, exp: nowMs + 7 * dayMs, cls: "write" }, body, [key]);
    return { id, lane: "deploy", bytes: encodeLetter({ id, lane: "deploy", kind: "command", order: index + 1 }, envelope) };
  });
}

export class PlayedRelay {
  readonly #fake: FakeRelay;
  readonly linked: Promise<{ readonly link: Link; readonly site: string }>;
  #waiting: RenderedLetter[] = [];
  #courier!: Courier;
  receipts = 0;
  refused = 0;
  #onReceipt: () => void = () => {};

  private constructor(fake: FakeRelay, linked: PlayedRelay["linked"]) {
    this.#fake = fake;
    this.linked = linked;
  }

  static async start(place: Place): Promise<PlayedRelay> {
    let resolve!: (linked: { link: Link; site: string }) => void;
    const linked = new Promise<{ link: Link; site: string }>((settle) => (resolve = settle));
    const welcome = { startCredit: creditStartBytes, letterCredit: ownLetterCredit };
    const fake = await FakeRelay.start(place, welcome, (socket, claim) => resolve({ link: played.#serve(socket, claim), site: claim.site! }));
    const played: PlayedRelay = new PlayedRelay(fake, linked);
    return played; // links come later than this
  }

  #serve(socket: FrameSocket, claim: Claim): Link {
    const { startCredit, letterCredit } = claim.hello!;
    const link = new Link({ role: "relay", socket, peerStartCredit: startCredit, ownStartCredit: creditStartBytes, peerLetterCredit: letterCredit, ownLetterCredit, clock: systemClock, random: systemRandom, log: silentLog });
    const courier = new Courier({ port: link.letterPort, side: { lease: (room) => Promise.resolve(this.#waiting.splice(0, Math.min(room.letters, leasedAtOnce))), settle: (_id, status) => this.#settled(status), intake: () => Promise.resolve("committed") }, clock: systemClock, log: silentLog, granted: ownLetterCredit, onStuck: () => {} });
    this.#courier = courier;
    link.letters = courier;
    link.onHeld = () => courier.open();
    link.start();
    return link;
  }

  #settled(status: string): Promise<void> {
    if (status === "committed") this.receipts += 1;
    else this.refused += 1;
    this.#onReceipt();
    return Promise.resolve();
  }

  /** Sends them all; resolves with the last receipt. */
  async send(letters: readonly RenderedLetter[]): Promise<void> {
    const all = this.receipts + this.refused + letters.length;
    this.#waiting = [...letters];
    const done = new Promise<void>((resolve) => (this.#onReceipt = () => this.receipts + this.refused >= all && resolve()));
    this.#courier.poke();
    await done;
  }

  stop(): Promise<void> {
    return this.#fake.stop();
  }
}
