// The book of golden vectors: vectors.txt, one block a vector (its name, what it is, its octets in hex). Written again only when asked by
// BOWLINE_GOLDEN=write, and then every line that changes is printed: a change here is a change of the protocol, and is never silent.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

export interface Vector {
  readonly name: string;
  readonly says: string;
  readonly octets: Uint8Array;
}

const BOOK = new URL("./vectors.txt", import.meta.url);
const octetsPerLine = 24;
const TITLE = `# Golden vectors of the wire, version 1: what PROTOCOL.md says, as octets in hex. golden.test.ts makes each of them again and takes each apart.
# To write the book anew: BOWLINE_GOLDEN=write npm test -- test/golden (prints what changes; what changed is another protocol).
`;

/** As a dump for people: octets, and what of them is ASCII. */
export function hexLines(octets: Uint8Array): string[] {
  return Array.from({ length: Math.ceil(octets.length / octetsPerLine) }, (_value, line) => {
    const part = [...octets.subarray(line * octetsPerLine, (line + 1) * octetsPerLine)];
    const hex = part.map((octet) => octet.toString(16).padStart(2, "0")).join(" ");
    const ascii = part.map((octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : ".")).join("");
    return `${hex.padEnd(octetsPerLine * 3)} ${ascii}`;
  });
}

function bookText(vectors: readonly Vector[]): string {
  return [TITLE, ...vectors.map(({ name, says, octets }) => [`${name}: ${says}`, ...hexLines(octets).map((line) => `  ${line}`), ""].join("\n"))].join("\n");
}

function octetsOf(line: string): Buffer {
  return Buffer.from(line.slice(2, 2 + octetsPerLine * 3).replaceAll(" ", ""), "hex");
}

/** Octets by name, as the book has them. */
export function readBook(): Map<string, Uint8Array> {
  const book = new Map<string, Uint8Array>();
  if (!existsSync(BOOK)) return book;
  for (const block of readFileSync(BOOK, "utf8").split("\n\n")) {
    const [title, ...lines] = block.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    if (title !== undefined) book.set(title.slice(0, title.indexOf(":")), Buffer.concat(lines.map(octetsOf)));
  }
  return book;
}

/** Writes the book and prints each line that is not the same; true when it was asked for. */
export function rewriteBook(vectors: readonly Vector[], env: Readonly<Record<string, string | undefined>>): boolean {
  if (env["BOWLINE_GOLDEN"] !== "write") return false;
  if (env["CI"] !== undefined && env["CI"] !== "") throw new Error("golden vectors are written by a person who looks at the difference, not in CI");
  const before = existsSync(BOOK) ? readFileSync(BOOK, "utf8").split("\n") : [];
  const after = bookText(vectors).split("\n");
  const gone = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const come = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  process.stdout.write(`golden vectors written; ${gone.length + come.length} lines changed\n${[...gone, ...come, ""].join("\n")}`);
  writeFileSync(BOOK, after.join("\n"));
  return true;
}
