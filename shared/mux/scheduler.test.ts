// Who may send next: small and interactive first, the rest in a circle, and nobody waits for ever.
import { describe, expect, test } from "vitest";
import { Scheduler, type Member } from "./scheduler.ts";

class Named implements Member {
  next: Member | null = null;
  isQueued = false;
  readonly quantum = 0;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const named = (...names: string[]): Named[] => names.map((name) => new Named(name));
const pickName = (scheduler: Scheduler, frameOctets = 1_000): string | null => (scheduler.pick(frameOctets) as Named | null)?.name ?? null;

describe("the order", () => {
  test("is first those that go first, then the rest, each in the order in which they came", () => {
    const scheduler = new Scheduler();
    for (const member of named("bulk1", "bulk2")) scheduler.wake(member, false);
    for (const member of named("key1", "key2")) scheduler.wake(member, true);
    expect(scheduler.waiting).toBe(4);
    expect([1, 2, 3, 4, 5].map(() => pickName(scheduler))).toEqual(["key1", "key2", "bulk1", "bulk2", null]);
    expect(scheduler.waiting).toBe(0);
  });

  test("is a circle for members that wake again as soon as they were picked", () => {
    const scheduler = new Scheduler();
    const members = named("a", "b", "c");
    for (const member of members) scheduler.wake(member, false);
    const order: string[] = [];
    for (let turn = 0; turn < 7; turn += 1) {
      const member = scheduler.pick(1_000) as Named;
      order.push(member.name);
      scheduler.sent(1_000, false);
      scheduler.wake(member, false);
    }
    expect(order.join("")).toBe("abcabca");
  });

  test("is not changed by waking who waits already, whatever it is called now", () => {
    const scheduler = new Scheduler();
    const [a, b] = named("a", "b") as [Named, Named];
    scheduler.wake(a, false);
    scheduler.wake(b, false);
    scheduler.wake(a, false);
    scheduler.wake(b, true);
    expect(scheduler.waiting).toBe(2);
    expect([pickName(scheduler), pickName(scheduler), pickName(scheduler)]).toEqual(["a", "b", null]);
  });

  test("forgets who was picked: it may wake again, in either class", () => {
    const scheduler = new Scheduler();
    const [a, b] = named("a", "b") as [Named, Named];
    scheduler.wake(a, false);
    scheduler.pick(1_000);
    expect([a.isQueued, a.next]).toEqual([false, null]);
    scheduler.wake(b, false);
    scheduler.wake(a, true);
    expect(pickName(scheduler)).toBe("a");
  });
});

describe("bulk beside a flood of interactive traffic", () => {
  /** Octets that each class sent in `turns` turns while both always have more. */
  function flood(turns: number, firstOctets: number, frameOctets: number): { first: number; rest: number; longest: number } {
    const scheduler = new Scheduler();
    const [key, bulk] = named("key", "bulk") as [Named, Named];
    const sent = { first: 0, rest: 0, longest: 0 };
    let since = 0;
    for (let turn = 0; turn < turns; turn += 1) {
      scheduler.wake(key, true);
      scheduler.wake(bulk, false);
      const isFirst = scheduler.pick(frameOctets) === key;
      const octets = isFirst ? firstOctets : frameOctets;
      scheduler.sent(octets, isFirst);
      if (isFirst) {
        sent.first += octets;
        since += octets;
        sent.longest = Math.max(sent.longest, since);
      } else {
        sent.rest += octets;
        since = 0;
      }
    }
    return sent;
  }

  test.each([
    [16_384, 16_384],
    [40, 16_384],
    [300, 1_024],
  ])("gets one part in eight, with interactive frames of %d octets and a frame size of %d", (firstOctets, frameOctets) => {
    const sent = flood(100_000, firstOctets, frameOctets);
    const share = sent.rest / (sent.first + sent.rest);
    expect(share).toBeGreaterThan(0.11);
    expect(share).toBeLessThan(0.15);
    expect(sent.longest).toBeLessThanOrEqual(7 * frameOctets + firstOctets);
  });

  test("is owed nothing for what was sent while it did not wait", () => {
    const scheduler = new Scheduler();
    const [key, bulk] = named("key", "bulk") as [Named, Named];
    for (let turn = 0; turn < 100; turn += 1) {
      scheduler.wake(key, true);
      scheduler.pick(1_000);
      scheduler.sent(1_000, true);
    }
    scheduler.wake(bulk, false);
    scheduler.wake(key, true);
    expect(pickName(scheduler)).toBe("key");
  });
});
