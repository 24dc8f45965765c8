// Types of bundle.mjs for its callers in TypeScript: which entries are built, and how large each file became, in octets.
export const AGENT_ENTRIES: Readonly<Record<string, string>>;
export function bundle(options?: { readonly entries?: Readonly<Record<string, string>>; readonly outDir?: string; readonly platforms?: readonly string[] }): Promise<Record<string, number>>;
