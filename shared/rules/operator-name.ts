// Names of operators, the same wherever they are made, signed and acted on: a name goes into a Kubernetes user ("bowline:ann") and into audit logs. Pure.
import { Fault } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";

/** Characters of a name: an address of e-mail is one. */
export const operatorCharsMax = 64;
export const OPERATOR_NAME = /^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/;
/** What is wrong with a name that does not fit. */
export const operatorNameRule = `1 to ${operatorCharsMax} lower case letters, digits and . _ @ - between them`;

/** Fault USAGE. */
export function requireOperatorName(name: unknown): string {
  if (typeof name === "string" && OPERATOR_NAME.test(name)) return name;
  throw new Fault("USAGE", { what: `"${shown(name, 80)}" cannot be an operator's name`, why: operatorNameRule, hint: "bowline operator add ann" });
}
