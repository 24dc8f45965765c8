// Labels of a site: names and values as Kubernetes has them, so that they can be selected by, shown in a row and carried in a join token. Judged where they are
// given, by the relay and by the command line. Pure.
import { Fault } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";

/** Labels of one site; an agent's claim has room for twice as many. */
export const labelsMax = 32;
/** Characters of all labels together: a join token is one text that people copy, and with its CA it has to stay below 16,384. */
export const labelsCharsMax = 4_096;
/** As Kubernetes: an optional DNS prefix and a name of at most 63 characters; a value of at most 63, which may be empty. */
const NAME = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;
const HINT = "bowline token create --label region=north --label rack=7";

/** For those who name labels without giving them: selectors. */
export function isLabelName(text: string): boolean {
  return NAME.test(text);
}

export function isLabelValue(text: string): boolean {
  return VALUE.test(text);
}

function refused(what: string, why: string): Fault {
  return new Fault("USAGE", { what, why, hint: HINT });
}

/** Fault USAGE that names the label. */
export function parseLabels(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused("the labels are not an object", "each is a name and a text");
  const entries = Object.entries(value);
  if (entries.length > labelsMax) throw refused(`${entries.length} labels are too many`, `a site has at most ${labelsMax}`);
  let chars = 0;
  for (const [name, text] of entries) {
    if (!NAME.test(name)) throw refused(`"${shown(name, 64)}" cannot be a label's name`, "letters, digits and - _ . between them, at most 63, as in Kubernetes");
    if (typeof text !== "string" || !VALUE.test(text)) throw refused(`the label ${name} cannot be "${shown(text, 64)}"`, "letters, digits and - _ . between them, at most 63, as in Kubernetes");
    chars += name.length + text.length;
  }
  if (chars > labelsCharsMax) throw refused(`the labels have ${chars} characters`, `all together have at most ${labelsCharsMax}, so that a join token can be copied`);
  return Object.fromEntries(entries) as Record<string, string>;
}
