// Waits between dials end early when the network of this machine changed: a cable put back or a new resolver is worth a try at once, not in half a minute.
// Looks at routes, addresses and resolver as the kernel shows them; where it shows nothing, only the time counts. Called by dial.ts.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { pause, type Clock } from "../shared/kit/clock.ts";

/** How often (ms) it looks. */
const lookMs = 2_000;
const FILES = ["/proc/net/route", "/proc/net/ipv6_route", "/etc/resolv.conf"];

/** A text that is another when routes, addresses or resolver are. */
export function networkFingerprint(): string {
  const hash = createHash("sha256");
  for (const file of FILES) {
    try {
      // The last columns of a route count its use: they change by themselves.
      hash.update(readFileSync(file, "utf8").replaceAll(/^(\S+\s+\S+\s+\S+\s+\S+).*$/gm, "$1"));
    } catch {
      // not Linux, or not there: the others still speak
    }
  }
  for (const [name, addresses] of Object.entries(networkInterfaces())) hash.update(`${name} ${(addresses ?? []).map(({ address }) => address).join(" ")}\n`);
  return hash.digest("base64url");
}

/** Waits `waitMs`, or until the network changed. Rejects with the signal's reason. */
export async function pauseOrChange(clock: Clock, waitMs: number, signal: AbortSignal, fingerprint: () => string = networkFingerprint): Promise<void> {
  const untilMs = clock.monoMs() + waitMs;
  const before = waitMs > lookMs ? fingerprint() : "";
  for (let leftMs = waitMs; leftMs > 0; leftMs = untilMs - clock.monoMs()) {
    await pause(clock, Math.min(lookMs, leftMs), signal);
    if (waitMs > lookMs && fingerprint() !== before) return;
  }
}
