// Follows commands as they change: one stream of events for all of them, begun anew from its last event when it ends, so that a relay that restarts, or is another one,
// takes nothing away. Where it cannot be watched (an older relay, something in between) it is asked now and then instead, a bounded number at a time.
import type { CommandView, Problem } from "../../shared/api.ts";
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { Fault, isFaultCode } from "../../shared/kit/errors.ts";
import { printable } from "../../shared/kit/shown.ts";
import { isTerminal } from "../../shared/rules/command-state.ts";
import type { Run } from "./run.ts";

const againMs = 1_000;
/** Without events: commands that are asked for in one round, and the pause (ms) after it. */
const roundMax = 50;
const roundMs = 2_000;
/** Of one timer of Node's; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
/** The relay is not there right now: what was asked may be asked again. */
export const AWAY = new Set(["RELAY_UNREACHABLE", "PROXY_FAILED", "DRAINING", "STORE_FAILED", "STREAM_STALLED"]);
/** It is there and cannot be watched. */
const UNWATCHED = new Set(["NOT_FOUND", "TOO_MANY", "METHOD_REFUSED", "CONFLICT"]);

/** Commands as they change, and why nothing comes for a moment. Ends by a Fault only. */
export async function* changes(run: Run, filter: Readonly<Record<string, string>>, since: string, signal: AbortSignal): AsyncGenerator<CommandView | Fault> {
  let at = since;
  for (;;) {
    let fault = new Fault("RELAY_UNREACHABLE", { what: "the relay ended the watch", why: "it said no reason" });
    try {
      const query = new URLSearchParams({ watch: "1", ...filter, ...(at === "" ? {} : { since: at }) });
      for await (const { id, type, text } of run.client().events(`/commands?${query.toString()}`, signal)) {
        if (type === "command") yield JSON.parse(text) as CommandView;
        if (type === "end") fault = endFault(text);
        at = id;
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      fault = error;
    }
    if (!AWAY.has(fault.code)) throw fault;
    yield fault;
    await pause(systemClock, againMs, signal);
  }
}

function endFault(text: string): Fault {
  const { code, title, detail, hint } = JSON.parse(text) as Problem;
  return new Fault(isFaultCode(code) ? code : "RELAY_UNREACHABLE", { what: title, why: detail, hint });
}

export interface Following {
  /** `since` of the stream: from before the first of the views. */
  readonly since: string;
  readonly timeoutMs: number;
  /** Each as it ends; false: that was enough. */
  readonly onEnd: (view: CommandView) => void;
}

/** Waits until all have ended, and says each change. The views that had not when the time was over. */
export async function follow(run: Run, views: readonly CommandView[], { since, timeoutMs, onEnd }: Following): Promise<CommandView[]> {
  const open = new Map(views.map((view) => [view.id, view]));
  const say = sayer(run);
  const take = (view: CommandView | Fault): void => {
    if (!(view instanceof Fault) && !open.has(view.id)) return;
    if (view instanceof Fault) return say(`the relay is away: ${view.why}`);
    open.set(view.id, view);
    if (!isTerminal(view.state)) return say(`${view.site}: ${view.state}${view.why === "" ? "" : ` (${view.why})`}`);
    open.delete(view.id);
    onEnd(view);
  };
  for (const view of views) take(view);
  if (open.size === 0 || timeoutMs <= 0) return [...open.values()];
  const time = AbortSignal.timeout(Math.min(timeoutMs, timerMsMax));
  const sites = new Set(views.map(({ site }) => site));
  try {
    for await (const change of changes(run, sites.size === 1 ? { site: [...sites][0]! } : {}, since, AbortSignal.any([run.signal, time]))) {
      take(change);
      if (open.size === 0) return [];
    }
  } catch (error) {
    if (!time.aborted && error instanceof Fault && UNWATCHED.has(error.code)) await ask(run, open, take, time);
    else if (!time.aborted) throw error;
  }
  run.signal.throwIfAborted();
  return [...open.values()];
}

function sayer(run: Run): (text: string) => void {
  let said = "";
  return (text) => {
    const now = printable(text);
    if (now !== said) run.terminal.say(`${said === "" ? "waiting, Ctrl-C only stops waiting\n" : ""}${now}\n`);
    said = now;
  };
}

/** The fallback: those that are asked for go to the end of the line. */
async function ask(run: Run, open: Map<string, CommandView>, take: (view: CommandView | Fault) => void, time: AbortSignal): Promise<void> {
  while (open.size > 0 && !time.aborted) {
    for (const [id, before] of [...open].slice(0, roundMax)) {
      open.delete(id);
      open.set(id, before);
      take(
        await run.client().get<CommandView>(`/commands/${encodeURIComponent(id)}`).catch((error: unknown) => {
          if (error instanceof Fault && AWAY.has(error.code)) return error;
          throw error;
        }),
      );
    }
    await pause(systemClock, open.size === 0 ? 0 : roundMs, AbortSignal.any([run.signal, time])).catch(() => {});
    run.signal.throwIfAborted();
  }
}
