// Memory for the messages of all links of a process, used again once the socket has them: a bulk transfer would else leave a garbage of 64 KiB pieces that costs
// a third of its processor time to collect (measured with `bench bulk`). Bounded; what does not fit is ordinary memory.
import { tlsRecordBytes } from "../wire/limits.ts";

/** Octets of one piece: four messages that fill a TLS record each. */
const pieceBytes = 4 * tlsRecordBytes;
/** Less than this comes from Node's own slab, which is cheaper still. */
const pooledFromBytes = 4_096;
/** Pieces kept: what a few busy links have under way at once, 4 MiB. */
const piecesMax = 64;

const free: Buffer[] = [];

/** Memory of at least `octets`; give it back with `giveBack` when nobody looks at it any more, or not at all. */
export function takePiece(octets: number): Buffer {
  if (octets < pooledFromBytes || octets > pieceBytes) return Buffer.allocUnsafe(octets);
  return free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
}

export function giveBack(piece: Buffer): void {
  if (piece.length === pieceBytes && free.length < piecesMax) free.push(piece);
}
