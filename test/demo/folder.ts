// The demo's state folder and the unix socket in it, which is also its lock: who answers there runs the demo. A folder that nobody answers in is a dead demo's and
// is made anew; a folder that no demo made is left alone. Also the asking side: one line of JSON each way.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { asFault, Fault, faultFromRecord, faultRecord, type FaultRecord } from "../../shared/kit/errors.ts";
import { fileFault } from "../../shared/kit/files.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const defaultState = join(root, ".bowline", "demo");
/** Proof that a folder is a demo's and may be removed. */
const markFile = "bowline-demo";
const socketFile = "demo.sock";
/** sun_path of Linux, less its zero; the longest that connect() takes. */
const socketPathMax = 107;
const lineBytesMax = 65_536;
/** A demo that lives answers `status` at once. */
const lifeSignMs = 3_000;

export interface Ask {
  readonly verb: string;
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, number>>;
}

type Reply = { readonly text: string } | { readonly fault: FaultRecord };

export interface StateFolder {
  readonly dir: string;
  /** Ends the lock; the folder goes too unless it is to be kept. */
  release(isKept: boolean): void;
}

/** Takes the folder for this process. `answer` serves from before anybody can see the folder. Faults: CONFLICT, FILE_INVALID. */
export async function claimFolder(dir: string, answer: (ask: Ask) => Promise<string>): Promise<StateFolder> {
  const parent = dirname(dir);
  let made: string | undefined;
  let next: string;
  try {
    made = mkdirSync(parent, { recursive: true, mode: 0o700 });
    next = mkdtempSync(join(parent, ".demo-"));
    writeFileSync(join(next, markFile), `${process.pid}\n`);
  } catch (error) {
    throw fileFault(error, parent);
  }
  try {
    const server = await serve(join(next, socketFile), answer);
    try {
      if (!moved(next, dir)) {
        await requireDead(dir);
        rmSync(dir, { recursive: true, force: true });
        if (!moved(next, dir)) throw running(dir, "it was started in this moment");
      }
    } catch (error) {
      server.close();
      throw error;
    }
    const release = (isKept: boolean): void => {
      server.close();
      if (isKept) rmSync(join(dir, socketFile), { force: true });
      else rmSync(dir, { recursive: true, force: true });
      if (!isKept && made !== undefined) removeEmpty(parent, dirname(made));
    };
    return { dir, release };
  } catch (error) {
    rmSync(next, { recursive: true, force: true });
    if (made !== undefined) removeEmpty(parent, dirname(made));
    throw error;
  }
}

/** A rename is all or nothing, so of two demos that start at once one gets the folder. False: there is one already. */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw fileFault(error, to);
  }
}

function removeEmpty(dir: string, stop: string): void {
  try {
    for (let next = dir; next !== stop; next = dirname(next)) rmdirSync(next);
  } catch {
    // somebody uses it
  }
}

async function requireDead(dir: string): Promise<void> {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    throw fileFault(error, dir);
  }
  if (!names.includes(markFile)) throw new Fault("FILE_INVALID", { what: `${dir} is not a demo's folder`, why: "it is not empty and no demo made it, so it is left alone", hint: "choose another with --state DIR" });
  const state = await askDemo(dir, { verb: "pid", words: [], options: {} }, lifeSignMs).catch((error: unknown) => asFault(error));
  if (typeof state === "string") throw running(dir, `it is process ${state}`);
  if (state.code !== "NOT_FOUND") throw running(dir, `it does not answer: ${state.why}`);
}

function running(dir: string, why: string): Fault {
  const where = dir === defaultState ? "" : ` --state ${dir}`;
  return new Fault("CONFLICT", { what: "a demo is running already", why, hint: `npx bowline demo status${where}\nnpx bowline demo stop${where}` });
}

/** Absolute, or from here when that is shorter: the system takes only short ones. */
function socketPath(path: string): string {
  const near = relative(process.cwd(), path);
  const short = near.length < path.length ? near : path;
  if (Buffer.byteLength(short) > socketPathMax) throw new Fault("FILE_INVALID", { what: `the path of the demo's folder is too long`, why: `a unix socket's path has at most ${socketPathMax} characters, and ${path} has ${path.length}`, hint: "choose a shorter one: --state /tmp/demo" });
  return short;
}

function serve(path: string, answer: (ask: Ask) => Promise<string>): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    oneLine(socket)
      .then((line) => answer(JSON.parse(line) as Ask))
      .then(
        (text): Reply => ({ text }),
        (error: unknown): Reply => ({ fault: faultRecord(asFault(error)) }),
      )
      .then((reply) => socket.end(`${JSON.stringify(reply)}\n`), () => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(fileFault(error, path)));
    server.listen(socketPath(path), () => resolve(server));
  });
}

function oneLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
      else if (text.length > lineBytesMax) reject(new Fault("BODY_TOO_LARGE", { what: "the line is too long", why: `over ${lineBytesMax} octets` }));
    });
    socket.once("close", () => reject(new Fault("LINK_LOST", { what: "the demo ended before it answered" })));
    socket.once("error", reject);
  });
}

/** Asks the demo that runs on this folder. Faults: NOT_FOUND when none does, and what it answers with. */
export async function askDemo(dir: string, ask: Ask, timeoutMs: number): Promise<string> {
  const socket = connect(socketPath(join(dir, socketFile)));
  const timer = setTimeout(() => socket.destroy(new Fault("GAVE_UP_WAITING", { what: "the demo does not answer", why: `not within ${timeoutMs / 1000} s`, hint: "look at the terminal in which it runs" })), timeoutMs);
  try {
    socket.write(`${JSON.stringify(ask)}\n`);
    const reply = JSON.parse(await oneLine(socket)) as Reply;
    if ("fault" in reply) throw faultFromRecord(reply.fault);
    return reply.text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") throw new Fault("NOT_FOUND", { what: "no demo is running", why: `nobody answers in ${dir}`, hint: "npm run demo" });
    throw error;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
