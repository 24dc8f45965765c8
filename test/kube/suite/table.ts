// The closing table of a run, case x client and route, and the measured values. Pure.
import type { Client } from "../clients/setup.ts";
import type { Outcome } from "./plan.ts";

const WORDS: Readonly<Record<Outcome["verdict"], string>> = { passed: "ok", failed: "FAILED", excused: "excused", skipped: "-" };

export function tableText(outcomes: readonly Outcome[], clients: readonly Client[], routes: readonly string[]): string {
  const shown = routes.length > 1 ? routes.slice(1) : routes;
  const columns = clients.flatMap((client) => shown.map((route) => ({ client: client.name, route })));
  const names = [...new Set(outcomes.map((outcome) => outcome.case))];
  const rows = names.map((name) => [
    name,
    ...columns.map(({ client, route }) => {
      const found = outcomes.find((outcome) => outcome.case === name && outcome.client === client && (outcome.route === route || outcome.route === null || outcome.verdict === "excused"));
      return found === undefined ? "?" : WORDS[found.verdict];
    }),
  ]);
  const head = ["case", ...columns.map(({ client, route }) => (shown.length > 1 ? `${client} ${route}` : client))];
  const widths = head.map((word, index) => Math.max(word.length, ...rows.map((row) => row[index]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((word, index) => word.padEnd(widths[index]!)).join(" | ")} |`;
  const title = routes.length > 1 ? `${shown.join(", ")} compared with ${routes[0]}` : `${routes[0]} alone: nothing was compared`;
  const versions = clients.map(({ kubectlVersion, helmVersion }) => `kubectl ${kubectlVersion} with helm ${helmVersion}`).join(", ");
  return [title, versions, line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
}

export function measuresText(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap(({ client, measures }) => Object.entries(measures).map(([name, value]) => `measured ${client}: ${name}: ${value}`));
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
