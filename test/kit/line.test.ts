// The demo's cable, on real sockets: what passes, what a cut does to both ends, and that a slow line delays, limits and keeps the order. Time is moved by hand.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock } from "../../shared/kit/clock.ts";
import { openLine, type Line } from "./line.ts";

class HandClock implements Clock {
  nowMs = 0;
  #timers: { atMs: number; wake: () => void }[] = [];

  wallMs(): number {
    return this.nowMs;
  }

  monoMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, wake: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, wake };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  move(byMs: number): void {
    const untilMs = this.nowMs + byMs;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= untilMs).toSorted((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
    }
    this.nowMs = untilMs;
  }
}

let clock: HandClock;
let server: Server;
let line: Line;
const accepted: Socket[] = [];

beforeEach(async () => {
  clock = new HandClock();
  server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  line = await openLine({ host: "127.0.0.1", port: () => port, clock });
});

afterEach(async () => {
  await line.close();
  for (const socket of accepted.splice(0)) socket.destroy();
  server.close();
});

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

async function dial(): Promise<Pair> {
  const near = connect({ port: line.port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
  const [far] = (await once(server, "connection")) as [Socket];
  return { near, far };
}

/** Resolves with exactly so many octets. */
function read(socket: Socket, octets: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let left = octets;
    const take = (bytes: Buffer): void => {
      parts.push(bytes.subarray(0, left));
      if (bytes.length >= left) {
        socket.off("data", take).pause();
        if (bytes.length > left) socket.unshift(bytes.subarray(left));
        resolve(Buffer.concat(parts));
      } else left -= bytes.length;
    };
    socket.on("data", take).resume();
  });
}

const ended = (socket: Socket): Promise<string> => new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).once("end", () => resolve("end")).resume());

/** What was written has been taken in by the line: a socket that was dialled later is through. */
async function untilHeld(near: Socket): Promise<void> {
  while (near.writableLength > 0) await once(near, "drain");
  await dial();
}

test("octets pass both ways, and the end of one direction leaves the other open", async () => {
  const { near, far } = await dial();
  const sent = Buffer.alloc(3_000_000, "x");
  near.end(sent);
  expect((await read(far, sent.length)).equals(sent)).toBe(true);
  expect(await ended(far)).toBe("end");
  far.end("still open");
  expect((await read(near, 10)).toString()).toBe("still open");
});

test("a cut resets both ends and every new socket, until it is healed", async () => {
  const { near, far } = await dial();
  const ends = [ended(near), ended(far)];
  line.cut();
  expect(await Promise.all(ends)).toEqual(["ECONNRESET", "ECONNRESET"]);
  expect(await ended(connect({ port: line.port, host: "127.0.0.1" }))).toBe("ECONNRESET");
  line.heal();
  const again = await dial();
  again.near.write("back");
  expect((await read(again.far, 4)).toString()).toBe("back");
});

test("a reset of one end reaches the other", async () => {
  const { near, far } = await dial();
  const end = ended(far);
  near.resetAndDestroy();
  expect(await end).toBe("ECONNRESET");
});

test("nobody behind the line means a reset, and the line goes on", async () => {
  server.close();
  expect(await ended(connect({ port: line.port, host: "127.0.0.1" }))).toBe("ECONNRESET");
  expect(line.state.kind).toBe("whole");
});

test("a slow line passes nothing before its delay, then no more than its rate, in order", async () => {
  line.slow({ delayMs: 1_000, bytesPerSecond: 8_192 });
  const { near, far } = await dial();
  near.write(Buffer.concat([Buffer.alloc(4_096, "a"), Buffer.alloc(4_096, "b")]));
  await untilHeld(near);
  clock.move(1_499); // the first 4 KiB need 500 ms at this rate, and 1 s on the way
  await dial();
  expect(far.bytesRead).toBe(0);
  clock.move(1);
  expect((await read(far, 4_096)).equals(Buffer.alloc(4_096, "a"))).toBe(true);
  line.heal();
  near.end("c");
  await untilHeld(near);
  await dial();
  expect(far.bytesRead).toBe(4_096); // what came after the healing does not overtake
  clock.move(500);
  expect((await read(far, 4_097)).equals(Buffer.concat([Buffer.alloc(4_096, "b"), Buffer.from("c")]))).toBe(true);
  expect(await ended(far)).toBe("end");
});

test("a slow line stalls its sender instead of holding everything", async () => {
  line.slow({ delayMs: 3_600_000, bytesPerSecond: 1_000_000 });
  const { near } = await dial();
  const octets = 64 * 1_048_576;
  near.write(Buffer.alloc(octets));
  for (let rounds = 0; rounds < 50; rounds += 1) await dial();
  expect(near.bytesWritten - near.writableLength).toBeLessThan(octets);
  expect(near.writableLength).toBeGreaterThan(0);
});
