// Whom an order for several sites is for, and the step that gives it to one of them. Each site is a transaction of its own (calls that wait share a commit), so
// that a site without room refuses its part alone and ten thousand sites hold up nobody else's order for longer than one of them takes.
import { Fault } from "../../shared/kit/errors.ts";
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { matchesSelector, parseSelector } from "../../shared/rules/selector.ts";
import { acceptCommand, requireActive } from "./accept.ts";
import { commandRow, type CommandRow, type NewCommand } from "./commands.ts";
import { findSite, findSiteById } from "./sites.ts";

/** By their names, or by a selector over labels; "all" is every approved site. */
export type Addressee = { readonly names: readonly string[] } | { readonly selector: string } | "all";

export interface AddressedSite {
  /** Null: there is no site of this name. */
  readonly site: string | null;
  readonly name: string;
}

/** In the order in which they were named, or by name. A selector sees approved sites only: what an agent in the waiting room says of itself is not yet believed. */
export function* addressedSites(args: { readonly addressee: Addressee; readonly limit: number }): Operation<AddressedSite[]> {
  const { addressee, limit } = args;
  if (addressee !== "all" && "names" in addressee) {
    const named: AddressedSite[] = [];
    for (const name of addressee.names) named.push({ site: (yield* findSite({ name }))?.id ?? null, name });
    return named;
  }
  const selector = addressee === "all" ? [] : parseSelector(addressee.selector);
  const rows = yield* query<{ id: string; name: string; labels: string }>("SELECT id, name, labels FROM sites WHERE state = 'active' ORDER BY name");
  const found = rows.filter(({ labels }) => matchesSelector(selector, JSON.parse(labels) as Record<string, string>));
  if (found.length === 0) throw new Fault("SITE_UNKNOWN", { what: addressee === "all" ? "there is no site to give the order to" : `no site has labels that fit "${addressee.selector.slice(0, 100)}"`, why: `${rows.length} approved ${rows.length === 1 ? "site was" : "sites were"} looked at; nothing was accepted`, hint: "bowline site ls -o wide shows the labels" });
  return found.slice(0, limit + 1).map(({ id, name }) => ({ site: id, name }));
}

/** One site's part of an order: what was accepted before is answered as it is. */
export function* submitOnce(args: { readonly site: string; readonly command: NewCommand }): Operation<CommandRow> {
  const { site, command } = args;
  if ((yield* queryOne("SELECT id FROM commands WHERE id = ?", command.id)) !== null) return yield* commandRow({ id: command.id });
  const row = requireActive(yield* findSiteById({ id: site }), command.siteName);
  if (command.deadlineMs <= command.nowMs) throw new Fault("STATE_REFUSED", { what: `the order came too late for ${row.name}`, why: "its deadline passed before this site's part was accepted", hint: "give the order again with a new key" });
  return yield* acceptCommand(row, command);
}
