// The line of chaos-line.ts: what comes out of it, when at the earliest, who waits for whom, and what each way to break it looks like from both ends.
import { createHash } from "node:crypto";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { seededRandom } from "../../shared/kit/random.ts";
import { ChaosLine, type LineSettings } from "./chaos-line.ts";
import { startLine } from "./chaos.ts";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A listener that hands over the next socket, and a line in front of it. */
async function ends(settings: Partial<LineSettings>): Promise<{ line: ChaosLine; dial: () => Promise<[Socket, Socket]> }> {
  const accepted: ((socket: Socket) => void)[] = [];
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    accepted.shift()!(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const line = new ChaosLine({ host: "127.0.0.1", port: (server.address() as AddressInfo).port }, settings);
  const port = await line.listen();
  closers.push(() => void server.close(), () => line.close());
  const dial = async (): Promise<[Socket, Socket]> => {
    const far = new Promise<Socket>((resolve) => accepted.push(resolve));
    const near = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    near.on("error", () => {});
    closers.push(() => void near.destroy());
    return [near, await far];
  };
  return { line, dial };
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const firstOctets = (socket: Socket): Promise<Buffer> => new Promise((resolve) => socket.once("data", resolve).resume());
const closed = (socket: Socket): Promise<Error | null> =>
  new Promise((resolve) => {
    let error: Error | null = null;
    socket.on("error", (raised) => (error = raised));
    socket.once("close", () => resolve(error));
  });

test("octets arrive whole and in order, both ways at once, however they are cut, delayed and stalled", async () => {
  const seed = Date.now() % 100_000;
  console.log(`seed ${seed}`);
  const { dial } = await ends({ delayMs: 5, octetsPerS: 4_000_000, queueOctets: 20_000, stallShare: 0.1, stallMs: 20, sliceOctets: 3_000, seed });
  const random = seededRandom(seed);
  const payload = Buffer.from(Array.from({ length: 400_000 }, () => Math.floor(random() * 256)));
  const digest = createHash("sha256").update(payload).digest("hex");
  const [near, far] = await dial();
  near.end(payload);
  far.end(payload);
  const [there, back] = await Promise.all([readAll(far), readAll(near)]);
  expect([there, back].map((octets) => createHash("sha256").update(octets).digest("hex"))).toEqual([digest, digest]);
});

test("nothing arrives before its delay, or faster than the line's pace", async () => {
  const { dial } = await ends({ delayMs: 40, octetsPerS: 1_000_000, queueOctets: 10_000 });
  const [near, far] = await dial();
  const begun = performance.now();
  near.write("x");
  await firstOctets(far);
  const oneMs = performance.now() - begun;
  near.end(Buffer.alloc(100_000));
  await readAll(far);
  const manyMs = performance.now() - begun - oneMs;
  // A timer may be a millisecond early.
  expect(oneMs).toBeGreaterThan(38);
  expect(manyMs).toBeGreaterThan(138);
});

test("a small flow does not wait behind what another one still has to send", async () => {
  const { dial } = await ends({ octetsPerS: 100_000, queueOctets: 10_000 });
  const [bulk, bulkFar] = await dial();
  const [small, smallFar] = await dial();
  const got = { octets: 0 };
  const bulkBegun = new Promise<void>((resolve) => bulkFar.on("data", (part: Buffer) => ((got.octets += part.length), resolve())).resume());
  bulk.write(Buffer.alloc(2_000_000)); // 20 s of the line
  await bulkBegun;
  small.write("?");
  await firstOctets(smallFar);
  expect(got.octets).toBeLessThan(200_000);
});

test("a reader that does not read stops its sender, and nobody else", async () => {
  const { line, dial } = await ends({});
  const [near, far] = await dial();
  const [other, otherFar] = await dial();
  const part = Buffer.alloc(1_048_576);
  const most = 128;
  let sent = 0;
  const stuck = new Promise<boolean>((resolve) => {
    const write = (): void => {
      if (sent >= most) return resolve(false);
      sent += 1;
      near.write(part, write);
    };
    write();
    // Both kernels' buffers, and then nothing: another flow's answers take turns with it, so this many of them mean that it stands still.
    void (async () => {
      for (let before = -1; before !== sent; ) {
        before = sent;
        for (let count = 0; count < 200; count += 1) {
          other.write("?");
          otherFar.resume();
          await firstOctets(otherFar);
        }
      }
      resolve(true);
    })();
  });
  expect(await stuck).toBe(true);
  expect(line.counts().forth).toBeLessThan(most * part.length);
  far.destroy();
});

test("a swallowed half is never told; a held one gets everything when the line heals", async () => {
  const { line, dial } = await ends({});
  const [near, far] = await dial();
  near.write("before");
  expect(String(await firstOctets(far))).toBe("before");
  line.halt("hold");
  near.write("held");
  const held = firstOctets(far);
  line.heal();
  expect(String(await held)).toBe("held");
  line.halt("swallow");
  near.end("lost");
  far.write("lost too");
  const [second, secondFar] = await dial();
  line.heal();
  second.write("after");
  expect(String(await firstOctets(secondFar))).toBe("after");
  expect([near.destroyed, far.destroyed, far.readableEnded]).toEqual([false, false, false]);
  expect(line.counts().forth).toBe("before".length + "held".length + "after".length);
});

test("a cut is a reset at both ends, and an end on one side alone is passed on", async () => {
  const { line, dial } = await ends({});
  const [near, far] = await dial();
  near.end("last words");
  expect(String(await readAll(far))).toBe("last words");
  const [third, thirdFar] = await dial();
  third.write("x");
  await firstOctets(thirdFar);
  const both = Promise.all([closed(third), closed(thirdFar)]);
  line.cut();
  for (const error of await both) expect((error as NodeJS.ErrnoException | null)?.code).toBe("ECONNRESET");
});

test("as a process it obeys, counts and ends", async () => {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => void server.close());
  const line = await startLine((server.address() as AddressInfo).port, {});
  const socket = connect(line.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("ping");
  expect(String(await firstOctets(socket))).toBe("ping");
  expect(await line.counts()).toEqual({ flows: 1, forth: 4, back: 4 });
  const gone = closed(socket);
  await line.cut();
  expect(((await gone) as NodeJS.ErrnoException | null)?.code).toBe("ECONNRESET");
  await line.stop();
  await expect(line.counts()).rejects.toThrow("ended");
});
