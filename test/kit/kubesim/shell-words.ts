// The words and operators of a shell script: quotes, escapes, comments, and the expansions inside words, which are only marked here and
// made when the word is used. Pure.

export type Part =
  | { readonly kind: "text"; readonly text: string; readonly isQuoted: boolean }
  | { readonly kind: "variable"; readonly name: string; readonly fallback: string | null; readonly isQuoted: boolean }
  | { readonly kind: "command"; readonly source: string; readonly isQuoted: boolean }
  | { readonly kind: "arithmetic"; readonly source: string; readonly isQuoted: boolean };

export type Word = readonly Part[];

export class ShellSyntax extends Error {}

export type Token = { readonly kind: "word"; readonly word: Word; readonly bare: string | null } | { readonly kind: "operator"; readonly text: string } | { readonly kind: "redirect"; readonly fd: number; readonly operator: string };

/** The end of a `(`-balanced piece that begins at `at`. */
function balancedEnd(source: string, at: number): number {
  let depth = 1;
  let quote = "";
  for (let index = at; index < source.length; index += 1) {
    const letter = source[index]!;
    if (quote !== "") {
      if (letter === quote) quote = "";
    } else if (letter === "'" || letter === '"') quote = letter;
    else if (letter === "(") depth += 1;
    else if (letter === ")" && --depth === 0) return index;
  }
  throw new ShellSyntax("syntax error: unterminated (");
}

/** One `$...` or backquoted piece at `at`; null when the dollar stands for itself. */
function expansionAt(source: string, at: number, isQuoted: boolean): { part: Part; end: number } | null {
  if (source[at] === "`") {
    const end = source.indexOf("`", at + 1);
    if (end < 0) throw new ShellSyntax("syntax error: unterminated backquote");
    return { part: { kind: "command", source: source.slice(at + 1, end), isQuoted }, end: end + 1 };
  }
  if (source.startsWith("$((", at)) {
    const end = balancedEnd(source, at + 2);
    return { part: { kind: "arithmetic", source: source.slice(at + 3, end - 1), isQuoted }, end: end + 1 };
  }
  if (source.startsWith("$(", at)) {
    const end = balancedEnd(source, at + 2);
    return { part: { kind: "command", source: source.slice(at + 2, end), isQuoted }, end: end + 1 };
  }
  const braced = /^\$\{(\w+|[?#@*$])(?::?-([^}]*))?\}/.exec(source.slice(at));
  if (braced !== null) return { part: { kind: "variable", name: braced[1]!, fallback: braced[2] ?? null, isQuoted }, end: at + braced[0].length };
  const plain = /^\$(\w+|[?#@*$])/.exec(source.slice(at, at + 256));
  return plain === null ? null : { part: { kind: "variable", name: plain[1]!, fallback: null, isQuoted }, end: at + plain[0].length };
}

const isBoundary = (letter: string): boolean => /[\s;&|<>()]/.test(letter);

function readWord(source: string, start: number): { word: Word; bare: string | null; end: number } {
  const parts: Part[] = [];
  let text = "";
  let isBare = true;
  const flush = (isQuoted: boolean): void => {
    if (text !== "" || isQuoted) parts.push({ kind: "text", text, isQuoted });
    text = "";
  };
  let at = start;
  while (at < source.length && !isBoundary(source[at]!)) {
    const letter = source[at]!;
    if (letter === "\\") {
      if (source[at + 1] !== "\n") text += source[at + 1] ?? "";
      isBare = false;
      at += 2;
    } else if (letter === "'") {
      const end = source.indexOf("'", at + 1);
      if (end < 0) throw new ShellSyntax("syntax error: unterminated quoted string");
      flush(false);
      text = source.slice(at + 1, end);
      flush(true);
      isBare = false;
      at = end + 1;
    } else if (letter === '"') {
      flush(false);
      at = readDoubleQuoted(source, at + 1, parts);
      isBare = false;
    } else {
      const expansion = letter === "$" || letter === "`" ? expansionAt(source, at, false) : null;
      if (expansion === null) {
        text += letter;
        at += 1;
      } else {
        flush(false);
        parts.push(expansion.part);
        isBare = false;
        at = expansion.end;
      }
    }
  }
  const bare = isBare ? text : null;
  flush(false);
  return { word: parts, bare, end: at };
}

function readDoubleQuoted(source: string, start: number, parts: Part[]): number {
  let text = "";
  let at = start;
  while (source[at] !== '"') {
    const letter = source[at];
    if (letter === undefined) throw new ShellSyntax("syntax error: unterminated quoted string");
    const expansion = letter === "$" || letter === "`" ? expansionAt(source, at, true) : null;
    if (expansion !== null) {
      if (text !== "") parts.push({ kind: "text", text, isQuoted: true });
      text = "";
      parts.push(expansion.part);
      at = expansion.end;
    } else if (letter === "\\" && /["\\$`\n]/.test(source[at + 1] ?? "")) {
      if (source[at + 1] !== "\n") text += source[at + 1]!;
      at += 2;
    } else {
      text += letter;
      at += 1;
    }
  }
  parts.push({ kind: "text", text, isQuoted: true });
  return at + 1;
}

export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const rest = source.slice(at, at + 16);
    const skipped = /^(?:[ \t\r]|\\\n)+/.exec(rest);
    if (skipped !== null) {
      at += skipped[0].length;
      continue;
    }
    if (source[at] === "#") {
      const end = source.indexOf("\n", at);
      at = end < 0 ? source.length : end;
      continue;
    }
    const redirect = /^(\d?)(>>|>&|<&|>|<)/.exec(rest);
    const operator = /^(&&|\|\||;;|;|\n|&|\||\(|\))/.exec(rest);
    if (redirect !== null) {
      tokens.push({ kind: "redirect", fd: redirect[1] === "" ? (redirect[2]!.startsWith("<") ? 0 : 1) : Number(redirect[1]), operator: redirect[2]! });
      at += redirect[0].length;
    } else if (operator !== null) {
      tokens.push({ kind: "operator", text: operator[1]! });
      at += operator[0].length;
    } else {
      const { word, bare, end } = readWord(source, at);
      tokens.push({ kind: "word", word, bare });
      at = end;
    }
  }
  return tokens;
}
