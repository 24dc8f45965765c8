// The head of one WebSocket data frame (RFC 6455 section 5.2), written in front of a message in the same piece of memory: one write and one TLS record run per
// message, where a head of its own would make the engine join two buffers (a third of a sender's time per octet, measured). ws reads, pings and closes as ever.

/**
 * ```
 *  0x82 (FIN, binary) | mask bit, length 7 bits | length 16 or 64 bits | mask 4 octets (agent only)
 * ```
 */
const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const maskBytes = 4;
const length16Max = 0xffff;
const length7Max = 125;

export function wsHeadBytes(octets: number, isMasked: boolean): number {
  return 2 + (octets <= length7Max ? 0 : octets <= length16Max ? 2 : 8) + (isMasked ? maskBytes : 0);
}

/** The mask is zero: it guards proxies that read plain text, and the link is always inside TLS; ws skips a zero mask on both ends. */
export function writeWsHead(out: Buffer, from: number, octets: number, isMasked: boolean): void {
  const mask = isMasked ? MASKED : 0;
  out[from] = FINAL_BINARY;
  let at = from + 2;
  if (octets <= length7Max) out[from + 1] = mask | octets;
  else if (octets <= length16Max) {
    out[from + 1] = mask | 126;
    at = out.writeUInt16BE(octets, at);
  } else {
    out[from + 1] = mask | 127;
    out.writeUInt32BE(0, at);
    at = out.writeUInt32BE(octets, at + 4);
  }
  if (isMasked) out.fill(0, at, at + maskBytes);
}
