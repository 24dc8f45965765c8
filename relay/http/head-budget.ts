// Memory of request heads that are half here: nobody has shown a token yet, so their octets are capped per address and in total (kube.md section 2). A socket
// takes as its head grows and gives back when the head is whole, refused or gone.
import { addressBlock } from "../../shared/kit/address-block.ts";
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
    const block = addressBlock(address);
    const held = this.#byAddress.get(block) ?? 0;
    if (held + octets > perAddressMax || this.#total + octets > totalMax) return false;
    this.#byAddress.set(block, held + octets);
    this.#total += octets;
    return true;
  }

  giveBack(address: string, octets: number): void {
    const block = addressBlock(address);
    const left = (this.#byAddress.get(block) ?? 0) - octets;
    this.#total -= octets;
    invariant(left >= 0 && this.#total >= 0, "no more of the head budget is given back than was taken");
    if (left === 0) this.#byAddress.delete(block);
    else this.#byAddress.set(block, left);
  }
}
