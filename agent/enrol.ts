// Joining: keys and what the token says are durable before the first octet leaves; the relay proves itself before it hears of the token; a lost reply is asked
// for again with the same key. Ends with the match code that the installer reads out. trust.md section 4.
import { readFileSync } from "node:fs";
import type { Clock } from "../shared/kit/clock.ts";
import { asFault, Fault } from "../shared/kit/errors.ts";
import { fileFault } from "../shared/kit/files.ts";
import type { LinkSocket } from "../shared/link/link-socket.ts";
import { requireSiteName } from "../shared/rules/target.ts";
import { parseJoinToken, type JoinToken } from "../shared/trust/join-token.ts";
import { ownSiteName, type AgentSettings } from "./config.ts";
import { shakeHands } from "./dial.ts";
import { recordOf, type AgentFolder, type JoiningRecord, type RelayRecord } from "./folder.ts";
import type { AgentPorts } from "./ports.ts";
import { SiteStanding } from "./standing.ts";

/** The token of the settings, or null. Faults: JOIN_TOKEN_MALFORMED, FILE_MISSING. */
export function findJoinToken(settings: AgentSettings): JoinToken | null {
  if (settings.token !== "") return parseJoinToken(settings.token);
  if (settings.tokenFile === "") return null;
  try {
    return parseJoinToken(readFileSync(settings.tokenFile, "utf8"));
  } catch (error) {
    throw fileFault(error, settings.tokenFile);
  }
}

/** Writes down what is to be joined; durable when it resolves. The same token again changes nothing. */
export async function prepareJoin(folder: AgentFolder, token: JoinToken, wantedName: string): Promise<void> {
  const facts = await folder.store.call("allFacts", null);
  if (facts.site !== undefined) {
    throw new Fault("CONFLICT", { what: `this agent has joined already, as ${facts.name ?? facts.site}`, why: `${folder.dir} holds its keys`, hint: "run it: bowline agent run; to join elsewhere, use another --data folder" });
  }
  const name = wantedName !== "" ? wantedName : token.name !== "" && !token.name.includes("*") ? token.name : ownSiteName();
  requireSiteName(name, "--name plant-07");
  const relay: RelayRecord = { urls: token.urls, identity: token.identity, tls: token.tls, trustRoot: token.trustRoot, binding: token.binding };
  const joining: JoiningRecord = { id: token.id, secret: token.secret, name, labels: token.labels };
  await folder.store.call("putFacts", { facts: { relay: JSON.stringify(relay), joining: JSON.stringify(joining) } });
}

/** Ctrl-C during `agent join`: what to do depends on whether the relay knows this agent already. */
export function interruptedJoin(dir: string, hasJoined: boolean): Fault {
  if (hasJoined) return new Fault("INTERRUPTED", { what: "interrupted while it waited for the approval", why: "the relay knows this agent; only the waiting has ended", hint: `start it, it waits by itself: bowline agent run --data ${dir}` });
  return new Fault("INTERRUPTED", { what: "interrupted before the relay answered", why: `the keys are made and kept in ${dir}`, hint: "run the same command again" });
}

/** Asks the relay with the prepared token. Afterwards the site is known there, and the token is not needed any more. */
export async function askToJoin(folder: AgentFolder, { openRelay, clock, boot }: Pick<AgentPorts, "openRelay" | "clock" | "boot">, signal: AbortSignal): Promise<SiteStanding> {
  const facts = await folder.store.call("allFacts", null);
  const relay = recordOf<RelayRecord>(facts, "relay");
  const joining = recordOf<JoiningRecord>(facts, "joining");
  if (relay === null || joining === null) throw new Fault("NOT_INITIALISED", { what: "there is no join token to join with", hint: "bowline agent join --token TOKEN" });
  const dial = await folder.store.call("draw", { name: "dial" });
  const socket = await openRelay(relay, signal);
  try {
    const handshake = {
      purpose: "join" as const,
      relayKeys: relay.identity,
      boot,
      dial,
      keys: folder.keys.sign,
      join: { token: joining.id, signKey: folder.keys.sign.publicKey, boxKey: folder.keys.box.publicKey, name: joining.name, labels: joining.labels, secret: Buffer.from(joining.secret, "base64url") },
    };
    const shaken = await shakeHands(socket, handshake, clock, signal);
    const standing = await SiteStanding.open(folder, relay);
    await standing.absorb(shaken);
    await folder.store.call("putFacts", { facts: {}, drop: ["joining"] });
    return standing;
  } finally {
    socket.close();
  }
}

/** An agent that waits for approval dials again after this (ms): the socket may have died without a word. */
const waitingMs = 60_000;

/** Resolves when an operator has decided that it links, or it is time to dial again. Rejects with the reason when it is refused. */
export async function untilDecided(socket: LinkSocket, clock: Clock): Promise<void> {
  const cancel = clock.after(waitingMs, () => socket.close());
  try {
    await socket.next("BYE").catch((error: unknown) => {
      const fault = asFault(error);
      if (fault.code !== "SITE_WAITING" && fault.code !== "LINK_LOST") throw fault;
    });
  } finally {
    cancel();
    socket.close();
  }
}
