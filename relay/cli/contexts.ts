// The command line's own file: which relays it knows and the operator token for each. Like kubeconfig, several contexts and a current one.
// The file and its folder are readable by their owner only; a file that others can read is refused.
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../shared/kit/errors.ts";
import { fileFault, writeWhole } from "../../shared/kit/files.ts";

export interface Context {
  readonly name: string;
  /** `https://host:port`. */
  readonly server: string;
  /** PEM of the relay's private CA, or null for a public one. */
  readonly ca: string | null;
  readonly operator: string;
  readonly token: string;
  readonly expires: string;
}

interface ContextFile {
  readonly current: string;
  readonly contexts: readonly Context[];
}

export function readContexts(path: string): ContextFile {
  if (!existsSync(path)) return { current: "", contexts: [] };
  if ((statSync(path).mode & 0o077) !== 0) throw new Fault("FILE_EXPOSED", { what: `${path} can be read by others`, why: "it holds operator tokens", hint: `chmod 600 ${path}` });
  try {
    const file = JSON.parse(readFileSync(path, "utf8")) as ContextFile;
    if (!Array.isArray(file.contexts) || typeof file.current !== "string") throw new Error("it has no contexts");
    return file;
  } catch (error) {
    throw new Fault("FILE_INVALID", { what: `${path} cannot be used`, why: (error as Error).message, hint: `move it away and log in again: bowline login https://HOST:8443 --token TOKEN` });
  }
}

/** Adds or replaces a context and makes it the current one. */
export function saveContext(path: string, context: Context): void {
  const before = readContexts(path);
  write(path, { current: context.name, contexts: [...before.contexts.filter((known) => known.name !== context.name), context] });
}

export function useContext(path: string, name: string): void {
  write(path, { ...readContexts(path), current: findContext(path, name).name });
}

export function dropContext(path: string, name: string): void {
  const before = readContexts(path);
  const contexts = before.contexts.filter((known) => known.name !== name);
  write(path, { current: before.current === name ? (contexts[0]?.name ?? "") : before.current, contexts });
}

/** The named context, or the current one for "". Fault NOT_LOGGED_IN. */
export function findContext(path: string, name: string): Context {
  const { contexts, current } = readContexts(path);
  const wanted = name === "" ? current : name;
  const found = contexts.find((context) => context.name === wanted);
  if (found !== undefined) return found;
  const known = contexts.map((context) => context.name).join(", ");
  throw new Fault("NOT_LOGGED_IN", {
    what: name === "" ? "you are not logged in to a relay" : `there is no context "${name}"`,
    why: known === "" ? `${path} holds no context` : `known: ${known}`,
    hint: "bowline login https://HOST:8443 --ca FILE --token TOKEN",
  });
}

function write(path: string, file: ContextFile): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFault(error, dirname(path));
  }
  writeWhole(path, `${JSON.stringify(file, null, 2)}\n`, 0o600); // two logins at once leave one of them, never half a file
}
