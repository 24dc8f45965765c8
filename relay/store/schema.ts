// The relay's tables, one step per released version. Everything that a second relay would have to know is here and not in memory. In the SQL that
// SQLite and PostgreSQL share. Times are ms since 1970 of this relay's clock unless the column says `site`.
import { OUTBOX_SCHEMA } from "../../shared/outbox/schema.ts";

const FIRST = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters (name, value) VALUES ('fence', 0), ('relay-epoch', 1);

CREATE TABLE trust (version INTEGER PRIMARY KEY, envelope BLOB NOT NULL, made_ms INTEGER NOT NULL);

CREATE TABLE operators (name TEXT PRIMARY KEY, tier TEXT NOT NULL, created_ms INTEGER NOT NULL, removed_ms INTEGER);
CREATE TABLE operator_tokens (
  hash TEXT PRIMARY KEY,
  operator TEXT NOT NULL,
  purpose TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  revoked_ms INTEGER
);
CREATE INDEX operator_tokens_of ON operator_tokens (operator);

CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY,
  secret BLOB NOT NULL,
  name TEXT NOT NULL,
  labels TEXT NOT NULL,
  tier TEXT NOT NULL,
  binding TEXT NOT NULL,
  uses INTEGER NOT NULL,
  operator TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  revoked_ms INTEGER
);
CREATE TABLE join_uses (token TEXT NOT NULL, sign_key TEXT NOT NULL, used_ms INTEGER NOT NULL, PRIMARY KEY (token, sign_key));

CREATE TABLE sites (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'denied', 'revoked')),
  sign_key TEXT NOT NULL,
  box_key TEXT NOT NULL,
  labels TEXT NOT NULL,
  tier TEXT NOT NULL,
  binding TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  statement BLOB,
  created_ms INTEGER NOT NULL,
  next_order INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  boot TEXT,
  dial INTEGER,
  fence INTEGER NOT NULL,
  agent_epoch TEXT,
  agent_version TEXT,
  last_contact_ms INTEGER,
  link_end_ms INTEGER,
  link_end_why TEXT
);

CREATE TABLE commands (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL,
  ord INTEGER NOT NULL,
  ordering_key TEXT NOT NULL,
  kind TEXT NOT NULL,
  what TEXT NOT NULL,
  body BLOB NOT NULL,
  octets INTEGER NOT NULL,
  operator TEXT NOT NULL,
  state TEXT NOT NULL,
  why TEXT NOT NULL,
  deadline_ms INTEGER NOT NULL,
  asked_ms INTEGER NOT NULL,
  offered_ms INTEGER,
  stored_ms INTEGER,
  ended_ms INTEGER,
  started_site_ms INTEGER,
  ended_site_ms INTEGER,
  outcome TEXT,
  UNIQUE (site, ord)
);
CREATE INDEX commands_open ON commands (site, state);
CREATE TABLE command_keys (caller TEXT NOT NULL, idempotency_key TEXT NOT NULL, body_hash TEXT NOT NULL, command TEXT NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY (caller, idempotency_key));

CREATE TABLE inbox (site TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (site, id));
CREATE TABLE reports (site TEXT PRIMARY KEY, made_site_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE events (id TEXT PRIMARY KEY, site TEXT NOT NULL, at_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL);
CREATE INDEX events_of ON events (site, at_ms);
`;

/** "BWLR". */
export const applicationId = 0x4257_4c52;
export const migrations: readonly string[] = [`${OUTBOX_SCHEMA}${FIRST}`];
