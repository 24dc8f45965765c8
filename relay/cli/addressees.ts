// Which sites an order is for, as people say it: names, a label selector, or all of them. Exactly one of the three; who means every site says so. The relay resolves
// selectors: it knows the labels, and keeps the list for a retry.
import { Option, type Command } from "commander";
import type { CommandRequest, CommandsRequest } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { bareName } from "./output.ts";

export interface AddresseeOptions {
  readonly site?: readonly string[];
  readonly selector?: string;
  readonly all?: boolean;
}

/** The members of a request that name its sites. */
export type Addressee = Pick<CommandRequest, "site"> | Pick<CommandsRequest, "sites" | "selector" | "all">;

export function addresseeOptions(command: Command): Command {
  return command
    .addOption(new Option("--site <name...>", "the site, or several: a,b"))
    .addOption(new Option("-l, --selector <selector>", "the sites whose labels fit, as in kubectl: 'region=north,ring notin (canary)'").conflicts("site"))
    .addOption(new Option("--all", "every approved site").conflicts(["site", "selector"]));
}

/** Fault USAGE when no site is named. */
export function addresseeOf({ site = [], selector, all }: AddresseeOptions): Addressee {
  if (all === true) return { all };
  if (selector !== undefined) return { selector };
  const names = [...new Set(site.flatMap((text) => text.split(",")).map((name) => bareName(name.trim(), "site")).filter((name) => name !== ""))];
  if (names.length === 0) throw new Fault("USAGE", { what: "the order names no site", why: "it takes --site NAME,..., -l SELECTOR or --all", hint: "bowline site ls lists them" });
  return names.length === 1 ? { site: names[0]! } : { sites: names };
}
