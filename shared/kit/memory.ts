// How this process' memory is collected. Bulk goes through in 64 KiB pieces that live for a moment and lie outside V8's heap; few small objects are made beside
// them, so the young generation fills slowly, the pieces are only found by full collections, and each of those marks the whole heap: 36 of them in 2.6 GB, a third
// of the processor time. With a small young generation the pieces go with cheap scavenges: 3 full collections (measured; `bench bulk` from 1.4x to 0.9x of the
// control's CPU). Called first thing by the entries of agent and relay.
import { setFlagsFromString } from "node:v8";

/** Of the young generation, in MiB. Less makes more scavenges than it saves, 32 is V8's own. */
const youngMiB = 8;
/** The first Node whose V8 knows the flag; an older one says so on stderr. */
const nodeMajorSince = 24;

export function tuneMemory(): void {
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorSince) setFlagsFromString(`--scavenger-max-new-space-capacity-mb=${youngMiB}`);
}
