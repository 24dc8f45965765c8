// What happens on the agent's one link: the handshake's answer is walked into the trust chain, streams go to the API server, letters to and from the store.
// Promises: a command is verified before anything of it is stored, stored before its receipt; nothing of a stream is served after its link. Called by agent.ts.
import { asFault, Fault } from "../shared/kit/errors.ts";
import type { Clock } from "../shared/kit/clock.ts";
import type { Logger } from "../shared/kit/log.ts";
import type { Random } from "../shared/kit/random.ts";
import { Courier } from "../shared/outbox/courier.ts";
import type { LinkSocket } from "../shared/link/link-socket.ts";
import type { AgentHandshakeResult } from "../shared/link/handshake.ts";
import type { AgentHello } from "../shared/link/handshake-parts.ts";
import { Link } from "../shared/link/link.ts";
import type { StreamHandler } from "../shared/link/stream-set.ts";
import { creditStartBytes, letterCreditBytes, letterCreditLetters } from "../shared/wire/limits.ts";
import type { LetterDesk } from "./letter-desk.ts";
import type { AgentStore } from "./store/store.ts";

const ownLetterCredit = { letters: letterCreditLetters, octets: letterCreditBytes } as const;

export interface ServeOptions {
  readonly store: AgentStore;
  readonly desk: LetterDesk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onStream: StreamHandler;
}

type OwnFacts = Pick<AgentHello, "agentEpoch" | "relayEpoch" | "relayFence" | "trustVersion" | "statement" | "version" | "freeOctets" | "clockErrorMs">;

/** The hello of a claim: what this end holds and grants. */
export async function makeHello(store: AgentStore, facts: OwnFacts): Promise<AgentHello> {
  const [inDoubt, counts, relayOrder] = await Promise.all([store.call("ownInDoubt", null), store.call("ownCounts", null), store.call("greatestOrder", { relayEpoch: facts.relayEpoch })]);
  return { ...facts, relayOrder, startCredit: creditStartBytes, letterCredit: ownLetterCredit, inDoubt, outbox: counts.waiting };
}

/** What this site knows of every command, put into letters. A site whose disk is full still links: the relay asks again on each link, and offers nothing until it has them. */
export async function postRecords(store: AgentStore, log: Logger, asked: { readonly relayEpoch: number; readonly nowMs: number }): Promise<void> {
  try {
    await store.call("postRecords", asked);
    log.warn({ relayEpoch: asked.relayEpoch }, "the relay was put back from a copy; it is told what this site knows of its commands");
  } catch (error) {
    log.error({ code: asFault(error).code, why: asFault(error).why }, "what this site knows of its commands could not be told");
  }
}

export interface Shaken {
  readonly socket: LinkSocket;
  /** This agent's own number of the link. The relay's fence is no name for it: a relay that was put back from a copy draws the same fences again. */
  readonly dial: number;
  readonly result: AgentHandshakeResult;
  /** What hello named. */
  readonly inDoubt: readonly string[];
}

/** Starts the link; what was in doubt is settled before a letter of ours leaves. */
export async function serveLink(options: ServeOptions, { socket, dial, result, inDoubt }: Shaken): Promise<{ readonly link: Link; readonly courier: Courier }> {
  const { store, clock, random, log, desk } = options;
  const { welcome } = result;
  const link = new Link({
    role: "agent",
    socket,
    peerStartCredit: welcome.startCredit,
    ownStartCredit: creditStartBytes,
    peerLetterCredit: welcome.letterCredit,
    ownLetterCredit,
    clock,
    random,
    log,
  });
  const courier: Courier = new Courier({
    port: link.letterPort,
    side: desk.side({ fence: dial, relayEpoch: welcome.relayEpoch, poke: () => courier.poke() }),
    clock,
    log,
    granted: ownLetterCredit,
    onStuck: () => link.abort("stuck", new Fault("LINK_SILENT", { what: "letters have no receipt on a live link" })),
  });
  link.letters = courier;
  link.onStream = options.onStream;
  await store.call("settleOwnDoubts", { inDoubt, held: welcome.held });
  // Always said, for the relay sends no letter before it; read after every older link's intake has settled: the desk waits for what is still being committed.
  link.mux.held(Buffer.from(JSON.stringify({ held: await desk.held(welcome.inDoubt, dial) })));
  link.start();
  courier.open();
  void link.ended.then((end) => log.info({ code: end.fault.code, why: end.fault.why, saidBy: end.saidBy }, "link ended"));
  return { link, courier };
}
