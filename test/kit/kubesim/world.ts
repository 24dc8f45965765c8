// What every part of kubesim shares: the store, the table of kinds, time, chance, the settings of this run and the lifetime that ends
// them. Plain values; whoever needs more than one of them takes the World.
import type { Clock } from "../../../shared/kit/clock.ts";
import type { Random } from "../../../shared/kit/random.ts";
import type { Scope } from "../../../shared/kit/scope.ts";
import type { Attributes, User } from "./identity.ts";
import type { KindRegistry } from "./kinds.ts";
import type { ObjectStore } from "./store.ts";

export interface Settings {
  /** What /version says. */
  readonly gitVersion: string;
  readonly nodes: readonly string[];
  /** Bearer token to user. Null: every token, and none, is taken. */
  readonly tokens: ReadonlyMap<string, User> | null;
  /** Answers why a request is forbidden, or null when it is allowed. */
  readonly authorize: (user: User, attributes: Attributes) => string | null;
  /** A pod is Pending this long before it runs. */
  readonly podStartMs: number;
  /** A Job's container runs at least this long, so that Running can be seen. */
  readonly jobRunMs: number;
  readonly bookmarkMs: number;
  /** Request bodies over this get 413, as the API server's 3 MiB. */
  readonly bodyBytesMax: number;
  /** false: WebSocket upgrades get 400, so that clients fall back to SPDY. */
  readonly takesWebSockets: boolean;
}

export const defaultSettings: Settings = {
  gitVersion: "v1.33.4",
  nodes: ["node-1"],
  tokens: null,
  authorize: () => null,
  podStartMs: 20,
  jobRunMs: 300,
  bookmarkMs: 60_000,
  bodyBytesMax: 3 * 1024 * 1024,
  takesWebSockets: true,
};

export interface World {
  readonly store: ObjectStore;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly scope: Scope;
  readonly settings: Settings;
}
