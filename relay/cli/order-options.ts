// The options that every order shares, as commander reads them and as `submit` takes them. For the files that declare orders.
import { Option, type Command } from "commander";
import { parseDuration } from "../../shared/kit/config.ts";
import { addresseeOf, addresseeOptions, type AddresseeOptions } from "./addressees.ts";
import type { SubmitOptions } from "./submit.ts";

export interface OrderOptions extends AddresseeOptions {
  readonly wait?: true | string;
  readonly expires?: number;
  readonly live?: boolean;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
  readonly orderKey?: string;
  readonly collapseKey?: string;
  readonly onFailure: "continue" | "block";
}

export const WAIT_DEFAULT = "10m";

/** The options that every order shares. */
export function orderOptions(command: Command): Command {
  return addresseeOptions(command)
    .option("--wait [duration]", `wait for the end, at most this long (default ${WAIT_DEFAULT})`)
    .option("--expires <duration>", "it must have started by then, else it expires (default 7d)", parseDuration)
    .option("--live", "fail with exit 7 when the site is offline, instead of waiting for it")
    .addOption(new Option("--defer", "wait for the site when it is offline (the default)").conflicts("live"))
    .option("--dry-run", "say what would be sent and when, and send nothing")
    .option("--idempotency-key <key>", "the same key asks for the same thing once")
    .option("--order-key <key>", "orders of one key run one after the other; those that touch the same objects do anyway")
    .option("--collapse-key <key>", "takes the place of orders of the same key that have not left")
    .addOption(new Option("--on-failure <what>", "block: orders that touch the same wait behind it until it has succeeded, by a retry if need be, or is skipped").choices(["continue", "block"]).default("continue"));
}

export function submitOptions(options: OrderOptions): Omit<SubmitOptions, "spec"> {
  return {
    to: addresseeOf(options),
    expiresInMs: options.expires ?? null,
    waitMs: waitMsOf(options.wait),
    live: options.live === true,
    dryRun: options.dryRun === true,
    idempotencyKey: options.idempotencyKey ?? null,
    orderingKey: options.orderKey ?? null,
    collapseKey: options.collapseKey ?? null,
    onFailure: options.onFailure,
  };
}

export function waitMsOf(wait: true | string | undefined): number | null {
  return wait === undefined ? null : parseDuration(wait === true ? WAIT_DEFAULT : wait);
}

export const NAMESPACE = ["-n, --namespace <namespace>", "where the objects are", "default"] as const;
