// Reads what is left of a damaged guarded database: every row whose sum holds, from both ends of each table, past pages that cannot be read. Changes no row of it.
// Never throws for what is damaged: that is what it is for.
import Database from "better-sqlite3";
import { rowSum, summedColumns } from "./store-guard.ts";
import type { SqlRow } from "./store-query.ts";

export interface Salvaged<Table extends string> {
  readonly rows: Record<Table, SqlRow[]>;
  /** Rows that were seen and are not what was written. */
  readonly damaged: number;
  /** Something could not be read at all. */
  readonly isTorn: boolean;
}

export function salvage<Table extends string>(file: string, wanted: readonly Table[]): Salvaged<Table> {
  const rows = Object.fromEntries(wanted.map((table) => [table, []])) as unknown as Record<Table, SqlRow[]>;
  let damaged = 0;
  let isTorn = false;
  let db: Database.Database | null = null;
  try {
    db = new Database(file, { timeout: 0, fileMustExist: true });
    db.pragma("locking_mode = EXCLUSIVE");
    for (const table of wanted) {
      const found = tableRows(db, table);
      rows[table].push(...found.intact);
      damaged += found.damaged;
      isTorn ||= found.isTorn;
    }
  } catch {
    isTorn = true;
  } finally {
    close(db);
  }
  return { rows, damaged, isTorn };
}

function tableRows(db: Database.Database, table: string): { intact: SqlRow[]; damaged: number; isTorn: boolean } {
  const seen = new Set<number>();
  const intact: SqlRow[] = [];
  let damaged = 0;
  let isTorn = false;
  try {
    const columns = summedColumns(db, table);
    for (const way of ["ASC", "DESC"]) {
      try {
        for (const row of db.prepare(`SELECT rowid AS "row id", * FROM "${table}" NOT INDEXED ORDER BY rowid ${way}`).iterate() as Iterable<SqlRow>) {
          const id = Number(row["row id"]);
          if (seen.has(id)) continue;
          seen.add(id);
          const { "row id": _id, row_sum: sum, ...rest } = row;
          if (sum instanceof Uint8Array && rowSum(columns.map((name) => row[name]!)).equals(sum)) intact.push(rest);
          else damaged += 1;
        }
        break; // the whole table was read
      } catch {
        isTorn = true; // the other end may be readable
      }
    }
  } catch {
    isTorn = true; // no such table as far as this file can say
  }
  return { intact, damaged, isTorn };
}

function close(db: Database.Database | null): void {
  try {
    db?.close();
  } catch {
    // a broken handle may refuse even that
  }
}
