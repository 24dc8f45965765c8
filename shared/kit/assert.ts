// Says what must hold. `invariant` stays in production: arithmetic on credit, leases and quotas that went wrong must stop the
// process before it corrupts what is durable. `unreachable` closes a discriminated union. Used by every room.
import { Fault } from "./errors.ts";
import { shown } from "./shown.ts";

/** Throws Fault BUG when `condition` is false; `claim` is a sentence that should be true. */
export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new Fault("BUG", { what: "an internal rule does not hold", why: claim });
}

/** The default branch of a switch over a closed union: does not compile while a member is missing. */
export function unreachable(value: never): never {
  throw new Fault("BUG", { what: "a value outside its union was met", why: shown(value) });
}
