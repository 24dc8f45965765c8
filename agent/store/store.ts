// Opens the agent's database in its own thread. The one place that knows its file name; everybody else is handed the store.
import { join } from "node:path";
import { openStore, type Store } from "../../shared/kit/store.ts";
import type { AgentOperations } from "./operations.ts";

export type AgentStore = Store<AgentOperations>;

export function agentFile(dir: string): string {
  return join(dir, "agent.db");
}

/** `mustExist`: an identity key is there, so a database that is gone is damage and not a first run. */
export function openAgentStore(dir: string, mustExist: boolean): Promise<AgentStore> {
  return openStore<AgentOperations>({ file: agentFile(dir), moduleUrl: new URL("./operations.ts", import.meta.url), mustExist });
}
