// Opens the relay's database in its own thread. The one place that knows its file name; everybody else is handed the store.
import { join } from "node:path";
import { openStore, type Store } from "../../shared/kit/store.ts";
import type { RelayOperations } from "./operations.ts";

export type RelayStore = Store<RelayOperations>;

/** `mustExist`: an identity key is there, so a database that is gone is damage and not a first start. */
export function openRelayStore(dir: string, mustExist: boolean): Promise<RelayStore> {
  return openStore<RelayOperations>({ file: join(dir, "relay.db"), moduleUrl: new URL("./operations.ts", import.meta.url), mustExist });
}
