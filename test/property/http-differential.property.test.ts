// Our strict HTTP/1.1 codec against Node's own parser, on heads and bodies that were bent at random: whatever we accept, Node accepts and reads the same. Being
// stricter is allowed, being laxer or different is a smuggling hole. `SEED` replays a run.
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { seededRandom, type Random } from "../../shared/kit/random.ts";
import { BodyDecoder, requestFraming } from "../../shared/wire/http-body.ts";
import { parseHeaderBlock, parseRequestLine } from "../../shared/wire/http-head.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_000);
const rounds = Number(process.env["ROUNDS"] ?? "10000");

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly pairs: readonly string[];
  readonly body: string;
}

/** What our codec makes of these octets: every whole request, and whether it then refused. */
function own(octets: Buffer): { seen: Seen[]; isRefused: boolean } {
  const seen: Seen[] = [];
  let at = 0;
  try {
    for (;;) {
      const end = octets.indexOf("\r\n\r\n", at);
      if (end === -1) return { seen, isRefused: false };
      const text = octets.toString("latin1", at, end + 2);
      const lineEnd = text.indexOf("\r\n");
      const line = parseRequestLine(text.slice(0, lineEnd));
      const block = parseHeaderBlock(text, lineEnd + 2);
      if (line.minor === 0 || block.saysUpgrade) return { seen, isRefused: true }; // the library's from here on
      const decoder = new BodyDecoder(requestFraming(block));
      let body = "";
      at = end + 4;
      while (!decoder.isDone && at < octets.length) {
        at = decoder.step(octets, at);
        body += octets.toString("latin1", decoder.from, decoder.to);
      }
      if (!decoder.isDone) return { seen, isRefused: false };
      seen.push({ method: line.method, target: line.target, pairs: block.pairs, body });
      if (block.saysClose) return { seen, isRefused: true };
    }
  } catch {
    return { seen, isRefused: true };
  }
}

interface RawParser {
  initialize(type: number, resource: object, maxHeaderSize?: number, lenientFlags?: number): void;
  execute(octets: Buffer): number | Error;
  [event: number]: unknown;
}
interface ParserClass {
  new (): RawParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}
// The very parser of node:http, driven octet for octet: a whole server would drop what stands in front of an error, and hide it from the comparison.
const { HTTPParser, methods } = createRequire(import.meta.url)("node:_http_common") as { HTTPParser: ParserClass; methods: readonly string[] };

/** What Node's parser makes of the same octets: every whole request. */
function library(octets: Buffer): Seen[] {
  const seen: Seen[] = [];
  const parser = new HTTPParser();
  let pairs: string[] = [];
  let method = "";
  let target = "";
  let body = "";
  let hasHead = false;
  parser.initialize(HTTPParser.REQUEST, {}, 1_048_576, 0);
  parser[HTTPParser.kOnHeaders] = (headers: string[], url: string): void => {
    if (hasHead) return; // trailers, which we drop
    pairs.push(...headers); // more than 32 pairs come in parts
    target += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (_major: number, _minor: number, headers: string[] | undefined, known: number, url: string): number => {
    if (headers !== undefined) pairs = headers;
    if (url !== undefined && url !== "") target = url;
    method = methods[known]!;
    hasHead = true;
    return 0;
  };
  parser[HTTPParser.kOnBody] = (part: Buffer): void => void (body += part.toString("latin1"));
  parser[HTTPParser.kOnMessageComplete] = (): void => {
    seen.push({ method, target, pairs: pairs.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)), body });
    pairs = [];
    target = "";
    body = "";
    hasHead = false;
  };
  parser.execute(octets);
  return seen;
}

const corpus = [
  "GET /k8s/a/api/v1/pods?limit=500 HTTP/1.1\r\nHost: relay\r\nAccept: application/json;as=Table;v=v1;g=meta.k8s.io, application/json\r\nAuthorization: Bearer x\r\n\r\n",
  "POST /k8s/a/api HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\nhello world",
  "PUT /k8s/a/api HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
  "PATCH /k8s/a/x HTTP/1.1\r\nhost: relay\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",
  "DELETE /k8s/a/x HTTP/1.1\r\nhost: relay\r\nConnection: close\r\n\r\n",
  "GET /k8s/a/ HTTP/1.1\r\nConnection: keep-alive, x-drop\r\nX-Drop: 1\r\nEmpty:\r\n\r\n",
];
const splices = ["\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "0", "1", "5", "+", "-", "\u0000", "\u000b", "\u00ff", "a", "A", "_", "chunked", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Content-Length: 0\r\n", "\r\n\r\n", "GET /b HTTP/1.1\r\n\r\n", "HTTP/1.0", "Connection: upgrade\r\nUpgrade: x\r\n", "Expect: 100-continue\r\n", "0\r\n\r\n", "//", "%2f", "Impersonate-User: x\r\n"];

function bend(random: Random): Buffer {
  const pick = <Value>(list: readonly Value[]): Value => list[Math.floor(random() * list.length)]!;
  let text = pick(corpus) + (random() < 0.4 ? pick(corpus) : "");
  const changes = Math.floor(random() * 4);
  for (let change = 0; change < changes; change += 1) {
    const at = Math.floor(random() * (text.length + 1));
    const kind = random();
    if (kind < 0.5) text = text.slice(0, at) + pick(splices) + text.slice(at);
    else if (kind < 0.8) text = text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 3));
    else text = text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
  }
  return Buffer.from(text, "latin1");
}

test(`what the strict codec accepts, Node's parser reads the same (seed ${seed}, ${rounds} heads)`, { timeout: 60_000 }, () => {
  const random = seededRandom(seed);
  let accepted = 0;
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    const octets = bend(random);
    const ours = own(octets);
    if (ours.isRefused) refused += 1;
    if (ours.seen.length === 0) continue;
    accepted += 1;
    const theirs = library(octets).slice(0, ours.seen.length);
    expect(theirs, `seed ${seed}, round ${round}: ${JSON.stringify(octets.toString("latin1"))}`).toEqual(ours.seen);
  }
  // A fuzz that never accepts, or never refuses, shows nothing.
  expect(accepted).toBeGreaterThan(rounds / 10);
  expect(refused).toBeGreaterThan(rounds / 20);
});
