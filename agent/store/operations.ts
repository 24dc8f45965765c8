// The agent's store as one module: what the store's worker loads. Each operation is one transaction (or joins its caller's); see the files beside it.
import * as carry from "./carry.ts";
import * as commands from "./commands.ts";
import * as history from "./history.ts";
import * as identity from "./identity.ts";
import * as letters from "./letters.ts";
import * as records from "./records.ts";
import * as room from "./room.ts";
import * as tombstones from "./tombstones.ts";
import * as witnessed from "./witnessed.ts";

export { applicationId, isGuarded, migrations } from "./schema.ts";

/** A command, and its start: what it would leave behind may find no room. */
export const refusedWhenFull: readonly string[] = ["storeCommand", "claimCommand"];

export const operations = {
  draw: identity.draw,
  putFacts: identity.putFacts,
  allFacts: identity.allFacts,
  trustChain: identity.trustChain,
  takeWelcome: identity.takeWelcome,
  postReport: letters.postReport,
  postEvent: history.postEvent,
  purgeHistory: history.purgeHistory,
  room: room.room,
  setRoom: room.setRoom,
  leaseOwn: letters.leaseOwn,
  ownInDoubt: letters.ownInDoubt,
  ownReceipt: letters.ownReceipt,
  ownReturn: letters.ownReturn,
  ownRefused: letters.ownRefused,
  ownUnsendable: letters.ownUnsendable,
  settleOwnDoubts: letters.settleOwnDoubts,
  ownCounts: letters.ownCounts,
  postRecords: records.postRecords,
  greatestOrder: records.greatestOrder,
  storeCommand: commands.storeCommand,
  cancelCommand: commands.cancelCommand,
  heldCommands: commands.heldCommands,
  reportEnded: commands.reportEnded,
  markResolved: commands.markResolved,
  claimCommand: commands.claimCommand,
  settleCommand: commands.settleCommand,
  markEffect: commands.markEffect,
  markCleanStop: commands.markCleanStop,
  reclaimCommands: commands.reclaimCommands,
  dueLeftovers: tombstones.dueLeftovers,
  leftoverRemoved: tombstones.leftoverRemoved,
  purgeCommands: tombstones.purgeCommands,
  openCommandCount: commands.openCommandCount,
  witnessState: witnessed.witnessState,
  chainAt: witnessed.chainAt,
  noteWitness: witnessed.noteWitness,
  pruneChain: witnessed.pruneChain,
  carryOver: carry.carryOver,
} as const;

export type AgentOperations = typeof operations;
