// Label selectors as Kubernetes writes them: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, with commas, all of which must hold. Sites are
// chosen by them at the relay; the command line only hands them on. What is not of this form is refused whole: a selector that was half understood would reach the
// wrong sites. Pure.
import { Fault } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";
import { isLabelName, isLabelValue } from "./labels.ts";

/** Characters of one selector, and its requirements: it stands in an address line, and is judged for every site. */
export const selectorCharsMax = 2_048;
const requirementsMax = 64;

/** One condition on a label. `in` and `notin` carry their values; an absent label is `notin` anything, as in Kubernetes. */
export interface Requirement {
  readonly name: string;
  readonly test: "in" | "notin" | "exists" | "absent";
  readonly values: readonly string[];
}

/** All of them must hold. */
export type Selector = readonly Requirement[];

type Labels = Readonly<Record<string, string>>;

function refused(text: string, why: string): Fault {
  return new Fault("USAGE", { what: `"${shown(text, 100)}" is not a label selector`, why, hint: "as in Kubernetes: region=north, tier!=test, 'rack in (1,2)', 'ring notin (canary)', shop, '!shop', joined with commas" });
}

/** Fault USAGE that says where it goes wrong. An empty one is refused, not everything: who means every site says so. */
export function parseSelector(text: string): Selector {
  if (text.length > selectorCharsMax) throw refused(text, `it has ${text.length} characters, at most ${selectorCharsMax} are read`);
  if (text.trim() === "") throw refused(text, "it is empty, and nothing is not everything");
  const requirements = splitOutside(text).map((part) => parseRequirement(text, part.trim()));
  if (requirements.length > requirementsMax) throw refused(text, `it has ${requirements.length} conditions, at most ${requirementsMax} are read`);
  return requirements;
}

/** At commas that stand outside of parentheses. */
function splitOutside(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let isInside = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === "(" || char === ")") isInside = char === "(";
    else if (char === "," && !isInside) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUAL = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/;

function parseRequirement(text: string, part: string): Requirement {
  if (part === "") throw refused(text, "a condition is missing before, behind or between commas");
  const set = SET.exec(part);
  if (set !== null) return requirement(text, set[1]!, set[2] as "in" | "notin", set[3]!.split(",").map((value) => value.trim()));
  const equal = EQUAL.exec(part);
  if (equal !== null) return requirement(text, equal[1]!, equal[2] === "!=" ? "notin" : "in", [equal[3]!]);
  if (part.startsWith("!")) return requirement(text, part.slice(1).trim(), "absent", []);
  return requirement(text, part, "exists", []);
}

function requirement(text: string, name: string, test: Requirement["test"], values: readonly string[]): Requirement {
  if (!isLabelName(name)) throw refused(text, `"${shown(name, 64)}" is neither a label's name nor a condition on one`);
  const wrong = values.find((value) => !isLabelValue(value));
  if (wrong !== undefined) throw refused(text, `the label ${name} cannot be "${shown(wrong, 64)}"`);
  return { name, test, values };
}

export function matchesSelector(selector: Selector, labels: Labels): boolean {
  return selector.every(({ name, test, values }) => {
    const value = Object.hasOwn(labels, name) ? labels[name]! : null;
    switch (test) {
      case "exists":
        return value !== null;
      case "absent":
        return value === null;
      case "in":
        return value !== null && values.includes(value);
      case "notin":
        return value === null || !values.includes(value);
    }
  });
}
