// Chunks are views of the message they came in. Whoever must keep one for longer than this turn keeps the message with it, so a small chunk that waits is
// copied: else a peer that sends single octets in great messages would hold a thousand times the memory of its credit.

/** A chunk that is less than this part of the memory it lies in is worth its copy. */
const worthwhilePart = 1 / 4;

/** A copy also where the octets are a Node Buffer, whose own slice is a view. */
export function copyOf(octets: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(octets);
}

/** The chunk itself, or a copy, for a reader that cannot take it now. */
export function keepable(chunk: Uint8Array): Uint8Array {
  return chunk.length < chunk.buffer.byteLength * worthwhilePart ? copyOf(chunk) : chunk;
}
