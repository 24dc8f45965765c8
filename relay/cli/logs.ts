// Logs of Jobs that have ended, as they came with the outcome: below a list of orders that were waited for, and by `job logs`. They are text of somebody's program:
// a terminal gets them line by line without what it could act on, and is told what is missing.
import type { CommandLog, CommandView } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { printable } from "../../shared/kit/shown.ts";
import { isTerminal } from "../../shared/rules/command-state.ts";
import type { Run } from "./run.ts";

export function logText({ text, missingOctets, why }: CommandLog): string {
  const cut = missingOctets === 0 ? "" : `(${missingOctets} octets before this are not here)\n`;
  const lines = text === "" ? [] : text.replace(/\n$/, "").split(/\r?\n/);
  const none = why !== "" ? `(no log: ${printable(why)})\n` : text === "" ? "(it wrote nothing)\n" : "";
  return `${cut}${lines.map((line) => `${printable(line)}\n`).join("")}${none}`;
}

/** For people only: programs have it in the outcome. */
export function printLogs(run: Run, views: readonly CommandView[]): void {
  if (run.format !== "table" && run.format !== "wide") return;
  for (const { id, site, outcome } of views) if (outcome?.log !== undefined) run.terminal.out(`\nlog of ${id} at ${site}:\n${logText(outcome.log)}`);
}

export async function showLog(run: Run, id: string): Promise<void> {
  const view = await run.client().get<CommandView>(`/commands/${encodeURIComponent(id)}`);
  const log = view.outcome?.log;
  if (log === undefined) {
    const why = isTerminal(view.state) ? `it is ${view.state}, and its outcome has none` : `it is ${view.state}; a log comes with the end of a job or script`;
    throw new Fault("NOT_FOUND", { what: `there is no log of command ${id}`, why, hint: isTerminal(view.state) ? `bowline command describe ${id}` : `bowline command wait ${id}` });
  }
  run.terminal.out(run.format === "json" ? `${JSON.stringify(log)}\n` : logText(log));
}
