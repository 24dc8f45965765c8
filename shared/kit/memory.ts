// How this process' memory is collected. Bulk goes through in pieces of 16 and 64 KiB that live for a moment and lie outside V8's heap; few small objects are made
// beside them. Two limits of V8 fit that badly, and both make full collections of what cheap scavenges would have freed: ten a second, half of the processor time
// of a bulk and pauses of 5 to 10 ms (measured with `bench bulk` and `bench fair`). Called first thing by the entries of agent and relay.
import { setFlagsFromString } from "node:v8";

/** Of the young generation, in MiB: it also says how many octets outside it wait for a scavenge. Less makes more scavenges than it saves, 32 is V8's own. */
const youngMiB = 8;
/**
 * How much the heap may grow over what survived the last full collection. V8 chooses up to 300 by its own measurements; with a heap of 15 MB it left 24 MB, and
 * octets outside the heap count too, so that the pieces of a tenth of a second filled it.
 */
const growthPercent = 300;
/** The first Node whose V8 knows the flags; an older one says so on stderr. */
const nodeMajorSince = 24;

export function tuneMemory(): void {
  if (Number(process.versions.node.split(".")[0]) < nodeMajorSince) return;
  setFlagsFromString(`--scavenger-max-new-space-capacity-mb=${youngMiB}`);
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
}
