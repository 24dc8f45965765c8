// A small POSIX shell grammar: lists, && and ||, pipelines, while, until, for, if, groups, subshells, redirections, quotes, variables,
// command substitution and arithmetic. Pure: text in, tree out; a script it cannot read is a ShellSyntax error with the shell's words.
import { ShellSyntax, tokensOf, type Part, type Token, type Word } from "./shell-words.ts";

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
