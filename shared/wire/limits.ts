// The numbers of frames, messages, streams, letters and keepalive, with their units and reasons. shared/PROTOCOL.md names the same ones. Pure.

/** Octets of one frame's payload: a bulk stream holds the link no longer than this, and a receiver need never store more at once. */
export const frameBytesMax = 65_536;
/** Octets of one WebSocket message; ws refuses a greater one from its header (close 1009). */
export const messageBytesMax = 1_048_576;
/** Octets of one TLS record at most (RFC 8446 section 5.1). */
export const tlsRecordBytes = 16_384;
/**
 * A sender ends a message here, so that control waits for one such message at most. With its WebSocket head, which is 4 octets longer at the agent, it fills one TLS
 * record: the receiver has it in one piece, and ws passes that on as it is, where a longer message would be copied together first.
 */
export const messageBytesTarget = { relay: tlsRecordBytes - 4, agent: tlsRecordBytes - 8 } as const;
/** Octets of an OPEN or HEAD record with its continuations; a 20 KB exec command line and large cookies fit fifty times. */
export const headBytesMax = 1_048_576;
/** Frames of one OPEN or HEAD record: a sender that fills its frames needs 17. Each is an object of the receiver. */
export const headPartsMax = 64;
/** Header pairs in one head; Node's own default is 2,000. */
export const headPairsMax = 2_000;
/** Octets of a reason in BYE and RESET. */
export const reasonBytesMax = 1_024;
/** Handshake frames: HELLO and PROOF are a few hundred octets; CLAIM and WELCOME carry letter ids and trust documents. */
export const handshakeBytesMax = 16_384;
export const handshakeClaimBytesMax = 65_536;
/** The whole handshake, in ms: an unauthenticated socket lives no longer. */
export const handshakeMs = 10_000;

/** Credit of a stream's direction at its start, in octets; the bound of what one stalled reader costs at each end. */
export const creditStartBytes = 65_536;
/** Greatest credit a stream may grow to, in octets: 12.5 MB/s at 300 ms. */
export const creditStreamBytesMax = 4_194_304;
/** Ceiling of grown credit (above the starts) for one link, in octets: one and a half streams at their greatest. With 8 MiB 50 readers that never read kept 288 KiB each, with 16 MiB 316. */
export const creditLinkBytesMax = 6_291_456;
/** Ceiling of grown credit for all links of a process, in octets: 32 links at theirs, and a memory that a small relay has. */
export const creditProcessBytesMax = 268_435_456;
/** At that ceiling a stream that holds more than this (octets), untaken for so long (ms), is reset: its memory is somebody else's speed. */
export const creditHeldBytesMax = 262_144;
export const creditHeldMs = 5_000;
/** Octets queued by one stream in the mux before `write` says "wait for writable": eight messages, so that a bulk's source is not stopped and started for each. */
export const streamQueueHighBytes = 131_072;
/** Octets queued by one stream above which `write` is a bug of the caller (one chunk of any size is always taken at an empty queue). */
export const streamQueueBytesMax = 8_388_608;
/** Open streams of one link. */
export const streamsPerLinkMax = 4_096;

/** Letters and letter octets a receiver grants ahead of its commits. */
export const letterCreditLetters = 128;
export const letterCreditBytes = 8_388_608;
/** Octets of one letter: an envelope (4 MiB body, 4 KiB header, 8 signatures) and its head. */
export const letterBytesMax = 4_210_688;

/** Any octet counts as life. The relay pings after this silence (ms), drawn between min and max so that links do not beat together. */
export const pingAfterSilenceMsMin = 33_000;
export const pingAfterSilenceMsMax = 35_000;
/** Verdict this long after the ping. */
export const pingVerdictMs = 10_000;
/** The agent's own verdict: silence for this long. */
export const agentSilenceMsMax = 45_000;
/** A link that owes something pings after this silence and judges at `owedVerdictMs`. */
export const owedPingMs = 5_000;
export const owedVerdictMs = 13_000;
/** More than `socketStuckBytes` in the socket with nothing leaving for this long is BYE(stuck). */
export const socketStuckMs = 10_000;
export const socketStuckBytes = 1_048_576;

/** An ACK is due after this many octets (16 KiB made one of its own for each message of a bulk), or this many ms after the first that is not yet covered (which comes first on a slow link). */
export const ackAfterBytes = 131_072;
export const ackAfterMs = 10;
/** LIVE goes out this often (ms) while streams are open. */
export const liveEveryMs = 30_000;
/** Time a message may take at the estimated rate before the sender ends it. */
export const messageTargetMs = 20;
