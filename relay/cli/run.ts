// What every command of the command line is given: the terminal, the chosen output, the relay of the context, and the signal of Ctrl-C.
// The client is made on first use, so that commands which need no relay work without a login.
import type { ProxySettings } from "../../shared/kit/dial.ts";
import { RelayClient } from "./client.ts";
import { findContext, type Context } from "./contexts.ts";
import { duration, type Format, type Terminal } from "./output.ts";

/** A login that ends within this time (ms) is said to: renewing it needs one that is still good. */
const endsSoonMs = 7 * 86_400_000;

export interface RunOptions {
  readonly terminal: Terminal;
  readonly format: Format;
  readonly contextFile: string;
  readonly contextName: string;
  readonly proxy: ProxySettings;
  readonly signal: AbortSignal;
  /** Folder for kubeconfigs and the like. */
  readonly configDir: string;
}

export class Run {
  readonly terminal: Terminal;
  readonly format: Format;
  readonly signal: AbortSignal;
  readonly options: RunOptions;
  #client: RelayClient | null = null;

  constructor(options: RunOptions) {
    this.options = options;
    this.terminal = options.terminal;
    this.format = options.format;
    this.signal = options.signal;
  }

  context(): Context {
    return findContext(this.options.contextFile, this.options.contextName);
  }

  server(): string {
    return this.context().server;
  }

  client(): RelayClient {
    if (this.#client === null) {
      const { server, ca, token, expires } = this.context();
      this.#client = this.clientFor(server, ca, token);
      this.#warnOfEnd(Date.parse(expires) - Date.now());
    }
    return this.#client;
  }

  /** To people only: a program can do nothing about it. */
  #warnOfEnd(leftMs: number): void {
    if (this.terminal.isInteractive && leftMs > 0 && leftMs < endsSoonMs) this.terminal.say(`your login ends in ${duration(leftMs)}; to renew it: bowline login\n`);
  }

  clientFor(server: string, ca: string | null, token: string | null): RelayClient {
    return new RelayClient({ server, ca, token, proxy: this.options.proxy, signal: this.signal });
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}
