// A small POSIX shell grammar: lists, && and ||, pipelines, while, until, for, if, groups, subshells, redirections, quotes, variables,
// command substitution and arithmetic. Pure: text in, tree out; a script it cannot read is a ShellSyntax error with the shell's words.

export type Part =
  | { readonly kind: "text"; readonly text: string; readonly isQuoted: boolean }
  | { readonly kind: "variable"; readonly name: string; readonly fallback: string | null; readonly isQuoted: boolean }
  | { readonly kind: "command"; readonly source: string; readonly isQuoted: boolean }
  | { readonly kind: "arithmetic"; readonly source: string; readonly isQuoted: boolean };

export type Word = readonly Part[];

export interface Redirect {
  readonly fd: number;
  readonly kind: "read" | "write" | "append" | "copy";
  readonly target: Word;
}

export type Command =
  | { readonly kind: "simple"; readonly sets: readonly { name: string; value: Word }[]; readonly words: readonly Word[]; readonly redirects: readonly Redirect[] }
  | { readonly kind: "pipeline"; readonly isNegated: boolean; readonly parts: readonly Command[] }
  | { readonly kind: "andOr"; readonly first: Command; readonly rest: readonly { operator: "&&" | "||"; command: Command }[] }
  | { readonly kind: "list"; readonly commands: readonly Command[] }
  | { readonly kind: "loop"; readonly isUntil: boolean; readonly condition: Command; readonly body: Command; readonly redirects: readonly Redirect[] }
  | { readonly kind: "for"; readonly name: string; readonly words: readonly Word[]; readonly body: Command; readonly redirects: readonly Redirect[] }
  | { readonly kind: "if"; readonly branches: readonly { condition: Command; body: Command }[]; readonly otherwise: Command | null }
  | { readonly kind: "group"; readonly body: Command; readonly isSubshell: boolean; readonly redirects: readonly Redirect[] };

export class ShellSyntax extends Error {}

type Token = { readonly kind: "word"; readonly word: Word; readonly bare: string | null } | { readonly kind: "operator"; readonly text: string } | { readonly kind: "redirect"; readonly fd: number; readonly operator: string };

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
    const end = source.indexOf("))", at);
    if (end < 0) throw new ShellSyntax("syntax error: unterminated $((");
    return { part: { kind: "arithmetic", source: source.slice(at + 3, end), isQuoted }, end: end + 2 };
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

function tokensOf(source: string): Token[] {
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

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string) {
    this.#tokens = tokensOf(source);
  }

  script(): Command {
    const all = this.#list([]);
    if (this.#at < this.#tokens.length) throw new ShellSyntax(`syntax error: unexpected "${this.#bareAt() ?? this.#operatorAt() ?? "word"}"`);
    return all;
  }

  #bareAt(): string | null {
    const token = this.#tokens[this.#at];
    return token?.kind === "word" ? token.bare : null;
  }

  #operatorAt(): string | null {
    const token = this.#tokens[this.#at];
    return token?.kind === "operator" ? token.text : null;
  }

  #take(word: string): boolean {
    if (this.#bareAt() !== word && this.#operatorAt() !== word) return false;
    this.#at += 1;
    return true;
  }

  #expect(word: string): void {
    if (!this.#take(word)) throw new ShellSyntax(`syntax error: expecting "${word}"`);
  }

  #skipBreaks(): void {
    while ([";", "\n", "&"].includes(this.#operatorAt() ?? "")) this.#at += 1;
  }

  #list(until: readonly string[]): Command {
    const commands: Command[] = [];
    this.#skipBreaks();
    while (this.#at < this.#tokens.length && !until.includes(this.#bareAt() ?? this.#operatorAt() ?? "")) {
      commands.push(this.#andOr());
      if (![";", "\n", "&"].includes(this.#operatorAt() ?? "")) break;
      this.#skipBreaks();
    }
    return { kind: "list", commands };
  }

  #andOr(): Command {
    const first = this.#pipeline();
    const rest: { operator: "&&" | "||"; command: Command }[] = [];
    for (let operator = this.#operatorAt(); operator === "&&" || operator === "||"; operator = this.#operatorAt()) {
      this.#at += 1;
      while (this.#operatorAt() === "\n") this.#at += 1;
      rest.push({ operator, command: this.#pipeline() });
    }
    return rest.length === 0 ? first : { kind: "andOr", first, rest };
  }

  #pipeline(): Command {
    const isNegated = this.#take("!");
    const parts = [this.#command()];
    while (this.#take("|")) parts.push(this.#command());
    return parts.length === 1 && !isNegated ? parts[0]! : { kind: "pipeline", isNegated, parts };
  }

  #command(): Command {
    if (this.#take("while")) return this.#loop(false);
    if (this.#take("until")) return this.#loop(true);
    if (this.#take("for")) return this.#for();
    if (this.#take("if")) return this.#if();
    if (this.#take("{")) {
      const body = this.#list(["}"]);
      this.#expect("}");
      return { kind: "group", body, isSubshell: false, redirects: this.#redirects() };
    }
    if (this.#take("(")) {
      const body = this.#list([")"]);
      this.#expect(")");
      return { kind: "group", body, isSubshell: true, redirects: this.#redirects() };
    }
    return this.#simple();
  }

  #loop(isUntil: boolean): Command {
    const condition = this.#list(["do"]);
    const body = this.#doBody();
    return { kind: "loop", isUntil, condition, body, redirects: this.#redirects() };
  }

  #doBody(): Command {
    this.#skipBreaks();
    this.#expect("do");
    const body = this.#list(["done"]);
    this.#expect("done");
    return body;
  }

  #for(): Command {
    const name = this.#bareAt() ?? "";
    this.#at += 1;
    const words: Word[] = [];
    if (this.#take("in")) {
      for (let token = this.#tokens[this.#at]; token?.kind === "word"; token = this.#tokens[this.#at]) {
        words.push(token.word);
        this.#at += 1;
      }
    }
    const body = this.#doBody();
    return { kind: "for", name, words, body, redirects: this.#redirects() };
  }

  #if(): Command {
    const branches: { condition: Command; body: Command }[] = [];
    do {
      const condition = this.#list(["then"]);
      this.#expect("then");
      branches.push({ condition, body: this.#list(["elif", "else", "fi"]) });
    } while (this.#take("elif"));
    const otherwise = this.#take("else") ? this.#list(["fi"]) : null;
    this.#expect("fi");
    return { kind: "if", branches, otherwise };
  }

  #redirects(): Redirect[] {
    const found: Redirect[] = [];
    for (let token = this.#tokens[this.#at]; token?.kind === "redirect"; token = this.#tokens[this.#at]) {
      const target = this.#tokens[this.#at + 1];
      if (target?.kind !== "word") throw new ShellSyntax("syntax error: a redirection without a target");
      const kinds: Record<string, Redirect["kind"]> = { "<": "read", ">": "write", ">>": "append" };
      found.push({ fd: token.fd, kind: kinds[token.operator] ?? "copy", target: target.word });
      this.#at += 2;
    }
    return found;
  }

  #simple(): Command {
    const sets: { name: string; value: Word }[] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (let token = this.#tokens[this.#at]; token !== undefined && token.kind !== "operator"; token = this.#tokens[this.#at]) {
      if (token.kind === "redirect") {
        redirects.push(...this.#redirects());
        continue;
      }
      const first = token.word[0];
      const assignment = words.length === 0 && first?.kind === "text" && !first.isQuoted ? /^([A-Za-z_]\w*)=/.exec(first.text) : null;
      if (assignment === null) words.push(token.word);
      else sets.push({ name: assignment[1]!, value: [{ ...(first as Part & { kind: "text" }), text: (first as Part & { kind: "text" }).text.slice(assignment[0].length) }, ...token.word.slice(1)] });
      this.#at += 1;
    }
    if (words.length === 0 && sets.length === 0 && redirects.length === 0) throw new ShellSyntax(`syntax error: unexpected "${this.#operatorAt() ?? "end of file"}"`);
    return { kind: "simple", sets, words, redirects };
  }
}

export const parseShell = (source: string): Command => new Parser(source).script();
