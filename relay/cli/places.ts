// The command tree about sites and how they join: site, token, approve, deny. See sites.ts for the work.
import type { Command } from "commander";
import { parseDuration } from "../../shared/kit/config.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { approveSite, createJoinToken, denySite, describeSite, listJoinTokens, listSites, removeSite, revokeJoinToken, waitForSite } from "./sites.ts";
import { bareName } from "./output.ts";
import type { WithRun } from "./people.ts";

export function addSiteCommands(program: Command, withRun: WithRun): void {
  const site = program.command("site").description("the clusters");
  site.command("ls").description("list sites: link state and age of what is known, side by side").action((_options, command: Command) => withRun(command, listSites));
  site.command("describe <name>").description("all about one site").action((name: string, _options, command: Command) => withRun(command, (run) => describeSite(run, bareName(name, "site"))));
  site.command("rm <name>").description("revoke a site: cut its link, refuse its key").action((name: string, _options, command: Command) => withRun(command, (run) => removeSite(run, bareName(name, "site"))));
  site
    .command("wait <name>")
    .description("wait until a site is online")
    .option("--timeout <duration>", "give up after", parseDuration, parseDuration("10m"))
    .action((name: string, options: { timeout: number }, command: Command) => withRun(command, (run) => waitForSite(run, bareName(name, "site"), options.timeout)));
  program
    .command("approve <name>")
    .description("let a waiting agent in, by the match code its installer reads out")
    .requiredOption("--code <code>", "the match code, e.g. TEAL-OTTER-42")
    .option("--name <name>", "give the site another name than it asked for")
    .action((name: string, options: { code: string; name?: string }, command: Command) => withRun(command, (run) => approveSite(run, name, options.code, options.name ?? null)));
  program.command("deny <name>").description("refuse a waiting agent").action((name: string, _options, command: Command) => withRun(command, (run) => denySite(run, name)));
  const token = program.command("token").description("join tokens for new sites");
  token
    .command("create")
    .description("make a join token and print it once")
    .option("--name <name>", "name of the site, or a pattern such as shop-*")
    .option("--ttl <duration>", "how long it may be used", parseDuration, parseDuration("1h"))
    .option("--uses <n>", "how many agents may use it", wholeNumber, 1)
    .option("--label <name=value>", "label of the site; repeat for more", collectLabel, {})
    .option("--url <url>", "address that agents dial, when it is not yours; repeat for more", collect, [])
    .option("--binding <kind>", "exporter, or none behind something that ends TLS; default: as the relay is set")
    .action((options: { name?: string; ttl: number; uses: number; label: Record<string, string>; url: string[]; binding?: string }, command: Command) =>
      withRun(command, (run) => {
        if (options.binding !== undefined && options.binding !== "exporter" && options.binding !== "none") throw new Fault("USAGE", { what: `--binding takes exporter or none, not "${options.binding}"`, why: "exporter binds a link to its TLS; none is for relays behind something that ends TLS", hint: "leave it out: then it is as the relay is set" });
        return createJoinToken(run, { name: options.name, ttlMs: options.ttl, uses: options.uses, labels: options.label, urls: options.url, binding: options.binding });
      }),
    );
  token.command("ls").description("list join tokens").action((_options, command: Command) => withRun(command, listJoinTokens));
  token.command("revoke <id>").description("make a join token useless").action((id: string, _options, command: Command) => withRun(command, (run) => revokeJoinToken(run, id)));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Fault("USAGE", { what: `"${text}" is not a whole number above 0`, why: "it is how many agents may join with the token", hint: "--uses 20" });
  return value;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

export function collectLabel(text: string, before: Record<string, string>): Record<string, string> {
  const cut = text.indexOf("=");
  if (cut < 1) throw new Fault("USAGE", { what: `"${text}" is not of the form NAME=VALUE`, why: cut === 0 ? "the name in front of = is missing" : "there is no = in it", hint: "NAME=VALUE, and the option once for each; an empty value is NAME=" });
  return { ...before, [text.slice(0, cut)]: text.slice(cut + 1) };
}
