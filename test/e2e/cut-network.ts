// A path between this host and a site that can go silent: host - router - site, the two latter in network namespaces of their own. `cut` makes the router drop
// whatever it should forward, in both directions and without a word (no reset, no ICMP, no carrier change), which is what a half-open link is made of. A second,
// direct wire leads the site to its API server and is never cut. Needs root and iproute2; addresses are from 198.18.0.0/15 (RFC 2544), in use nowhere else.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";

function run(command: string, args: readonly string[]): { readonly isOk: boolean; readonly said: string } {
  const done = spawnSync(command, args, { encoding: "utf8" });
  return { isOk: done.error === undefined && done.status === 0, said: done.error?.message ?? done.stderr.trim() };
}

/** Why no such network can be made here, or null. */
export function cutNetworkMissing(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "it makes network namespaces, and that needs root";
  if (!run("ip", ["-V"]).isOk) return "the command ip is missing (apt-get install -y iproute2)";
  const probe = `bowline-p${process.pid % 100_000}`;
  const steps = [
    ["netns", "add", probe],
    ["-n", probe, "link", "add", "one", "type", "veth", "peer", "name", "other"],
    ["netns", "exec", probe, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"],
  ];
  const failed = steps.map((args) => ({ args, done: run("ip", args) })).find(({ done }) => !done.isOk);
  run("ip", ["netns", "del", probe]);
  return failed === undefined ? null : `a network of its own cannot be made here (ip ${failed.args.join(" ")}: ${failed.done.said})`;
}

export class CutNetwork {
  /** This host as the site sees it, through the router. */
  readonly hostAddress: string;
  /** This host as the site sees it on the direct wire. */
  readonly apiAddress: string;
  /** The site as this host sees it on the direct wire. */
  readonly siteAddress: string;
  /** In front of a command that is to run at the site. */
  readonly via: readonly string[];
  readonly #router: string;
  readonly #site: string;
  readonly #wires: readonly string[];

  constructor() {
    const mark = randomInt(1, 250);
    const tag = `${process.pid % 100_000}`;
    this.#router = `bowline-r${tag}`;
    this.#site = `bowline-s${tag}`;
    this.via = ["ip", "netns", "exec", this.#site];
    const net = `198.18.${mark}`;
    this.hostAddress = `${net}.1`;
    this.apiAddress = `${net}.9`;
    this.siteAddress = `${net}.10`;
    const [hostEnd, apiEnd] = [`bwh${tag}`, `bwa${tag}`];
    this.#wires = [hostEnd, apiEnd];
    const [router, site] = [this.#router, this.#site];
    const steps = [
      `netns add ${router}`,
      `netns add ${site}`,
      `link add ${hostEnd} type veth peer name near netns ${router}`,
      `-n ${router} link add far type veth peer name out netns ${site}`,
      `link add ${apiEnd} type veth peer name api netns ${site}`,
      `addr add ${net}.1/30 dev ${hostEnd}`,
      `-n ${router} addr add ${net}.2/30 dev near`,
      `-n ${router} addr add ${net}.5/30 dev far`,
      `-n ${site} addr add ${net}.6/30 dev out`,
      `addr add ${net}.9/30 dev ${apiEnd}`,
      `-n ${site} addr add ${net}.10/30 dev api`,
      `link set ${hostEnd} up`,
      `link set ${apiEnd} up`,
      `-n ${router} link set near up`,
      `-n ${router} link set far up`,
      `-n ${site} link set lo up`,
      `-n ${site} link set out up`,
      `-n ${site} link set api up`,
      `-n ${site} route add ${net}.0/30 via ${net}.5`,
      `route add ${net}.4/30 via ${net}.2`,
    ];
    try {
      for (const step of steps) this.#ip(step);
      this.heal();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #ip(step: string): void {
    const done = run("ip", step.split(" "));
    if (!done.isOk) throw new Error(`ip ${step}: ${done.said}`);
  }

  /** Forwarding off: a packet that is not the router's own is dropped in silence. */
  cut(): void {
    this.#forward("0");
  }

  heal(): void {
    this.#forward("1");
  }

  #forward(value: string): void {
    const done = run("ip", ["netns", "exec", this.#router, "sh", "-c", `echo ${value} > /proc/sys/net/ipv4/ip_forward`]);
    if (!done.isOk) throw new Error(`the router's forwarding cannot be set: ${done.said}`);
  }

  /** Removes what was made here; what is gone already does not matter. */
  close(): void {
    for (const wire of this.#wires) run("ip", ["link", "del", wire]);
    for (const name of [this.#site, this.#router]) run("ip", ["netns", "del", name]);
  }
}
