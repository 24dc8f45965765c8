// RECEIPT: what a newer peer may say does not end the link, what is broken does.
import { expect, test } from "vitest";
import { encodeReceipt, parseReceipt, type LetterStatus } from "./message.ts";
import { ByteWriter } from "./bytes.ts";

test("every status that is known comes back", () => {
  const statuses: readonly LetterStatus[] = ["committed", "storage", "trust", "unsupported", "policy", "malformed"];
  const receipt = { cumulative: 3, singles: statuses.map((status, index) => ({ number: 4 + index, status })) };
  expect(parseReceipt(encodeReceipt(receipt), 128)).toEqual(receipt);
});

test("an unknown status is read as policy: a refusal whose reason is not known here", () => {
  const payload = new ByteWriter().reset().varint(0).varint(2).varint(1).varint(6).varint(2).varint(16_384).done();
  expect(parseReceipt(payload, 128).singles).toEqual([{ number: 1, status: "policy" }, { number: 2, status: "policy" }]);
});

test("more letters than are under way, or octets behind the last one, are broken", () => {
  const payload = new ByteWriter().reset().varint(0).varint(2).varint(1).varint(0).varint(2).varint(0).done();
  expect(() => parseReceipt(payload, 1)).toThrow(/FRAME|names 2 letters|frame/i);
  expect(() => parseReceipt(Uint8Array.from([...payload, 0]), 128)).toThrow();
});
