// `operator token|token ls|token revoke`: tokens of people and programs. A token is printed only where the command's purpose is to hand one over; lists name it by an
// id that is no secret.
import type { Listing } from "../../shared/api.ts";
import type { LoginAnswer, OperatorTokenRow } from "../../shared/api-people.ts";
import { age, printList, printOne, type Column } from "./output.ts";
import type { Run } from "./run.ts";

export async function operatorToken(run: Run, name: string | null, ttlMs: number): Promise<void> {
  const answer = await run.client().post<LoginAnswer>("/operator-tokens", { ...(name === null ? {} : { operator: name }), ttlMs });
  printOne(run.terminal, run.format, answer, answer.operator, () => `${answer.token}\n`);
  if (run.format === "table") run.terminal.say(`for ${answer.operator}, until ${answer.expires}; it is shown once\n`);
}

export async function listOperatorTokens(run: Run): Promise<void> {
  const { items } = await run.client().get<Listing<OperatorTokenRow>>("/operator-tokens");
  const columns: Column<OperatorTokenRow>[] = [
    { title: "ID", value: (row) => row.id },
    { title: "OPERATOR", value: (row) => row.operator },
    { title: "FOR", value: (row) => row.purpose },
    { title: "AGE", value: (row) => age(row.created, Date.now()) },
    { title: "EXPIRES", value: (row) => row.expires },
  ];
  printList(run.terminal, run.format, items, columns, (row) => `operator-token/${row.id}`, "no operator tokens");
}

export async function revokeOperatorToken(run: Run, id: string): Promise<void> {
  await run.client().delete(`/operator-tokens/${encodeURIComponent(id)}`);
  run.terminal.say(`operator token ${id} is revoked\n`);
}
