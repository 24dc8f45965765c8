// What a line is worth before anybody multiplexes over it: plain TLS sockets through it, measured in the same run as what follows. Octets per second of one socket;
// the round trip of a small question on a socket of its own, idle and beside bulks; and how old an octet is that was written behind a bulk on the same socket:
// what a multiplexer gets that fills its kernel's send buffer.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { startLine, type LineSettings } from "../kit/chaos.ts";
import { pause } from "./ground.ts";
import { spread } from "./turns.ts";

export interface Calibration {
  readonly mbPerS: number;
  readonly pingMs: number;
  readonly pingBeside1Ms: number;
  readonly pingBeside4Ms: number;
  /** Behind a bulk on the same socket, one way. */
  readonly behindMs: number;
}

const chunk = Buffer.alloc(16_384, 7);

interface Pouring {
  readonly socket: TLSSocket;
  got: number;
}

/** One end pours on every socket that asks for it and answers the questions of the others; the line is between. */
export class Calibrator {
  readonly #ca: string;
  readonly #port: number;
  readonly #close: () => Promise<void>;
  /** Octets that each pouring socket has been given, by its number. */
  readonly #given = new Map<number, number>();
  #lastNumber = 0;

  private constructor(ca: string, port: number, close: () => Promise<void>, given: Map<number, number>) {
    this.#ca = ca;
    this.#port = port;
    this.#close = close;
    this.#given = given;
  }

  static async start(certificates: string, settings: Partial<LineSettings>): Promise<Calibrator> {
    const read = (name: string): string => readFileSync(join(certificates, name), "utf8");
    const given = new Map<number, number>();
    const server = createServer({ cert: read("tls.crt"), key: read("tls.key"), minVersion: "TLSv1.3", noDelay: true }, (socket) => {
      socket.on("error", () => {});
      socket.once("data", (first: Buffer) => {
        if (first[0] === "?".charCodeAt(0)) {
          socket.write("!");
          socket.on("data", () => socket.write("!"));
          return;
        }
        const number = Number(first.toString("latin1"));
        const pour = (): void => {
          do given.set(number, (given.get(number) ?? 0) + chunk.length);
          while (socket.write(chunk));
        };
        socket.on("drain", pour);
        pour();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const line = await startLine((server.address() as AddressInfo).port, settings);
    return new Calibrator(
      read("ca.crt"),
      line.port,
      async () => {
        await line.stop();
        server.close();
      },
      given,
    );
  }

  async #dial(): Promise<TLSSocket> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", ca: this.#ca, servername: "localhost", minVersion: "TLSv1.3" });
    socket.setNoDelay(true);
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    socket.on("error", () => {});
    return socket;
  }

  async #pour(): Promise<Pouring & { readonly number: number }> {
    this.#lastNumber += 1;
    const pouring = { socket: await this.#dial(), got: 0, number: this.#lastNumber };
    pouring.socket.on("data", (octets: Buffer) => (pouring.got += octets.length));
    pouring.socket.write(String(this.#lastNumber));
    return pouring;
  }

  async #pings(seconds: number): Promise<number> {
    const socket = await this.#dial();
    const times: number[] = [];
    const begun = performance.now();
    while (performance.now() - begun < seconds * 1_000) {
      const from = performance.now();
      const answer = new Promise((resolve) => socket.once("data", resolve));
      socket.write("?");
      await answer;
      times.push(performance.now() - from);
    }
    socket.destroy();
    return spread(times).median;
  }

  async run(leadS: number, seconds: number): Promise<Calibration> {
    const pingMs = await this.#pings(seconds / 2);
    const first = await this.#pour();
    await pause(leadS * 1_000);
    const before = first.got;
    await pause(seconds * 1_000);
    const mbPerS = (first.got - before) / 1e6 / seconds;
    const pingBeside1Ms = await this.#pings(seconds);
    const behindMs = await this.#behind(first, seconds);
    const more = [await this.#pour(), await this.#pour(), await this.#pour()];
    await pause(leadS * 1_000);
    const pingBeside4Ms = await this.#pings(seconds);
    for (const { socket } of [first, ...more]) socket.destroy();
    return { mbPerS, pingMs, pingBeside1Ms, pingBeside4Ms, behindMs };
  }

  /** What the other end has handed to its socket by now: how long until it is here? */
  async #behind(pouring: Pouring & { readonly number: number }, seconds: number): Promise<number> {
    const ages: number[] = [];
    const begun = performance.now();
    while (performance.now() - begun < seconds * 1_000) {
      const mark = this.#given.get(pouring.number)!;
      const from = performance.now();
      while (pouring.got < mark) await new Promise((resolve) => pouring.socket.once("data", resolve));
      ages.push(performance.now() - from);
    }
    return spread(ages).median;
  }

  stop(): Promise<void> {
    return this.#close();
  }
}
