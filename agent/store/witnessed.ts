// What a witness outside the file is told of the database, and what a witness is compared with. The chain itself is the engine's (shared/kit/store-guard.ts).
import { query, queryOne, type Operation } from "../../shared/kit/store.ts";
import { allFacts } from "./identity.ts";

export interface WitnessState {
  readonly agentEpoch: string;
  /** Last commit, and the chain's head there (hex). */
  readonly seq: number;
  readonly hash: string;
  /** Greatest number taken of each signer: a database that takes this one's place takes none of them again. */
  readonly floors: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  /** Without these a new database could not even dial. */
  readonly facts: Readonly<Partial<Record<"relay" | "site" | "name", string>>>;
}

export function* witnessState(_args: null): Operation<WitnessState> {
  const head = (yield* queryOne<{ seq: number; hash: Uint8Array }>("SELECT seq, hash FROM store_chain ORDER BY seq DESC LIMIT 1"))!;
  const taken = yield* query<{ kid: string; seq: number }>("SELECT kid, MAX(seq) AS seq FROM (SELECT kid, MAX(seq) AS seq FROM seen GROUP BY kid UNION ALL SELECT kid, floor FROM floors) GROUP BY kid");
  const counters = yield* query<{ name: string; value: number }>("SELECT name, value FROM counters");
  const { agentEpoch = "", relay, site, name } = yield* allFacts(null);
  return {
    agentEpoch,
    seq: Number(head.seq),
    hash: Buffer.from(head.hash).toString("hex"),
    floors: Object.fromEntries(taken.map(({ kid, seq }) => [kid, Number(seq)])),
    counters: Object.fromEntries(counters.map((row) => [row.name, Number(row.value)])),
    facts: { ...(relay === undefined ? {} : { relay }), ...(site === undefined ? {} : { site }), ...(name === undefined ? {} : { name }) },
  };
}

/** From now on a witness that is gone is worth a word. */
export function* noteWitness(_args: null): Operation<void> {
  yield* query("INSERT INTO facts (name, value) VALUES ('hasWitness', '1') ON CONFLICT (name) DO NOTHING");
}

export interface ChainEnds {
  /** Hash (hex) of the commit that was asked for, or null. */
  readonly found: string | null;
  readonly least: number;
  readonly most: number;
}

export function* chainAt(args: { readonly seq: number }): Operation<ChainEnds> {
  const ends = (yield* queryOne<{ least: number; most: number }>("SELECT MIN(seq) AS least, MAX(seq) AS most FROM store_chain"))!;
  const row = yield* queryOne<{ hash: Uint8Array }>("SELECT hash FROM store_chain WHERE seq = ?", args.seq);
  return { found: row === null ? null : Buffer.from(row.hash).toString("hex"), least: Number(ends.least), most: Number(ends.most) };
}

/** Every witness has passed these. */
export function* pruneChain(args: { readonly below: number }): Operation<void> {
  yield* query("DELETE FROM store_chain WHERE seq < ?", args.below);
}
