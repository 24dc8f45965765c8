// TLS tickets in memory. A resumed handshake shows no certificate, so a ticket is kept only after the full check, under the key of that check (kit/dial).

export class TicketStore {
  readonly #tickets = new Map<string, Buffer>();
  /** Keys: a relay's few addresses, an API server. */
  static readonly #max = 16;

  find(key: string): Buffer | undefined {
    return this.#tickets.get(key);
  }

  keep(key: string, ticket: Buffer): void {
    this.#tickets.delete(key);
    this.#tickets.set(key, ticket);
    if (this.#tickets.size > TicketStore.#max) this.#tickets.delete(this.#tickets.keys().next().value!);
  }

  drop(key: string): void {
    this.#tickets.delete(key);
  }
}
