// What the queue is measured against: the same number of rows of the same octets in raw SQLite (the product's pragmas, groups of 100, one thread, nothing else), and the
// same number of Ed25519 signatures or verifications. What rows those are is read from the product's own database after its work.
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

/** Operations in one transaction: the bound of the product's groups. */
const groupMax = 100;
/** Octets that a signature covers: an envelope's header with its context, near enough. */
const signedOctets = Buffer.alloc(480, 7);

/** What one operation leaves in a table. */
export interface Rows {
  readonly table: string;
  readonly perOperation: number;
  readonly octets: number;
}

/** Rows of every table that has about one for each operation, or more; what is updated in place is not counted. */
export function rowsOf(file: string, operations: number): Rows[] {
  const db = new Database(file, { readonly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").pluck().all() as string[];
    return tables.flatMap((table) => {
      const columns = (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).pluck().all() as string[]).map((name) => `COALESCE(LENGTH(CAST("${name}" AS BLOB)), 0)`);
      const { n, octets } = db.prepare(`SELECT COUNT(*) AS n, SUM(${columns.join(" + ")}) AS octets FROM "${table}"`).get() as { n: number; octets: number | null };
      const perOperation = Math.round(n / operations);
      return perOperation === 0 ? [] : [{ table, perOperation, octets: Math.round((octets ?? 0) / n) }];
    });
  } finally {
    db.close();
  }
}

export function rowsText(rows: readonly Rows[]): string {
  return rows.map(({ table, perOperation, octets }) => `${perOperation} x ${table} of ${octets} octets`).join(", ");
}

/** Seconds to commit them durably in `under`, on the product's disk. */
export function rawCommitSeconds(under: string, rows: readonly Rows[], operations: number): number {
  const dir = mkdtempSync(join(under, "raw-"));
  const db = new Database(join(dir, "raw.db"));
  try {
    for (const pragma of ["locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 200"]) db.pragma(pragma);
    for (const { table } of rows) db.exec(`CREATE TABLE "${table}" (id TEXT PRIMARY KEY, body BLOB)`);
    const puts = rows.flatMap(({ table, perOperation, octets }) => {
      const insert = db.prepare(`INSERT INTO "${table}" (id, body) VALUES (?, ?)`);
      const body = Buffer.alloc(Math.max(0, octets - 40), 1);
      return Array.from({ length: perOperation }, (_none, nth) => (id: string) => void insert.run(`${id}-${nth}`, body));
    });
    const ids = Array.from({ length: operations }, (_none, index) => createHash("sha256").update(String(index)).digest("hex").slice(0, 36));
    const begunMs = performance.now();
    for (let from = 0; from < operations; from += groupMax) {
      db.exec("BEGIN IMMEDIATE");
      // Ids as the product's: made from keys, so they fall anywhere into an index.
      for (let index = from; index < Math.min(operations, from + groupMax); index += 1) for (const put of puts) put(ids[index]!);
      db.exec("COMMIT");
    }
    return (performance.now() - begunMs) / 1_000;
  } finally {
    db.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

export function signSeconds(count: number): number {
  const { privateKey } = generateKeyPairSync("ed25519");
  const begunMs = performance.now();
  for (let index = 0; index < count; index += 1) sign(null, signedOctets, privateKey);
  return (performance.now() - begunMs) / 1_000;
}

export function verifySeconds(count: number): number {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const signature = sign(null, signedOctets, privateKey);
  const key = createPublicKey(publicKey.export({ type: "spki", format: "pem" }));
  const begunMs = performance.now();
  for (let index = 0; index < count; index += 1) if (!verify(null, signedOctets, key, signature)) throw new Error("a good signature must hold");
  return (performance.now() - begunMs) / 1_000;
}
