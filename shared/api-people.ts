// Types of the relay's HTTP API about people, their tokens, how sites join, and what waits for a person's word. For http/, cli/ and console/.
import type { API_VERSION } from "./api.ts";

export interface JoinTokenCreated {
  readonly kind: "JoinToken";
  readonly id: string;
  readonly token: string;
  readonly expires: string;
  readonly uses: number;
}

export interface LoginAnswer {
  readonly operator: string;
  readonly tier: string;
  readonly token: string;
  readonly expires: string;
}

/** A token that is good now. Its id names it and is no secret. */
export interface OperatorTokenRow {
  readonly id: string;
  readonly operator: string;
  readonly purpose: string;
  readonly created: string;
  readonly expires: string;
}

/** What waits for a person after the relay was put back from a copy. */
export interface RestoredView {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "Restored";
  readonly sites: readonly {
    readonly site: string;
    readonly relayEpoch: number;
    readonly noticed: string;
    readonly why: string;
    /** The site has not told yet what it knows of its commands; nothing is offered to it meanwhile. */
    readonly isOpen: boolean;
    /** Commands that may not run twice, on hold. */
    readonly blocked: number;
    /** Commands that ended there and that this relay does not know. */
    readonly orphans: number;
  }[];
  readonly tokens: readonly { readonly id: string; readonly name: string; readonly expires: string }[];
}

export interface KubeLoginAnswer {
  readonly token: string;
  readonly expires: string;
  readonly sites: readonly string[];
}
