// The relay of a simulated run: the product's own core on a simulated store, started, killed, started again. What it refuses it to is the world's affair.
import { RelayCore } from "../../relay/core.ts";
import * as relayModule from "../../relay/store/operations.ts";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../shared/kit/log.ts";
import type { CommandRequest } from "../../shared/api.ts";
import type { LinkSocket } from "../../shared/link/link-socket.ts";
import type { Ground } from "./ground.ts";
import { SimStore, type Observe } from "./sim-store.ts";
import { SimProcess, type World } from "./world.ts";

type RelayStoreOf = SimStore<relayModule.RelayOperations>;

export interface LiveRelay {
  readonly process: SimProcess;
  readonly core: RelayCore;
  readonly store: RelayStoreOf;
}

/** Changes what the product sees of its store: how a bug is planted. */
export type Tamper<Store> = (store: Store) => Store;

export class SimRelay {
  readonly #world: World;
  readonly #ground: Ground;
  readonly #dir: string;
  readonly #observe: Observe;
  readonly #tamper: Tamper<RelayStoreOf["store"]>;
  #live: LiveRelay | null = null;
  #starts = 0;
  /** After a kill it is started again by itself. */
  mayStart = true;

  constructor(world: World, options: { readonly ground: Ground; readonly dir: string; readonly observe: Observe; readonly tamper: Tamper<RelayStoreOf["store"]> }) {
    this.#world = world;
    this.#ground = options.ground;
    this.#dir = options.dir;
    this.#observe = options.observe;
    this.#tamper = options.tamper;
  }

  get live(): LiveRelay | null {
    return this.#live;
  }

  get file(): string {
    return join(this.#dir, "relay.db");
  }

  start(): void {
    if (this.#live !== null || !this.mayStart) return;
    const process = new SimProcess(this.#world, `relay#${(this.#starts += 1)}`);
    process.onDeath(() => {
      this.#live = null;
      this.#world.after(this.#world.between(500, 30_000), () => this.start());
    });
    this.#world.note("relay", `starts (${process.name})`);
    process.run(() => {
      const store = new SimStore<relayModule.RelayOperations>(process, { file: this.file, module: relayModule, observe: this.#observe });
      store.watch("commands");
      const core = new RelayCore({
        store: this.#tamper(store.store),
        keys: this.#ground.relayKeys,
        clock: process.clock,
        random: this.#world.random,
        log: silentLog,
        binding: "none",
        refusal: () => Buffer.alloc(0),
      });
      core.startSweep();
      this.#live = { process, core, store };
    });
  }

  /** Copies the database as it is now. What comes back kills the relay and puts that copy in its place. */
  backup(): (() => void) | null {
    if (this.#live === null) return null;
    const parts = ["", "-wal"].filter((end) => existsSync(`${this.file}${end}`));
    const copy = `${this.file}.copy-${this.#starts}-${Math.round(this.#world.nowMs)}`;
    for (const end of parts) copyFileSync(`${this.file}${end}`, `${copy}${end}`);
    return () => {
      this.kill("an old copy is put in its place");
      for (const end of ["", "-wal", "-shm"]) rmSync(`${this.file}${end}`, { force: true });
      for (const end of parts) copyFileSync(`${copy}${end}`, `${this.file}${end}`);
    };
  }

  kill(why: string): void {
    if (this.#live === null) return;
    this.#world.note("relay", `killed: ${why}`);
    this.#live.process.kill();
  }

  accept(live: LiveRelay, socket: LinkSocket): void {
    void live.core.acceptor.take(socket);
  }

  /** As an operator's request over HTTP: no answer at all when the relay dies meanwhile. */
  ask<Answer>(work: (live: LiveRelay) => Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const live = this.#live;
      if (live === null) return reject(new Error("the relay is not there"));
      live.process.onDeath(() => reject(new Error("the relay died before it answered")));
      live.process.run(() => {
        work(live).then(
          (answer) => live.process.isDead || resolve(answer),
          (error: unknown) => live.process.isDead || reject(error as Error),
        );
      });
    });
  }

  submit(request: CommandRequest, key: string): Promise<{ readonly id: string; readonly ord: number; readonly state: string }> {
    return this.ask(({ core }) => core.operations.submit(request, { name: "ann", tier: "admin" }, key));
  }
}
