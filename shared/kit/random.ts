// Chance as an argument. Secrets come from node:crypto only; anything that tests replay (jitter, schedules) takes a Random.
import { randomBytes } from "node:crypto";

/** A number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();

/** A seeded generator for tests and simulations (mulberry32); never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Random octets are fetched in blocks: one system call a request was 5 % of the relay's time under small requests (measured with `bench hop`). */
const pool = { octets: Buffer.alloc(0), at: 0 };
const poolBytes = 8_192;

function pooledBytes(count: number): Buffer {
  if (pool.at + count > pool.octets.length) {
    pool.octets = randomBytes(poolBytes);
    pool.at = 0;
  }
  const taken = Buffer.from(pool.octets.subarray(pool.at, pool.at + count));
  pool.at += count;
  return taken;
}

/** A UUID of version 7 (RFC 9562): ids that sort by the time they were made. */
export function uuidV7(wallMs: number): string {
  const bytes = pooledBytes(16);
  bytes.writeUIntBE(Math.floor(wallMs), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
