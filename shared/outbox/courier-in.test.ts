// Letters that come through the courier: put together, receipted only after their commit, refused with the room given back, and what happens when the link
// ends in between.
import { describe, expect, test } from "vitest";
import { letterOctets, settled, World } from "../../test/kit/courier-world.ts";
import { Fault } from "../kit/errors.ts";

describe("letters that come", () => {
  test("are receipted after their commit and not before, and then one more is granted, with as many octets", async () => {
    const world = new World();
    let commit = (): void => {};
    world.takes = () => new Promise((resolve) => (commit = () => resolve("committed")));
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    await settled();
    expect([world.receipts, world.granted]).toEqual([[], []]);
    commit();
    await settled();
    expect(world.receipts).toEqual(["1 committed"]);
    expect(world.granted).toEqual([{ letters: 5, octets: 4_000 + octets.length }]);
  });

  test("together are judged for a millisecond in one turn of the loop, in their order; those behind wait for the next, and none is judged after the link's end", async () => {
    const world = new World();
    const judged: string[] = [];
    world.takes = ({ head }) => {
      judged.push(head.id);
      world.clock.move(0.4); // what a signature takes
      return Promise.resolve("committed");
    };
    const bring = (ids: readonly string[]): void => ids.forEach((id, index) => world.courier.onLetterChunk(1 + index, 0, letterOctets(id).length, letterOctets(id)));
    const ids = Array.from({ length: 10 }, (_value, index) => `c-${index}`);
    bring(ids);
    await new Promise((resolve) => setImmediate(resolve));
    expect(judged).toEqual(ids.slice(0, 3));
    await settled();
    expect(judged).toEqual(ids);
    bring(ids);
    world.courier.onLinkEnd();
    await settled();
    expect(judged).toHaveLength(ids.length);
  });

  test("are put together from chunks, of several letters at once", async () => {
    const world = new World();
    const seen: string[] = [];
    world.takes = ({ head, envelope }) => {
      seen.push(`${head.id} ${envelope.length}`);
      return Promise.resolve("committed");
    };
    const first = letterOctets("c-1", 500);
    const second = letterOctets("c-2", 10);
    const message = Buffer.from(first.subarray(0, 7));
    world.courier.onLetterChunk(1, 0, first.length, message);
    message.fill(0xff); // the socket's memory is not kept
    world.courier.onLetterChunk(2, 0, second.length, second);
    world.courier.onLetterChunk(1, 7, first.length, first.subarray(7, 300));
    world.courier.onLetterChunk(1, 300, first.length, first.subarray(300));
    await settled();
    expect(seen).toEqual(["c-2 10", "c-1 500"]);
  });

  test("that are no letters are refused, and give their room back like any other", async () => {
    const world = new World();
    world.courier.onLetterChunk(1, 0, 3, Uint8Array.of(1, 2, 3));
    await settled();
    expect(world.receipts).toEqual(["1 malformed"]);
    expect(world.granted).toEqual([{ letters: 5, octets: 4_003 }]);
  });

  test.each([
    ["a store that is full", new Fault("DISK_FULL", { what: "full" })],
    ["a store that is damaged", new Fault("STORE_CORRUPT", { what: "bad" })],
    ["a state that takes no such step", new Fault("STATE_REFUSED", { what: "no" })],
    ["a bug", new TypeError("x is not a function")],
    // What a peer did wrong is judged by the side and told by a status: what is thrown is always our own store's.
    ["what is called the peer's fault elsewhere", new Fault("ENVELOPE_KEY", { what: "who?" })],
  ])("whose intake throws for %s are answered storage, so that they are offered again", async (_name, error) => {
    const world = new World();
    world.takes = () => Promise.reject(error);
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    await settled();
    expect(world.receipts).toEqual(["1 storage"]);
  });

  test("out of order are a bug of the link's, and stop there", () => {
    const world = new World();
    world.courier.onLetterChunk(1, 0, 10, new Uint8Array(3));
    expect(() => world.courier.onLetterChunk(1, 4, 10, new Uint8Array(3))).toThrow(expect.objectContaining({ code: "BUG" }));
  });
});

describe("when the link ends", () => {
  test("a commit that comes later is not receipted on it: the next link names the letter as held", async () => {
    const world = new World();
    let commit = (): void => {};
    world.takes = () => new Promise((resolve) => (commit = () => resolve("committed")));
    const octets = letterOctets("c-1");
    world.courier.onLetterChunk(1, 0, octets.length, octets);
    world.courier.onLinkEnd();
    commit();
    await settled();
    expect([world.receipts, world.granted]).toEqual([[], []]);
  });

  test("what was being leased is not offered on it: it is in doubt, and the next link settles that", async () => {
    const world = new World();
    const openGate = world.holdLeases();
    world.put("a");
    world.courier.open();
    await settled();
    world.courier.onLinkEnd();
    openGate();
    await settled();
    expect(world.offered).toEqual([]);
    world.courier.poke();
    await settled();
    expect(world.leases).toHaveLength(1);
  });
});
