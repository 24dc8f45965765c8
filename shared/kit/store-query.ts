// What a store operation is: a generator that yields queries and is given their rows. So one operation runs under SQLite (stepped in one go
// inside a transaction) and later under PostgreSQL (stepped with await), and several compose into one transaction by `yield*`.

export type SqlValue = string | number | bigint | null | Uint8Array;
export type SqlRow = Record<string, SqlValue>;

export interface Query {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

export type Operation<Result> = Generator<Query, Result, SqlRow[]>;
/** Arguments and result cross a thread border: plain values only. */
// oxlint-disable-next-line no-explicit-any -- each operation has its own argument type; Store<> below gives it back
export type Operations = Readonly<Record<string, (args: any) => Operation<any>>>;

/** One query inside an operation; its rows, or none for a write without RETURNING. */
export function* query<Row = SqlRow>(sql: string, ...params: readonly SqlValue[]): Operation<Row[]> {
  return (yield { sql, params }) as Row[];
}

/** The first row or null. */
export function* queryOne<Row = SqlRow>(sql: string, ...params: readonly SqlValue[]): Operation<Row | null> {
  const rows = (yield { sql, params }) as Row[];
  return rows[0] ?? null;
}

export interface StoreModule {
  /** SQLite's application_id, four ASCII octets: one side's database in the other's place is told apart from damage. 0, the default, is nobody's. */
  readonly applicationId?: number;
  /** Rows carry sums, commits a hash chain (store-guard.ts). */
  readonly isGuarded?: boolean;
  readonly operations: Operations;
  /** Names of operations that bring new work in: with DISK_FULL they wait until there is room for the ballast again, so that the others can go on. */
  readonly refusedWhenFull?: readonly string[];
  /** Step N brings a database from version N to N+1. Never changed once released. */
  readonly migrations: readonly string[];
}
