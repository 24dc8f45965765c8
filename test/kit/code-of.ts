// How a call ended, in one word that a test compares: the code of the fault that it rejected with. For tests of operations that refuse.
import { asFault } from "../../shared/kit/errors.ts";

/** The code of the fault that it rejects with. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no fault",
    (error: unknown) => asFault(error).code,
  );
}
