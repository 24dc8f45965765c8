// The worked example of PROTOCOL.md section 8 is true: its octets are what the codec makes, and two muxes that are given them say what the page says. Each
// remark's own texts and numbers are held against the octets beside it.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FixedPacer } from "../../shared/mux/pacer-type.ts";
import { Mux } from "../../shared/mux/mux.ts";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { encodeFrame } from "../../shared/wire/frame.ts";
import { encodeHead, encodeNumbers, encodeOpen, type RequestHead } from "../../shared/wire/message.ts";
import { findName } from "../../shared/wire/names.ts";

const page = readFileSync(new URL("../../shared/PROTOCOL.md", import.meta.url), "utf8");

interface Line {
  readonly octets: Buffer;
  readonly remark: string;
}

/** The example's messages in their order: lines of octets and remark under "relay to agent" or "agent to relay". */
function readExample(): Line[][] {
  const block = /## 8\. Worked example[\s\S]*?```\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  return block.split("\n\n").map((part) =>
    part
      .split("\n")
      .filter((line) => /^\s*[0-9a-f]{2}( |$)/.test(line))
      .map((line) => {
        const [, hex, remark] = /^\s*((?:[0-9a-f]{2} ?)+)(?:\s+(.*))?$/.exec(line)!;
        return { octets: Buffer.from(hex!.replaceAll(" ", ""), "hex"), remark: remark ?? "" };
      }),
  );
}

const messages = readExample();
const octetsOf = (lines: readonly Line[]): Buffer => Buffer.concat(lines.map(({ octets }) => octets));
const head: RequestHead = {
  flags: { interactive: false, upgrade: false, ends: false },
  method: "GET",
  target: "/version",
  operator: "ann",
  tier: "admin",
  requestId: "r-1",
  source: "10.0.0.7",
  headers: ["accept", "application/json", "x-own", "1"],
};
const body = Buffer.from('{"major":"1"}');

function muxOf(role: "relay" | "agent"): Mux {
  const credit = { letters: 1, octets: 1 };
  const settings = {
    role,
    allocate: (octets: number) => new Uint8Array(octets),
    peerStartCredit: 65_536,
    ownStartCredit: 65_536,
    peerLetterCredit: credit,
    ownLetterCredit: credit,
  };
  return new Mux({ ...settings, random: () => 0.5, wallMs: () => 0, pacer: new FixedPacer(65_536) }, 0);
}

test("the page has three messages: a request, its answer, an acknowledgement", () => {
  expect(messages.map((lines) => decodeFrames(octetsOf(lines)).map(({ type, stream }) => `${type} ${stream}`))).toEqual([
    ["OPEN 1", "FIN 1"],
    ["HEAD 1", "BODY 1", "FIN 1"],
    ["ACK 0"],
  ]);
});

test("the codec makes the page's octets", () => {
  const fin = encodeFrame("FIN", 1, new Uint8Array(0));
  const answerHead = encodeFrame("HEAD", 1, encodeHead({ status: 200, headers: ["content-type", "application/json"] }));
  expect(octetsOf(messages[0]!)).toEqual(Buffer.concat([encodeFrame("OPEN", 1, encodeOpen(head)), fin]));
  expect(octetsOf(messages[1]!)).toEqual(Buffer.concat([answerHead, encodeFrame("BODY", 1, body), fin]));
  expect(octetsOf(messages[2]!)).toEqual(Buffer.from(encodeFrame("ACK", 0, encodeNumbers(13))));
});

test("an agent and a relay that are given the page's octets understand them, and say the same octets themselves", () => {
  const relay = muxOf("relay");
  const agent = muxOf("agent");
  const id = relay.open(head, 0);
  relay.finish(id);
  expect(Buffer.from(relay.nextMessage(0, 0)!)).toEqual(octetsOf(messages[0]!));
  agent.receive(octetsOf(messages[0]!), 0);
  expect(agent.effects()).toEqual([
    { kind: "open", id: 1, head },
    { kind: "end", id: 1 },
  ]);
  agent.respond(1, { status: 200, headers: ["content-type", "application/json"] });
  agent.write(1, body);
  agent.finish(1);
  expect(Buffer.from(agent.nextMessage(0, 0)!)).toEqual(octetsOf(messages[1]!));
  relay.receive(octetsOf(messages[1]!), 0);
  expect(relay.effects().map(({ kind }) => kind)).toEqual(["head", "data", "end", "closed"]);
  expect(Buffer.from(relay.nextMessage(1_000, 0)!)).toEqual(octetsOf(messages[2]!));
  agent.receive(octetsOf(messages[2]!), 1_000);
  expect(agent.effects()).toEqual([{ kind: "closed", id: 1 }]);
  expect(agent.sentOctets - agent.peerAckedOctets).toBe(0);
});

test("the remarks say what the octets beside them are", () => {
  const lines = messages.flat();
  const text = octetsOf(lines).toString("latin1");
  for (const { octets, remark } of lines) {
    const [, number, name] = /^name (\d+) (\S+?)[,:]/.exec(remark) ?? [];
    if (number !== undefined) expect(`${octets[0]} ${findName(octets[0]!)}`).toBe(`${number} ${name}`);
    const [, said] = /: (\S+)$/.exec(remark) ?? [];
    if (said !== undefined && /^name|:method/.test(remark)) expect(text).toContain(said);
    const [, type, stream, length] = /^([A-Z]+), stream (\d+), (\d+) octets?/.exec(remark) ?? [];
    if (type !== undefined) expect(lengthOf(octets), remark).toEqual([Number(stream), Number(length)]);
  }
});

/** Stream and length of the frame's head that a line begins with. */
function lengthOf(octets: Buffer): number[] {
  const length = octets[2]! < 0x40 ? octets[2]! : octets.readUInt16BE(2) & 0x3fff;
  return [octets[1]!, length];
}
