// The agent's tables, one step per released version. Times are ms since 1970 by the agent's estimate unless the column says `wall`.
import { OUTBOX_SCHEMA } from "../../shared/outbox/schema.ts";

const FIRST = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters (name, value) VALUES ('dial', 0), ('seq', 0), ('order', 0);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trust (version INTEGER PRIMARY KEY, envelope BLOB NOT NULL);
CREATE TABLE seen (kid TEXT NOT NULL, seq INTEGER NOT NULL, exp INTEGER NOT NULL, PRIMARY KEY (kid, seq));
CREATE TABLE floors (kid TEXT PRIMARY KEY, floor INTEGER NOT NULL);
CREATE TABLE commands (
  id TEXT PRIMARY KEY,
  ord INTEGER NOT NULL,
  after_id TEXT,
  kind TEXT NOT NULL,
  body BLOB,
  body_hash TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'claimed', 'outcome', 'reported', 'purged')),
  deadline_ms INTEGER NOT NULL,
  stored_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  unclean_restarts INTEGER NOT NULL,
  has_effect INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER,
  outcome TEXT
);
CREATE INDEX commands_open ON commands (state, ord);
`;

/** "BWLA". */
export const applicationId = 0x4257_4c41;
export const migrations: readonly string[] = [`${OUTBOX_SCHEMA}${FIRST}`];
