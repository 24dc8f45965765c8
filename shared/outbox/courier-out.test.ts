// Letters that leave through the courier: once on a live link, as far as the peer's room goes, settled by their receipts, and never forgotten.
import { describe, expect, test } from "vitest";
import { settled, World } from "../../test/kit/courier-world.ts";
import { Fault } from "../kit/errors.ts";

describe("letters that leave a link that has streams", () => {
  test("go eight at a time, and the next not before 20 ms; the first never waits", async () => {
    const world = new World();
    world.room = { letters: 100, octets: 1_000_000 };
    world.isShared = true;
    world.put(...Array.from({ length: 20 }, (_value, index) => `l${index}`));
    world.courier.open();
    await settled();
    expect(world.offered).toHaveLength(8);
    for (let count = 0; count < 5; count += 1) world.courier.poke();
    world.clock.move(19);
    await settled();
    expect(world.offered).toHaveLength(8);
    world.clock.move(1);
    await settled();
    expect(world.offered).toHaveLength(16);
    world.clock.move(20);
    await settled();
    expect(world.offered).toHaveLength(20);
    world.clock.move(100);
    world.put("later");
    world.courier.poke();
    await settled();
    expect(world.offered.at(-1)).toBe("later");
  });

  test("go as fast as they can again when the streams are gone", async () => {
    const world = new World();
    world.room = { letters: 100, octets: 1_000_000 };
    world.isShared = true;
    world.put(...Array.from({ length: 60 }, (_value, index) => `l${index}`));
    world.courier.open();
    await settled();
    world.isShared = false;
    world.courier.poke();
    await settled();
    expect(world.offered).toHaveLength(60);
  });

  test("leave no timer behind when the link ends", async () => {
    const world = new World();
    world.room = { letters: 100, octets: 1_000_000 };
    world.isShared = true;
    world.put(...Array.from({ length: 40 }, (_value, index) => `l${index}`));
    world.courier.open();
    await settled();
    world.courier.onLinkEnd();
    expect(world.clock.timers).toBe(0);
  });
});

describe("letters that leave", () => {
  test("wait until what is in doubt has been settled", async () => {
    const world = new World();
    world.put("a");
    world.courier.poke();
    await settled();
    expect([world.leases.length, world.offered]).toEqual([0, []]);
    world.courier.open();
    await settled();
    expect(world.offered).toEqual(["a"]);
  });

  test("leave once on a live link, however often somebody pokes", async () => {
    const world = new World();
    world.put("a", "b");
    world.courier.open();
    for (let count = 0; count < 5; count += 1) world.courier.poke();
    await settled();
    world.courier.poke();
    world.courier.onLetterRoom();
    world.clock.move(50_000);
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
  });

  test("are asked for one lease at a time, and what is put meanwhile is not forgotten", async () => {
    const world = new World();
    const openGate = world.holdLeases();
    world.put("a");
    world.courier.open();
    await settled();
    world.put("b");
    world.courier.poke();
    world.courier.poke();
    await settled();
    expect(world.leases).toHaveLength(1);
    openGate();
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
  });

  test("stop where the peer's room stops, and go on with the room that a receipt or a credit brings", async () => {
    const world = new World();
    world.room = { letters: 2, octets: 1_000_000 };
    world.put("a", "b", "c", "d");
    world.courier.open();
    await settled();
    expect(world.offered).toEqual(["a", "b"]);
    world.courier.onSettled("a", "committed");
    await settled();
    expect(world.offered, "a receipt alone is no room").toEqual(["a", "b"]);
    world.room = { letters: 1, octets: 1_000_000 };
    world.courier.onLetterRoom();
    await settled();
    expect(world.offered).toEqual(["a", "b", "c"]);
    expect(world.leases.every(({ letters, octets }) => letters >= 1 && octets >= 1)).toBe(true);
  });

  test("are under way up to a mebibyte, so that a thousand sites that return at once do not hold a gigabyte", async () => {
    const world = new World();
    world.room = { letters: 100, octets: 100_000_000 };
    world.put("a");
    world.courier.open();
    await settled();
    world.put("b");
    world.courier.poke();
    await settled();
    expect(world.leases.at(-1)!.octets).toBeLessThanOrEqual(1_048_576);
    expect(world.leases.every(({ letters }) => letters <= 32)).toBe(true);
  });

  test("are settled in the store by their receipt, with the peer's word", async () => {
    const world = new World();
    world.put("a", "b");
    world.courier.open();
    await settled();
    world.courier.onSettled("b", "policy");
    world.courier.onSettled("a", "committed");
    await settled();
    expect(world.settledHere).toEqual(["b policy", "a committed"]);
  });

  test("that were refused for a reason that may pass are offered once more, and once only for each time that they wait again", async () => {
    const world = new World();
    const refusedOnes: string[] = [];
    world.onRefused = (id) => void refusedOnes.push(id);
    world.put("a");
    world.courier.open();
    await settled();
    world.courier.onSettled("a", "storage");
    await settled();
    expect(world.offered, "the store has not put it back yet").toEqual(["a"]);
    world.put(...refusedOnes);
    world.courier.poke();
    await settled();
    world.courier.poke();
    await settled();
    expect(world.offered).toEqual(["a", "a"]);
  });

  test("are tried again at the next poke when the store failed", async () => {
    const world = new World();
    world.leaseGate = Promise.reject(new Fault("DISK_FULL", { what: "full" }));
    world.put("a");
    world.courier.open();
    await settled();
    world.leaseGate = Promise.resolve();
    world.courier.poke();
    await settled();
    expect(world.offered).toEqual(["a"]);
  });
});
