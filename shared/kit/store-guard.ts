// The guard of a database whose rows must not silently vanish or change: each row carries a sum of its columns, looked at when the file is opened and before the row
// is changed; each group that writes appends a link to a hash chain, so that a copy of another day, or a log that lost its end, is told from the file that was
// acknowledged by whoever kept the chain's head elsewhere. Knows no table by name: triggers of the open handle do it, for tables to come as well.
import { createHash, hash } from "node:crypto";
import type Database from "better-sqlite3";
import { Fault } from "./errors.ts";

/** The octets of SHA-256 that a row carries: against damage, not against forgers. */
const sumBytes = 16;
const TORN = "a row is not what was written";
const TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name NOT LIKE 'store!_%' ESCAPE '!' ORDER BY name";
const OWN = `
CREATE TABLE IF NOT EXISTS store_guard (schema_sum BLOB NOT NULL);
-- hash = SHA-256(hash before | written); written = SHA-256 over the sums of the rows that a group wrote or removed.
CREATE TABLE IF NOT EXISTS store_chain (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, written BLOB NOT NULL);
`;

type Value = string | number | bigint | null | Uint8Array;

export interface ChainLink {
  readonly seq: number;
  readonly hash: Buffer;
}

/** The sum of a row's columns in the table's order; no two lists of values share one text. */
export function rowSum(values: readonly Value[]): Buffer {
  let text = "";
  for (const value of values) {
    if (value === null) text += "n;";
    else if (typeof value === "string") text += `t${value.length};${value}`;
    else if (typeof value === "object") text += `b${hash("sha256", value, "hex")}`;
    else text += `i${value};`;
  }
  return hash("sha256", text, "buffer").subarray(0, sumBytes);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function summedColumns(db: Database.Database, table: string): string[] {
  return (db.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid").all(table) as { name: string }[]).map(({ name }) => name).filter((name) => name !== "row_sum");
}

function tables(db: Database.Database): string[] {
  return (db.prepare(TABLES).all() as { name: string }[]).map(({ name }) => name);
}

const sumOf = (columns: readonly string[], of = ""): string => `sum_of(${columns.map((name) => of + quoted(name)).join(", ")})`;

/** Everything that names what is in the file, and the two numbers of its header that say whose it is. */
function schemaSum(db: Database.Database): Buffer {
  const rows = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all() as Record<string, Value>[];
  return rowSum([db.pragma("user_version", { simple: true }) as number, db.pragma("application_id", { simple: true }) as number, ...rows.flatMap((row) => Object.values(row))]);
}

function torn(what: string): Fault {
  return new Fault("STORE_CORRUPT", { what: "the database is damaged", why: what, hint: "restore it from a backup" });
}

/** True for the error of a write whose row had changed by itself. */
export function isTorn(error: unknown): boolean {
  return error instanceof Error && error.message === TORN;
}

export class Guard {
  readonly #db: Database.Database;
  #noted = createHash("sha256");
  #head: ChainLink = { seq: 0, hash: Buffer.alloc(32) };

  constructor(db: Database.Database) {
    this.#db = db;
    db.pragma("temp_store = MEMORY"); // its triggers live in this handle; the process may have no other place to write
    db.function("sum_of", { deterministic: true, varargs: true }, (...values: Value[]) => rowSum(values));
    db.function("noted", (sum: Value) => {
      this.#noted.update(sum instanceof Uint8Array ? sum : String(sum));
      return sum;
    });
  }

  /** False for a file of before it was guarded. */
  get isThere(): boolean {
    return this.#db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'store_guard'").get() !== undefined;
  }

  /** Before anything is believed of the file. Fault STORE_CORRUPT. One that was never guarded is taken as it is. */
  verify(): void {
    const db = this.#db;
    if (!this.isThere) return;
    const { schema_sum: known } = (db.prepare("SELECT schema_sum FROM store_guard").get() ?? {}) as { schema_sum?: Buffer };
    if (known === undefined || !schemaSum(db).equals(known)) throw torn("its tables are not those that were made");
    for (const table of tables(db)) {
      const found = db.prepare(`SELECT COUNT(*) AS n FROM ${quoted(table)} WHERE row_sum IS NOT ${sumOf(summedColumns(db, table))}`).get() as { n: number };
      if (found.n > 0) throw torn(`${found.n} rows of ${table} are not what was written`);
    }
    this.#verifyChain();
  }

  #verifyChain(): void {
    let before: ChainLink | null = null;
    for (const { seq, hash: found, written } of this.#db.prepare("SELECT seq, hash, written FROM store_chain ORDER BY seq").iterate() as Iterable<{ seq: number; hash: Buffer; written: Buffer }>) {
      if (before !== null && (seq !== before.seq + 1 || !linked(before.hash, written).equals(found))) throw torn(`its hash chain is broken at commit ${seq}`);
      before = { seq, hash: found };
    }
    const { n } = this.#db.prepare("SELECT n FROM store_commits").get() as { n: number };
    if (before === null || before.seq !== n) throw torn("its hash chain does not end with its last commit");
  }

  /** After a step of the schema, in its transaction: sums of all rows as they are now. */
  resum(): void {
    const db = this.#db;
    db.exec(OWN);
    db.exec("INSERT INTO store_chain (seq, hash, written) SELECT n, zeroblob(32), zeroblob(32) FROM store_commits WHERE NOT EXISTS (SELECT 1 FROM store_chain)");
    for (const table of tables(db)) {
      if (db.prepare("SELECT 1 FROM pragma_table_info(?) WHERE name = 'row_sum'").get(table) === undefined) db.exec(`ALTER TABLE ${quoted(table)} ADD COLUMN row_sum BLOB`);
      db.exec(`UPDATE ${quoted(table)} SET row_sum = ${sumOf(summedColumns(db, table))}`);
    }
  }

  /** Last in that transaction: the schema and its version as they are now. */
  noteSchema(): void {
    this.#db.exec("DELETE FROM store_guard");
    this.#db.prepare("INSERT INTO store_guard (schema_sum) VALUES (?)").run(schemaSum(this.#db));
  }

  /** From here on every write is guarded. */
  arm(): void {
    const db = this.#db;
    const triggers: string[] = [];
    for (const table of tables(db)) {
      const columns = summedColumns(db, table);
      const [name, own] = [quoted(table), (event: string): string => quoted(`guard_${table}_${event}`)];
      const sum = `UPDATE ${name} SET row_sum = noted(${sumOf(columns, "NEW.")}) WHERE rowid = NEW.rowid`;
      triggers.push(`
CREATE TEMP TRIGGER ${own("insert")} AFTER INSERT ON ${name} BEGIN ${sum}; END;
CREATE TEMP TRIGGER ${own("update")} AFTER UPDATE ON ${name} WHEN NEW.row_sum IS OLD.row_sum BEGIN
  SELECT RAISE(ABORT, '${TORN}') WHERE OLD.row_sum IS NOT ${sumOf(columns, "OLD.")};
  ${sum};
END;
CREATE TEMP TRIGGER ${own("delete")} AFTER DELETE ON ${name} BEGIN SELECT noted(OLD.row_sum); END;`);
    }
    db.exec(triggers.join(""));
    this.#head = db.prepare("SELECT seq, hash FROM store_chain ORDER BY seq DESC LIMIT 1").get() as ChainLink;
  }

  /** A group begins: what an earlier one noted and did not commit counts for nothing. */
  begin(): void {
    this.#noted = createHash("sha256");
  }

  /** The link of the group that is about to commit. */
  next(): ChainLink & { readonly written: Buffer } {
    const written = this.#noted.digest();
    return { seq: this.#head.seq + 1, hash: linked(this.#head.hash, written), written };
  }

  committed(link: ChainLink): void {
    this.#head = { seq: link.seq, hash: link.hash };
  }
}

function linked(before: Buffer, written: Buffer): Buffer {
  return hash("sha256", Buffer.concat([before, written]), "buffer");
}
