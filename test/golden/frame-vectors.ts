// Every frame type as the one frame of a message, and a message of several: made by shared/wire, taken apart by shared/wire.
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { encodeFrame, FRAME_TYPES, MORE, type FrameTypeName } from "../../shared/wire/frame.ts";
import {
  encodeBye,
  encodeHead,
  encodeLetterHead,
  encodeLive,
  encodeNumbers,
  encodeOpen,
  encodeReceipt,
  encodeReset,
  parseBye,
  parseHead,
  parseLetter,
  parseLive,
  parseNumbers,
  parseOpen,
  parseReceipt,
  parseReset,
  type Receipt,
  type RequestHead,
} from "../../shared/wire/message.ts";
import type { Vector } from "./book.ts";

/** A vector with what taking it apart must give, and how. */
export interface TwoWayVector extends Vector {
  readonly value: unknown;
  readonly parse: (octets: Uint8Array) => unknown;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const listPods: RequestHead = {
  flags: { interactive: false, upgrade: false, ends: false },
  method: "GET",
  target: "/api/v1/pods?limit=500",
  operator: "ann",
  tier: "admin",
  requestId: "r-1",
  source: "127.0.0.1",
  headers: ["accept", "application/json", "user-agent", "kubectl/v1.36.0"],
};
const execRequest: RequestHead = {
  ...listPods,
  flags: { interactive: true, upgrade: true, ends: false },
  method: "POST",
  target: "/api/v1/namespaces/default/pods/web/exec?command=sh&stdin=true&tty=true",
  headers: ["upgrade", "websocket", "sec-websocket-protocol", "v5.channel.k8s.io", "x-own", "\u00e9 \t~"],
};
const bye = {
  code: "draining",
  greatestId: 7,
  retryAfterMs: 2_500,
  reason: "DRAINING\nthe relay is shutting down",
  otherRelay: "https://relay-2.example",
} as const;
const receipt: Receipt = {
  cumulative: 9,
  singles: [
    { number: 11, status: "committed" },
    { number: 10, status: "storage" },
    { number: 300, status: "malformed" },
  ],
};
const live = { greatestId: 20_000, openIds: [1, 2, 64, 16_448, 20_000] };
const held = { held: ["result-1", "claim-2"] };

/** One frame: `parse` is given its payload. */
function frame(type: FrameTypeName, stream: number, says: string, payload: Uint8Array, value: unknown, parse: (payload: Uint8Array) => unknown): TwoWayVector {
  const parseMessage = (octets: Uint8Array): unknown => {
    const frames = decodeFrames(octets);
    const [only] = frames;
    if (frames.length !== 1 || only?.type !== type || only.stream !== stream || only.hasMore)
      throw new Error(`${frames.length} frames, the first a ${only?.type} of stream ${only?.stream}`);
    return parse(only.payload);
  };
  return { name: type, says, octets: encodeFrame(type, stream, payload), value, parse: parseMessage };
}

function numbers(type: FrameTypeName, stream: number, says: string, ...values: number[]): TwoWayVector {
  return frame(type, stream, says, encodeNumbers(...values), values, (payload) => parseNumbers(payload, values.length));
}

const letterChunk = { number: 3, offset: 16_384, total: 16_390, chunk: text("letter") };

const frames: readonly TwoWayVector[] = [
  frame("HELD", 0, "two letters of the other end's are durable here", text(JSON.stringify(held)), held, (payload) =>
    JSON.parse(Buffer.from(payload).toString("utf8")),
  ),
  frame("BYE", 0, "draining, streams up to 7 were seen, come back in 2.5 s, elsewhere", encodeBye(bye), bye, parseBye),
  numbers("PING", 0, "at 1,234,567,890 of the sender's own time", 1_234_567_890),
  numbers("PONG", 0, "that PING's time, and 2026-01-02T03:04:05.678Z", 1_234_567_890, Date.parse("2026-01-02T03:04:05.678Z")),
  numbers("ACK", 0, "1,048,576 octets were decoded", 1_048_576),
  frame("LIVE", 0, "streams 1, 2, 64, 16448 and 20000 are open, 20000 is the greatest", encodeLive(live), live, parseLive),
  frame("LETTER", 0, "the last six octets of letter 3", Buffer.concat([encodeLetterHead(3, 16_384, 16_390), letterChunk.chunk]), letterChunk, (payload) => {
    const letter = parseLetter(payload);
    return { ...letter, chunk: Uint8Array.from(letter.chunk) };
  }),
  frame("RECEIPT", 0, "1 to 9 and 11 are committed, 10 is refused for storage, 300 as malformed", encodeReceipt(receipt), receipt, (payload) =>
    parseReceipt(payload, 128),
  ),
  numbers("LETTERCREDIT", 0, "128 letters and 8 MiB since the link began", 128, 8_388_608),
  frame("OPEN", 1, "kubectl get pods", encodeOpen(listPods), listPods, parseOpen),
  frame(
    "HEAD",
    1,
    "200 with three headers, one without a number",
    encodeHead({ status: 200, headers: ["content-type", "application/json", "audit-id", "a-1", "x-own", "1"] }),
    { status: 200, headers: ["content-type", "application/json", "audit-id", "a-1", "x-own", "1"] },
    parseHead,
  ),
  frame("BODY", 1, "eleven octets", text('{"kind":""}'), text('{"kind":""}'), (payload) => Uint8Array.from(payload)),
  frame("FIN", 1, "this direction is complete", new Uint8Array(0), 0, (payload) => payload.length),
  numbers("STOP", 16_383, "unreadable: nobody reads the rest", 11),
  frame(
    "RESET",
    64,
    "the API server cannot be reached",
    encodeReset("upstream-down", "API_SERVER_DOWN\nno route"),
    { code: "upstream-down", reason: "API_SERVER_DOWN\nno route" },
    parseReset,
  ),
  numbers("CREDIT", 63, "131,072 octets may have been sent since the stream began", 131_072),
];

/** OPEN in two parts, with a frame of another stream between them. */
function splitOpen(): Uint8Array {
  const record = encodeOpen(execRequest);
  const first = Uint8Array.from(encodeFrame("OPEN", 2, record.subarray(0, 40)));
  first[0] = FRAME_TYPES.OPEN | MORE;
  return Buffer.concat([first, encodeFrame("BODY", 1, text("x")), encodeFrame("OPEN", 2, record.subarray(40))]);
}

function joinedOpen(octets: Uint8Array): unknown {
  const parts = decodeFrames(octets);
  return {
    order: parts.map(({ type, stream, hasMore }) => `${type} ${stream}${hasMore ? " more" : ""}`),
    head: parseOpen(Buffer.concat(parts.filter(({ type }) => type === "OPEN").map(({ payload }) => payload))),
  };
}

const answer = Buffer.concat([
  encodeFrame("ACK", 0, encodeNumbers(40)),
  encodeFrame("HEAD", 1, encodeHead({ status: 404, headers: [] })),
  encodeFrame("BODY", 1, text("gone")),
  encodeFrame("FIN", 1, new Uint8Array(0)),
]);
/** A type from the future that may be ignored, between two that are known. */
const ignorable = Buffer.concat([
  encodeFrame("PING", 0, encodeNumbers(5)),
  Uint8Array.of(0x80 | 0x3e, 0x00, 0x03, 1, 2, 3),
  encodeFrame("ACK", 0, encodeNumbers(6)),
]);

const VARINTS = [0, 63, 64, 16_383, 16_384, 1_073_741_823, 1_073_741_824, Number.MAX_SAFE_INTEGER];

export const frameVectors: readonly TwoWayVector[] = [
  {
    name: "varints",
    says: "the least and the greatest of each length",
    octets: encodeNumbers(...VARINTS),
    value: VARINTS,
    parse: (octets) => parseNumbers(octets, VARINTS.length),
  },
  ...frames,
  {
    name: "OPEN-in-parts",
    says: "an interactive upgrade whose record goes on in a second frame, another stream between",
    octets: splitOpen(),
    value: { order: ["OPEN 2 more", "BODY 1", "OPEN 2"], head: execRequest },
    parse: joinedOpen,
  },
  {
    name: "message",
    says: "ACK, HEAD, BODY and FIN in one message",
    octets: answer,
    value: ["ACK 0", "HEAD 1", "BODY 1", "FIN 1"],
    parse: (octets) => decodeFrames(octets).map(({ type, stream }) => `${type} ${stream}`),
  },
  {
    name: "message-with-unknown",
    says: "a frame of an unknown type that may be ignored is skipped",
    octets: ignorable,
    value: ["PING 5", "ACK 6"],
    parse: (octets) => decodeFrames(octets).map(({ type, payload }) => `${type} ${payload[0]}`),
  },
];
