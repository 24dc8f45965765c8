// What a site says cannot forge a row, move the cursor or hide what stands beside it; programs read back what it said.
import { expect, test } from "vitest";
import { parse } from "yaml";
import { fields, printList, printOne, table, type Format } from "./output.ts";

const evil = "boom\nplant-07   online\t\u001b[2J\u009b31m\u007f\u202e";
const columns = [{ title: "NAME", value: (row: { name: string }) => row.name }, { title: "WHY", value: (row: { why?: string }) => row.why ?? "-" }] as never[];

function printed(format: Format, value: object, isList: boolean): string {
  let out = "";
  const terminal = { out: (text: string) => void (out += text), say: () => {}, isInteractive: true };
  if (isList) printList(terminal, format, [value], columns, () => "x", "");
  else printOne(terminal, format, value, "x", () => "");
  return out;
}

test("a cell and a field are one line of printable text", () => {
  const rows = table([{ name: "north", why: evil }], columns).split("\n");
  expect(rows).toHaveLength(3);
  expect(rows[1]).toBe("north   boom plant-07   online [2J31m");
  expect(fields([["Why", evil], ["Labels", "a=b\nLink:   online"]]).split("\n")).toEqual(["Why:     boom plant-07   online [2J31m", "Labels:  a=b Link:   online", ""]);
});

test.each(["json", "jsonl", "yaml"] as const)("%s has no character that a terminal acts on, and reads back as what it was", (format) => {
  for (const isList of [true, false]) {
    const text = printed(format, { name: "north", why: evil }, isList);
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    const read = (format === "yaml" ? parse(text) : JSON.parse(text)) as { why: string; items?: { why: string }[] };
    expect((read.items?.[0] ?? read).why).toBe(evil);
  }
});
