// What hostile octets get from a relay: before the handshake a closed door in its time, in the handshake and after it a BYE that names the rule, within a second. The
// relay goes on serving its other sites meanwhile, holds nothing of what it refused, and takes the next honest link.
import { connect as connectTcp } from "node:net";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { makeSigningKeys } from "../../shared/kit/keys.ts";
import type { FrameSocket } from "../../shared/link/frame-socket.ts";
import { agentHandshake } from "../../shared/link/handshake.ts";
import { encodeHandshake } from "../../shared/link/handshake-frames.ts";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { FRAME_TYPES } from "../../shared/wire/frame.ts";
import { handshakeMs } from "../../shared/wire/limits.ts";
import { encodeNumbers } from "../../shared/wire/message.ts";
import { expectFlat } from "../kit/leaks.ts";
import { frame, toRelay } from "./hostile-bytes.ts";
import { ask } from "./kube-rest.ts";
import { Place, until, type Started } from "./place.ts";
import { byeAfter, RawAgent } from "./raw-peers.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const promptMs = 1_000;
const place = new Place();
let cluster: SimCluster;
let relay: Started;
let raw: RawAgent;

beforeAll(async () => {
  cluster = await startSimCluster();
  relay = await place.relay();
  await place.login();
  await place.site("good", cluster.kubeconfig);
  await place.joined("raw", cluster.kubeconfig);
  raw = await RawAgent.open(place, "raw");
});
afterAll(async () => {
  await raw?.close();
  await place.close();
  await cluster?.stop();
});

async function expectServing(): Promise<void> {
  const begunMs = performance.now();
  expect((await ask(place, "GET", "/k8s/good/version")).status).toBe(200);
  expect(performance.now() - begunMs).toBeLessThan(promptMs);
  expect(relay.hasEnded).toBe(false);
}

const port = (): number => Number(new URL(place.relayUrl).port);

function tls(options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port: port(), ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8"), ALPNProtocols: ["http/1.1"], ...options });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** All that comes back until the other end closes, and how long that took. */
function answerTo(socket: { on(event: string, listen: (chunk: Buffer) => void): unknown; write(octets: string | Uint8Array): unknown }, octets: string | Uint8Array): Promise<{ text: string; afterMs: number }> {
  const begunMs = performance.now();
  let text = "";
  return new Promise((resolve) => {
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve({ text, afterMs: performance.now() - begunMs }));
    socket.write(octets);
  });
}

const upgrade = (protocol: string | null): string =>
  `GET /link HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${protocol === null ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`;

describe("before the handshake", () => {
  test.each([
    ["octets that are no HTTP", "\x00\x01\x02 garbage\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["another subprotocol", upgrade("bowline.99"), /^HTTP\/1\.1 400 /],
    ["no subprotocol", upgrade(null), /^HTTP\/1\.1 400 /],
    ["an upgrade to something else", upgrade("bowline.1").replace("Upgrade: websocket", "Upgrade: h2c"), /^HTTP\/1\.1 400 /],
    ["a key that is none", upgrade("bowline.1").replace("AAAAAAAAAAAAAAAAAAAAAA==", "x"), /^HTTP\/1\.1 400 /],
    ["an upgrade elsewhere", upgrade("bowline.1").replace("/link", "/links"), /^HTTP\/1\.1 404 /],
  ])("%s: refused at once", async (_name, octets, answer) => {
    const { text, afterMs } = await answerTo(await tls(), octets);
    expect(text).toMatch(answer);
    expect(afterMs).toBeLessThan(promptMs);
    await expectServing();
  });

  test("TLS 1.2 is told to upgrade, and plain text is no TLS", async () => {
    expect((await answerTo(await tls({ maxVersion: "TLSv1.2" }), upgrade("bowline.1"))).text).toMatch(/^HTTP\/1\.1 426 /);
    const plain = await answerTo(connectTcp(port(), "127.0.0.1"), "GET / HTTP/1.1\r\n\r\n");
    expect(plain.text).not.toContain("HTTP/");
    expect(plain.afterMs).toBeLessThan(promptMs);
    await expectServing();
  });

  test("text messages and messages over 1 MiB end the socket with their WebSocket codes", async () => {
    const closeCode = (message: string | Buffer): Promise<number> =>
      new Promise((resolve, reject) => {
        const ws = new WebSocket(`wss://127.0.0.1:${port()}/link`, ["bowline.1"], { ca: readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8"), minVersion: "TLSv1.3", perMessageDeflate: false });
        ws.once("open", () => ws.send(message));
        ws.once("close", resolve);
        ws.once("error", reject);
      });
    expect(await closeCode("hello")).toBe(1003);
    expect(await closeCode(Buffer.alloc(1_048_577))).toBe(1009);
    await expectServing();
  });

  test("256 that never go on: the next one of an address is sent away, all are closed after 10 s, then an honest agent links", { timeout: 60_000 }, async () => {
    const begunMs = performance.now();
    const slow = await Promise.all(Array.from({ length: 256 }, () => raw.dial()));
    // Half of them say HELLO, and then no CLAIM.
    for (const [index, socket] of slow.entries()) if (index % 2 === 0) socket.send("HELLO", encodeHandshake({ versions: [1], nonce: Buffer.alloc(32).toString("base64url"), purpose: "link" }));
    const { text, afterMs } = await answerTo(await tls(), upgrade("bowline.1"));
    expect(text).toMatch(/^HTTP\/1\.1 503 [^]*?\r\nretry-after: \d+\r\n/);
    expect(afterMs).toBeLessThan(promptMs);
    await expectServing();
    await Promise.all(slow.map((socket) => socket.ended));
    expect(performance.now() - begunMs).toBeGreaterThan(handshakeMs - 500);
    expect(performance.now() - begunMs).toBeLessThan(handshakeMs + 5_000);
    const { socket, welcome } = await raw.link();
    expect(welcome.state).toBe("linked");
    socket.close();
    await socket.ended;
  });
});

describe("in the handshake", () => {
  const nonce = Buffer.alloc(32).toString("base64url");
  const hello = encodeHandshake({ versions: [1], nonce, purpose: "link" });
  test.each([
    ["a frame that is not HELLO", (socket: FrameSocket) => socket.send("CLAIM", hello), "FRAME_MISPLACED"],
    ["two frames in one message", (socket: FrameSocket) => socket.sendMessage(Buffer.concat([frame(FRAME_TYPES.HELLO, 0, hello), frame(FRAME_TYPES.PING, 0, encodeNumbers(1))])), "FRAME_MISPLACED"],
    ["a HELLO over 16 KiB", (socket: FrameSocket) => socket.send("HELLO", encodeHandshake({ versions: [1], nonce, purpose: "link", filler: "x".repeat(17_000) })), "FRAME_TOO_LARGE"],
    ["a HELLO that is no JSON", (socket: FrameSocket) => socket.send("HELLO", Buffer.from([0, 0, 0, 2, 0x7b, 0x7b])), "HANDSHAKE_REFUSED"],
    ["a HELLO that ends inside its JSON", (socket: FrameSocket) => socket.send("HELLO", Buffer.from([0, 0, 1, 0, 0x7b])), "HANDSHAKE_REFUSED"],
    ["a nonce that is too short", (socket: FrameSocket) => socket.send("HELLO", encodeHandshake({ versions: [1], nonce: "AAAA", purpose: "link" })), "HANDSHAKE_REFUSED"],
    ["another purpose", (socket: FrameSocket) => socket.send("HELLO", encodeHandshake({ versions: [1], nonce, purpose: "rule" })), "HANDSHAKE_REFUSED"],
    ["versions of the future", (socket: FrameSocket) => socket.send("HELLO", encodeHandshake({ versions: [98, 99], nonce, purpose: "link" })), "VERSION_UNSUPPORTED"],
    ["octets that are no frame", (socket: FrameSocket) => socket.sendMessage(Uint8Array.of(0xff)), "FRAME_TRUNCATED"],
  ])("%s: a BYE that names the rule", async (_name, send, fault) => {
    const socket = await raw.dial();
    const bye = await byeAfter(socket, () => send(socket));
    expect(bye).toMatchObject({ code: fault === "HANDSHAKE_REFUSED" ? "refused" : "protocol", fault });
    expect(bye.afterMs).toBeLessThan(promptMs);
    await socket.ended;
    await expectServing();
  });

  test("a stranger and a wrong key hear the same, and no site is named", async () => {
    const reasons: string[] = [];
    for (const site of ["s_00000000000000000000000000000000", (JSON.parse(await place.ok(["site", "describe", "good", "-o", "json"])) as { id: string }).id]) {
      const socket = await raw.dial();
      const refused = await agentHandshake(socket, { purpose: "link", relayKeys: raw.relayKeys, boot: "stranger", dial: 1, keys: makeSigningKeys(), site, hello: raw.hello }).catch((error: Error) => error);
      expect(refused).toMatchObject({ code: "SITE_KEY_WRONG" });
      reasons.push((refused as Error).message);
      socket.close();
    }
    expect(reasons[0]).toBe(reasons[1]);
    await expectServing();
  });
});

describe("after the handshake", () => {
  test.each(toRelay)("$name: BYE($fault) within a second", async ({ message, fault }) => {
    const { socket } = await raw.link();
    const bye = await byeAfter(socket, () => socket.sendMessage(message));
    expect(bye).toMatchObject({ code: "protocol", fault });
    expect(bye.reason.split("\n").slice(0, 3).every((part) => part !== "")).toBe(true); // code, what and why
    expect(bye.afterMs).toBeLessThan(promptMs);
    await socket.ended;
    await expectServing();
  });

  test("an unknown type that may be ignored is, and the link goes on", async () => {
    const { socket } = await raw.link();
    const answered = new Promise<string>((resolve) => socket.attach((message) => decodeFrames(message).forEach(({ type }) => type === "PONG" && resolve(type))));
    socket.sendMessage(Buffer.concat([frame(0x80 | 0x1f, 0, Buffer.from("from the future")), frame(FRAME_TYPES.PING, 0, encodeNumbers(7))]));
    expect(await answered).toBe("PONG");
    socket.close();
    await socket.ended;
  });

  test("a letter that is no letter of this site is refused, and the link goes on", async () => {
    const { socket } = await raw.link();
    const receipt = new Promise<Uint8Array>((resolve) => socket.attach((message) => decodeFrames(message).forEach(({ type, payload }) => type === "RECEIPT" && resolve(payload))));
    const octets = Buffer.from("\0\0\0\x02{}nothing");
    socket.sendMessage(frame(FRAME_TYPES.LETTER, 0, Buffer.concat([encodeNumbers(1, 0, octets.length), octets])));
    expect([...(await receipt)]).toEqual([...encodeNumbers(1, 1, 1, 5)]); // number 1: refused, malformed
    socket.close();
    await socket.ended;
  });

  test("rounds of all of these leave no descriptor and no memory at the relay", { timeout: 120_000 }, async () => {
    const growth = await expectFlat({
      processes: () => ({ relay: relay.child.pid! }),
      rounds: 3,
      round: async () => {
        for (const { message } of toRelay) {
          const { socket } = await raw.link();
          await byeAfter(socket, () => socket.sendMessage(message));
          await socket.ended;
        }
      },
    });
    process.stderr.write(`hostile agents: the relay grew by ${growth["relay"]} KiB in three rounds\n`);
  });

  test("the site's own agent links and serves afterwards", async () => {
    await raw.close();
    place.agent("raw", cluster.kubeconfig);
    await until("the site serves", async () => (await ask(place, "GET", "/k8s/raw/version")).status === 200);
  });
});
