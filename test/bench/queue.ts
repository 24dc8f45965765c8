// queue: orders durable at the relay, commands durable and receipted at an agent, results replayed by it, each against raw SQLite with the same rows in the same run plus
// as many signatures or verifications; heartbeats while a disk stalls; octets on the wire beside a command's payload.
import { Ground } from "./ground.ts";
import { httpSeconds, submitSeconds } from "./queue-accepts.ts";
import { rawCommitSeconds, rowsOf, rowsText, signSeconds, verifySeconds, type Rows } from "./queue-control.ts";
import { receiptSeconds } from "./queue-receipts.ts";
import { replay } from "./queue-replay.ts";
import { agentStall, hasStrace, relayStall, stallMs, type Beats } from "./queue-stall.ts";
import { onTheWire } from "./queue-wire.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { ratios, spread, spreadText } from "./turns.ts";

interface Part {
  readonly report: Report;
  readonly ground: Ground;
  readonly isQuick: boolean;
  readonly profile: boolean;
}

/** Rows and signatures, one after the other: what a machine does that does nothing else. */
function control(ground: Ground, rows: readonly Rows[], count: number, crypto: (count: number) => number): number {
  return count / (rawCommitSeconds(ground.place.dir, rows, count) + crypto(count));
}

async function accepts({ report, ground, isQuick, profile }: Part): Promise<void> {
  const count = isQuick ? 2_000 : 10_000;
  const [product, http, raw]: [number[], number[], number[]] = [[], [], []];
  let rows: Rows[] = [];
  const failures: string[] = [];
  for (let round = 0; round < (isQuick ? 2 : 5); round += 1) {
    const { seconds, file } = await submitSeconds(ground.place, count);
    product.push(count / seconds);
    rows = rowsOf(file, count);
    raw.push(control(ground, rows, count, signSeconds));
    const asked = await httpSeconds(count / 2, profile);
    http.push(asked.rps);
    failures.push(...(asked.failures ?? []).map(({ what }) => what.slice(0, 160)));
  }
  report.table(["accepts", "each s", "x control"], [
    ["control, rows and signatures", spreadText(raw), ""],
    ["product, submit path", spreadText(product), spreadText(ratios(product, raw))],
    ["product, HTTPS", spreadText(http), spreadText(ratios(http, raw))],
  ]);
  report.say(`a command is ${rowsText(rows)}; ${failures.length} of the requests failed${failures.length === 0 ? "" : `: ${failures[0]}`}`);
  report.goal({ name: "queue.accepts", sign: ">=", bound: 0.5, value: spread(ratios(product, raw)).median });
  report.goal({ name: "queue.acceptsHttp", sign: ">=", bound: 0.5, value: spread(ratios(http, raw)).median });
}

async function receipts({ report, ground, isQuick }: Part): Promise<void> {
  const count = isQuick ? 1_000 : 4_000;
  const [product, raw]: [number[], number[]] = [[], []];
  let rows: Rows[] = [];
  let refused = 0;
  for (let round = 0; round < (isQuick ? 2 : 3); round += 1) {
    const received = await receiptSeconds(ground, `receipts-${round}`, count);
    refused += received.refused;
    product.push(count / received.seconds);
    rows = rowsOf(received.file, count);
    raw.push(control(ground, rows, count, verifySeconds));
  }
  report.table(["receipts", "each s", "x control"], [
    ["control, rows and verifications", spreadText(raw), ""],
    ["product, an agent on its link", spreadText(product), spreadText(ratios(product, raw))],
  ]);
  report.say(`a command is ${rowsText(rows)}; ${refused} were refused`);
  report.goal({ name: "queue.receipts", sign: ">=", bound: 0.5, value: spread(ratios(product, raw)).median });
}

async function replays({ report, ground, isQuick }: Part): Promise<void> {
  const count = isQuick ? 1_000 : 10_000;
  const { seconds, letters, octets, succeeded } = await replay(ground, "replay", count);
  const rows = [{ table: "letter", perOperation: 1, octets: Math.round(octets / letters) }];
  const raw = control(ground, rows, letters, verifySeconds);
  report.table(["replay", "letters each s", "results each s", "x control"], [
    ["control, rows and verifications", raw, (raw * count) / letters, ""],
    ["product, agent to relay", letters / seconds, count / seconds, letters / seconds / raw],
  ]);
  report.say(`${count} results in ${letters} letters (claims and events among them) with ${octets} octets, ${seconds.toFixed(1)} s; ${succeeded} of them are at the relay`);
  report.goal({ name: "queue.replay", sign: ">=", bound: 0.5, value: letters / seconds / raw });
}

async function stalls({ report, ground, isQuick }: Part): Promise<void> {
  if (!hasStrace()) return report.say("SKIPPED: heartbeats while a disk stalls need strace, and there is none here");
  const forMs = isQuick ? 6_000 : 15_000;
  const relay = await relayStall(ground, "stall-relay", forMs);
  const agent = await agentStall(ground, "stall-agent", forMs);
  const row = (name: string, one: Beats): (string | number)[] => [name, one.answers, one.missed, one.p50, one.p99, one.max, one.storeMs];
  report.table(["heartbeats", "answers", "missed", "p50 ms", "p99 ms", "max ms", "slowest commit ms"], [
    row("relay, disk as it is", relay.idle),
    row(`relay, each sync + ${stallMs} ms`, relay.stalled),
    row("agent, disk as it is", agent.idle),
    row(`agent, each sync + ${stallMs} ms`, agent.stalled),
  ]);
  report.goal({ name: "queue.stallMissed", sign: "<=", bound: 0, value: relay.stalled.missed + agent.stalled.missed });
  report.goal({ name: "queue.stallRelayMaxMs", sign: "<=", bound: 100, value: relay.stalled.max });
  report.goal({ name: "queue.stallAgentMaxMs", sign: "<=", bound: 100, value: agent.stalled.max });
}

async function wire({ report, ground, isQuick }: Part): Promise<void> {
  const count = isQuick ? 20 : 200;
  const alone = await onTheWire(ground, "wire-alone", Math.ceil(count / 4), false);
  const together = await onTheWire(ground, "wire-together", count, true);
  const row = (name: string, { payload, down, up }: typeof alone): (string | number)[] => [name, payload, Math.round(down), Math.round(up), Math.round(down + up - payload)];
  report.table(["octets each command", "payload", "to the site", "back", "beside the payload"], [row("one after the other", alone), row(`${count} that waited`, together)]);
}

export async function queue(options: BenchOptions): Promise<void> {
  const report = new Report("queue");
  const ground = new Ground();
  ground.profile = options.profile;
  try {
    await ground.startRelay();
    await ground.place.login();
    await ground.startOrigin();
    await ground.relay.stop();
    for (const part of [accepts, receipts, replays, stalls, wire]) await part({ report, ground, ...options });
    report.write();
  } finally {
    await ground.stop();
  }
}
