// The relay's store as one module: what the store's worker loads. Each operation is one transaction (or joins its caller's); see the files beside it.
import * as accept from "./accept.ts";
import * as addressees from "./addressees.ts";
import * as cancel from "./cancel.ts";
import * as changes from "./changes.ts";
import * as keys from "./command-keys.ts";
import * as list from "./command-list.ts";
import * as commands from "./commands.ts";
import * as counters from "./counters.ts";
import * as delivery from "./delivery.ts";
import * as events from "./events.ts";
import * as joinTokens from "./join-tokens.ts";
import * as links from "./links.ts";
import * as people from "./people.ts";
import * as restored from "./restored.ts";
import * as restores from "./restores.ts";
import * as retention from "./retention.ts";
import * as retry from "./retry.ts";
import * as sites from "./sites.ts";

export { applicationId, migrations } from "./schema.ts";

/** Orders; everything else is small, or frees room, or has happened already. */
export const refusedWhenFull: readonly string[] = ["submitCommand", "submitOnce", "putKey", "retryCommand"];

export const operations = {
  drawFence: counters.drawFence,
  putTrust: counters.putTrust,
  trustAfter: counters.trustAfter,
  addOperator: people.addOperator,
  removeOperator: people.removeOperator,
  listOperators: people.listOperators,
  putOperatorToken: people.putOperatorToken,
  findOperatorToken: people.findOperatorToken,
  revokeOperatorToken: people.revokeOperatorToken,
  listOperatorTokens: people.listOperatorTokens,
  revokeListedToken: people.revokeListedToken,
  needsFirstLogin: people.needsFirstLogin,
  putFirstLogin: people.putFirstLogin,
  spendFirstLogin: people.spendFirstLogin,
  putJoinToken: joinTokens.putJoinToken,
  findJoinToken: joinTokens.findJoinToken,
  listJoinTokens: joinTokens.listJoinTokens,
  revokeJoinToken: joinTokens.revokeJoinToken,
  findSite: sites.findSite,
  findSiteById: sites.findSiteById,
  listSites: sites.listSites,
  siteView: sites.siteView,
  joinSite: sites.joinSite,
  parkSite: sites.parkSite,
  approveSite: sites.approveSite,
  endSite: sites.endSite,
  admitLink: links.admitLink,
  unblockCommands: links.unblockCommands,
  endLink: links.endLink,
  touchSites: links.touchSites,
  unconfirmedRestores: restores.unconfirmedRestores,
  confirmRestores: restored.confirmRestores,
  putEvent: events.putEvent,
  eventsOf: events.eventsOf,
  findKeyedCommand: keys.findKeyedCommand,
  findKey: keys.findKey,
  putKey: keys.putKey,
  addressedSites: addressees.addressedSites,
  submitCommand: accept.submitCommand,
  submitOnce: addressees.submitOnce,
  cancelCommand: cancel.cancelCommand,
  abandonCommand: cancel.abandonCommand,
  retryCommand: retry.retryCommand,
  skipCommand: retry.skipCommand,
  commandRow: commands.commandRow,
  listCommands: list.listCommands,
  commandDetail: list.commandDetail,
  changeHead: changes.changeHead,
  changedCommands: changes.changedCommands,
  expireCommands: retention.expireCommands,
  purgeRecords: retention.purgeRecords,
  leaseCommands: delivery.leaseCommands,
  settleLetter: delivery.settleLetter,
  rejectUnsendable: delivery.rejectUnsendable,
  settleInDoubt: delivery.settleInDoubt,
  takeSiteLetter: delivery.takeSiteLetter,
  reportOf: delivery.reportOf,
} as const;

export type RelayOperations = typeof operations;
