// GET pods/x/log: the lines so far, bent by tail, since, timestamps and limit, and with follow those to come until the container ends.
import type { LogBook, LogLine } from "./log-book.ts";
import { bulkLines } from "./log-book.ts";
import type { PodRuntime } from "./pods.ts";
import type { Exchange } from "./reply.ts";
import type { ResourceRoute } from "./route.ts";
import { badRequest } from "./status.ts";
import type { World } from "./world.ts";

/** Lines a slow reader of `logs -f` may fall behind before it loses the oldest of them. */
const waitingLinesMax = 100_000;

interface LogOrder {
  readonly isFollowed: boolean;
  readonly hasTimes: boolean;
  readonly tailLines: number;
  readonly sinceMs: number;
  readonly bytesMax: number;
}

const isTrue = (value: string | null): boolean => value === "true" || value === "1";

function wholeNumber(query: URLSearchParams, name: string, otherwise: number): number {
  const value = query.get(name);
  if (value === null || value === "") return otherwise;
  if (!/^\d+$/.test(value)) throw badRequest(`invalid value for ${name}: ${value}`);
  return Number(value);
}

function orderOf(query: URLSearchParams, nowMs: number): LogOrder {
  const sinceTime = query.get("sinceTime");
  const sinceSeconds = wholeNumber(query, "sinceSeconds", -1);
  return {
    isFollowed: isTrue(query.get("follow")),
    hasTimes: isTrue(query.get("timestamps")),
    tailLines: wholeNumber(query, "tailLines", Number.POSITIVE_INFINITY),
    sinceMs: sinceTime !== null ? Date.parse(sinceTime) : sinceSeconds >= 0 ? nowMs - sinceSeconds * 1000 : 0,
    bytesMax: wholeNumber(query, "limitBytes", Number.POSITIVE_INFINITY),
  };
}

class Sender {
  readonly #exchange: Exchange;
  readonly #order: LogOrder;
  #left: number;

  constructor(exchange: Exchange, order: LogOrder) {
    this.#exchange = exchange;
    this.#order = order;
    this.#left = order.bytesMax;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  async send(lines: readonly LogLine[]): Promise<void> {
    const wanted = lines.filter((line) => line.atMs >= this.#order.sinceMs);
    if (wanted.length > 0) await this.bytes(Buffer.concat(wanted.map((line) => (this.#order.hasTimes ? Buffer.concat([Buffer.from(`${new Date(line.atMs).toISOString()} `), line.bytes]) : line.bytes))));
  }

  async bytes(bytes: Buffer): Promise<void> {
    const piece = bytes.subarray(0, this.#left);
    this.#left -= piece.length;
    await this.#exchange.reply.write(piece);
  }
}

async function follow(book: LogBook, sender: Sender, waiting: LogLine[], signal: AbortSignal, world: World): Promise<void> {
  let wake = (): void => undefined;
  const stir = (): void => wake();
  const offLine = book.onLine((line) => {
    waiting.push(line);
    if (waiting.length > waitingLinesMax) waiting.shift();
    stir();
  });
  const offFinish = book.onFinish(stir);
  const offEnd = world.scope.onEnd(stir);
  signal.addEventListener("abort", stir, { once: true });
  try {
    while (!signal.aborted && !sender.isFull && !world.scope.hasEnded) {
      await sender.send(waiting.splice(0));
      if (waiting.length > 0) continue;
      if (book.isFinished) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    offLine();
    offFinish();
    offEnd();
  }
}

export async function servePodLog(world: World, pods: PodRuntime, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { query, reply } = exchange;
  const container = pods.container(route.namespace!, route.name!, query.get("container") ?? "", "log");
  const book = isTrue(query.get("previous")) ? pods.previousLog(container) : container.log;
  const order = orderOf(query, world.clock.wallMs());
  const sender = new Sender(exchange, order);
  reply.head(200, { "Content-Type": "text/plain" });
  if (order.tailLines === Number.POSITIVE_INFINITY) {
    for (const chunk of bulkLines(book.bulkBytes)) {
      if (sender.isFull) break;
      await sender.bytes(chunk);
    }
  }
  const held = book.lines();
  const first = held.slice(Math.max(0, held.length - order.tailLines));
  if (order.isFollowed) await follow(book, sender, [...first], reply.signal, world);
  else await sender.send(first);
  await reply.end();
}
