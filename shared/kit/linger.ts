// The end of a socket whose client is answered for the last time. Promises that its descriptor is free within `lingerMs`, whatever the client does: one that never
// closes its side must not hold it. Called wherever an answer is written to a bare socket.
import type { Socket } from "node:net";

/** After its last answer a client gets this long (ms) to read it, while what it still sends is dropped: a socket closed on unread octets is reset, and the answer is lost. */
export const lingerMs = 2_000;

const NOTHING = new Uint8Array(0);

/** Says the last octets, if there are any left to say, drops what still comes, and lets go of the socket. */
export function endThenDestroy(socket: Socket, octets: Uint8Array = NOTHING): void {
  if (!socket.writableEnded) socket.end(octets);
  socket.removeAllListeners("data"); // what comes now is nobody's
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once("close", () => clearTimeout(timer));
}
