// The API's functions after the relay was put back from a copy: what the sites have told of it, what waits for a person meanwhile, and that person's word.
import type { RestoredView } from "../../shared/api-people.ts";
import type { RelayStore } from "../store/store.ts";
import type { Route } from "./api.ts";
import { iso } from "./operate-fields.ts";

export interface RestoredOptions {
  readonly store: RelayStore;
  /** What came back with a copy of the store may stand. */
  readonly confirmRestores: (operator: string) => Promise<void>;
}

export function restoredRoutes(options: RestoredOptions): Route[] {
  const view = async (): Promise<RestoredView> => {
    const { sites, tokens } = await options.store.call("unconfirmedRestores", null);
    return {
      apiVersion: "bowline/v1",
      kind: "Restored",
      sites: sites.map(({ noticedMs, ...site }) => ({ ...site, noticed: iso(noticedMs) })),
      tokens: tokens.map(({ expiresMs, ...token }) => ({ ...token, expires: iso(expiresMs) })),
    };
  };
  return [
    { method: "GET", path: "/restored", handle: async () => ({ status: 200, body: await view() }) },
    {
      method: "POST",
      path: "/restored/confirm",
      handle: async ({ login }) => {
        const before = await view();
        await options.confirmRestores(login.name);
        return { status: 200, body: before };
      },
    },
  ];
}
