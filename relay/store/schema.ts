// The relay's tables, one step per released version. Everything that a second relay would have to know is here and not in memory. In the SQL that
// SQLite and PostgreSQL share. Times are ms since 1970 of this relay's clock unless the column says `site`.
import { OUTBOX_SCHEMA } from "../../shared/outbox/schema.ts";

const FIRST = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters (name, value) VALUES ('fence', 0), ('relay-epoch', 1);

CREATE TABLE trust (version BIGINT PRIMARY KEY, envelope BYTEA NOT NULL, made_ms BIGINT NOT NULL);

CREATE TABLE operators (name TEXT PRIMARY KEY, tier TEXT NOT NULL, created_ms BIGINT NOT NULL, removed_ms BIGINT);
CREATE TABLE operator_tokens (
  hash TEXT PRIMARY KEY,
  operator TEXT NOT NULL,
  purpose TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  revoked_ms BIGINT
);
CREATE INDEX operator_tokens_of ON operator_tokens (operator);

CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY,
  secret BYTEA NOT NULL,
  name TEXT NOT NULL,
  labels TEXT NOT NULL,
  tier TEXT NOT NULL,
  binding TEXT NOT NULL,
  uses BIGINT NOT NULL,
  operator TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  revoked_ms BIGINT
);
CREATE INDEX join_tokens_over ON join_tokens (expires_ms);
CREATE TABLE join_uses (token TEXT NOT NULL, sign_key TEXT NOT NULL, used_ms BIGINT NOT NULL, PRIMARY KEY (token, sign_key));

CREATE TABLE sites (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'denied', 'revoked')),
  sign_key TEXT NOT NULL,
  box_key TEXT NOT NULL,
  labels TEXT NOT NULL,
  tier TEXT NOT NULL,
  binding TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  statement BYTEA,
  statement_version BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  next_order BIGINT NOT NULL,
  -- This relay's signer's next number for the site, and the hash of the header before.
  next_seq BIGINT NOT NULL,
  prev_hash TEXT NOT NULL,
  -- Letters that ever came.
  inbox_n BIGINT NOT NULL,
  boot TEXT,
  dial BIGINT,
  fence BIGINT NOT NULL,
  agent_epoch TEXT,
  agent_version TEXT,
  free_octets BIGINT,
  clock_error_ms BIGINT,
  last_contact_ms BIGINT,
  link_end_ms BIGINT,
  link_end_why TEXT
);

CREATE TABLE commands (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL,
  relay_epoch BIGINT NOT NULL,
  ord BIGINT NOT NULL,
  ordering_key TEXT NOT NULL,
  collapse_key TEXT,
  lane TEXT NOT NULL,
  kind TEXT NOT NULL,
  repeatability TEXT NOT NULL,
  on_failure TEXT NOT NULL CHECK (on_failure IN ('continue', 'block')),
  what TEXT NOT NULL,
  -- What is signed. Gone once the command has ended; its hash stays.
  body BYTEA,
  body_hash TEXT NOT NULL,
  octets BIGINT NOT NULL,
  operator TEXT NOT NULL,
  ancestor TEXT,
  state TEXT NOT NULL,
  why TEXT NOT NULL,
  blocked_reason TEXT,
  nbf_ms BIGINT NOT NULL,
  deadline_ms BIGINT NOT NULL,
  run_ms BIGINT NOT NULL,
  asked_ms BIGINT NOT NULL,
  offered_ms BIGINT,
  -- The signer's number of its last offer.
  seq BIGINT,
  stored_ms BIGINT,
  claimed_ms BIGINT,
  ended_ms BIGINT,
  cancel_asked_ms BIGINT,
  cancel_asked_by TEXT,
  started_site_ms BIGINT,
  ended_site_ms BIGINT,
  outcome TEXT,
  -- A true result that came after the end: JSON.
  evidence TEXT,
  UNIQUE (site, relay_epoch, ord)
);
CREATE INDEX commands_open ON commands (site, state);
CREATE INDEX commands_over ON commands (state, deadline_ms);
CREATE INDEX commands_asked ON commands (asked_ms);
-- What the open commands of a site touch (is_own = 1) and stand on.
CREATE TABLE command_targets (command TEXT NOT NULL, okey TEXT NOT NULL, site TEXT NOT NULL, is_own BIGINT NOT NULL, PRIMARY KEY (command, okey));
CREATE INDEX command_targets_of ON command_targets (site, okey);
CREATE TABLE command_keys (
  caller TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  -- JSON: the sites that were resolved, and the command of each.
  sites TEXT NOT NULL,
  made_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX command_keys_over ON command_keys (expires_ms);
-- Results for commands that this relay does not know, rebuilt from the header that each carries.
CREATE TABLE orphans (site TEXT NOT NULL, command TEXT NOT NULL, header TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT NOT NULL, received_ms BIGINT NOT NULL, PRIMARY KEY (site, command));

CREATE TABLE inbox (site TEXT NOT NULL, id TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (site, id));
CREATE INDEX inbox_arrived ON inbox (site, n);
CREATE TABLE reports (site TEXT PRIMARY KEY, agent_epoch TEXT, ord BIGINT NOT NULL, made_site_ms BIGINT NOT NULL, received_ms BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE events (id TEXT PRIMARY KEY, site TEXT NOT NULL, at_ms BIGINT NOT NULL, received_ms BIGINT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL);
CREATE INDEX events_of ON events (site, at_ms, id);
`;

/** A store that was put back from a copy learns it from its sites, each for itself. */
const RESTORES = `
DELETE FROM counters WHERE name = 'relay-epoch';
ALTER TABLE sites ADD COLUMN relay_epoch BIGINT NOT NULL DEFAULT 1;
-- Since when the site's own record of its commands is waited for; nothing is offered to it meanwhile.
ALTER TABLE sites ADD COLUMN restored_ms BIGINT;
ALTER TABLE join_tokens ADD COLUMN held_ms BIGINT;
CREATE TABLE restores (
  site TEXT NOT NULL,
  relay_epoch BIGINT NOT NULL,
  -- Newest trust document of the site: the relay's chain is made longer than that once a person has confirmed.
  trust_version BIGINT NOT NULL,
  noticed_ms BIGINT NOT NULL,
  why TEXT NOT NULL,
  confirmed_ms BIGINT,
  confirmed_by TEXT,
  PRIMARY KEY (site, relay_epoch)
);
CREATE INDEX restores_unconfirmed ON restores (noticed_ms) WHERE confirmed_ms IS NULL;
`;

/** "BWLR". */
export const applicationId = 0x4257_4c52;
export const migrations: readonly string[] = [
  `${OUTBOX_SCHEMA}${FIRST}`,
  // When the agent's database that held it was lost: it may have been done before, whatever a later one says.
  "ALTER TABLE commands ADD COLUMN lost_ms BIGINT;",
  RESTORES,
  // Each ring has its own bound.
  `ALTER TABLE events ADD COLUMN ring TEXT NOT NULL DEFAULT 'other';
UPDATE events SET ring = CASE WHEN kind IN ('link-up', 'link-down') THEN 'link' WHEN kind = 'command' THEN 'command' ELSE 'other' END;
CREATE INDEX events_rings ON events (site, ring, at_ms, id);`,
  // Lists go on where their last page ended; a change has a number that only rises, so that who watches misses none; how often a command was offered; the place in
  // its keys that a retry has from its ancestor, where it is not its order; bodies that are kept for a retry.
  `DROP INDEX commands_asked;
CREATE INDEX commands_listed ON commands (asked_ms, ord, id);
CREATE INDEX commands_listed_of ON commands (site, asked_ms, ord, id);
INSERT INTO counters (name, value) VALUES ('change', 0);
ALTER TABLE commands ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
CREATE INDEX commands_changed ON commands (change);
ALTER TABLE commands ADD COLUMN offers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE commands ADD COLUMN place BIGINT;
CREATE INDEX commands_ancestor ON commands (ancestor) WHERE ancestor IS NOT NULL;
CREATE INDEX commands_kept ON commands (site, ended_ms) WHERE body IS NOT NULL AND ended_ms IS NOT NULL;`,
  // Every acceptance counts a site's open commands and their octets: out of the index alone, not out of a thousand rows with their bodies.
  "DROP INDEX commands_open; CREATE INDEX commands_open ON commands (site, state, octets);",
];
