// `bowline restored`: after the relay was put back from a copy, what its sites have told of it and what waits for a person; `confirm` lets it stand.
import type { Command } from "commander";
import type { RestoredView } from "../../shared/api-people.ts";
import { printable } from "../../shared/kit/shown.ts";
import { age, printOne, table } from "./output.ts";
import type { WithRun } from "./people.ts";

export function addRestoredCommands(program: Command, withRun: WithRun): void {
  const restored = program
    .command("restored")
    .description("after the relay was put back from a copy: what waits for your word")
    .addHelpText("after", "\nLook at each join token (bowline token revoke), operator token (bowline operator token) and command (bowline command cancel) first; then\n  bowline restored confirm\n")
    .action((_options, command: Command) => withRun(command, async (run) => {
      const view = await run.client().get<RestoredView>("/restored");
      printOne(run.terminal, run.format, view, "restored", () => textOf(view, Date.now()));
    }));
  restored
    .command("confirm")
    .description("what was not revoked or cancelled may stand: held join tokens are good again, held commands are queued")
    .action((_options, command: Command) => withRun(command, async (run) => {
      const view = await run.client().post<RestoredView>("/restored/confirm", {});
      printOne(run.terminal, run.format, view, "restored", () => `confirmed: ${view.sites.length} sites, ${view.tokens.length} join tokens, ${view.sites.reduce((sum, site) => sum + site.blocked, 0)} commands\n`);
    }));
}

function textOf(view: RestoredView, now: number): string {
  if (view.sites.length === 0 && view.tokens.length === 0) return "nothing waits: no site has shown that this relay was put back from a copy\n";
  const sites = table(view.sites, [
    { title: "SITE", value: (site) => site.site },
    { title: "NOTICED", value: (site) => `${age(site.noticed, now)} ago` },
    { title: "HAS TOLD", value: (site) => (site.isOpen ? "not yet" : "yes") },
    { title: "HELD", value: (site) => String(site.blocked) },
    { title: "UNKNOWN HERE", value: (site) => String(site.orphans) },
    { title: "WHY", value: (site) => site.why },
  ]);
  const tokens = view.tokens.map((token) => `  ${token.id} ${printable(token.name === "" ? "any name" : token.name)}, expires ${token.expires}\n`).join("");
  return `${sites}${tokens === "" ? "" : `Join tokens on hold:\n${tokens}`}operators and sites that were removed since the copy are back as well: bowline operator token ls, bowline site ls\nthen: bowline restored confirm\n`;
}
