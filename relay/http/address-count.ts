// How many sockets each address has open: one client, or one broken machine, must not take every descriptor there is from the others (trust.md section 6). Called by
// http/server for each socket that comes, before anything is known about it.
import { invariant } from "../../shared/kit/assert.ts";

export class AddressCount {
  readonly #perAddressMax: number;
  readonly #byAddress = new Map<string, number>();

  constructor(perAddressMax: number) {
    this.#perAddressMax = perAddressMax;
  }

  /** False: this address has as many as it may, nothing was taken. */
  take(address: string): boolean {
    const held = this.#byAddress.get(address) ?? 0;
    if (held >= this.#perAddressMax) return false;
    this.#byAddress.set(address, held + 1);
    return true;
  }

  giveBack(address: string): void {
    const left = (this.#byAddress.get(address) ?? 0) - 1;
    invariant(left >= 0, "no more sockets of an address end than began");
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}
