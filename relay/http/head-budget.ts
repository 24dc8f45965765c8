// Memory of request heads that are half here: nobody has shown a token yet, so their octets are capped per address and in total (kube.md section 2). A socket
// takes as its head grows and gives back when the head is whole, refused or gone.
import { invariant } from "../../shared/kit/assert.ts";

/** Octets of half heads from one address: eight of the greatest heads. */
const perAddressMax = 8_388_608;
/** Octets of half heads in total: what the process can spare beside its work. */
const totalMax = 67_108_864;

export class HeadBudget {
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  /** False: there is no room, nothing was taken. */
  take(address: string, octets: number): boolean {
    const held = this.#byAddress.get(address) ?? 0;
    if (held + octets > perAddressMax || this.#total + octets > totalMax) return false;
    this.#byAddress.set(address, held + octets);
    this.#total += octets;
    return true;
  }

  giveBack(address: string, octets: number): void {
    const left = (this.#byAddress.get(address) ?? 0) - octets;
    this.#total -= octets;
    invariant(left >= 0 && this.#total >= 0, "no more of the head budget is given back than was taken");
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}
