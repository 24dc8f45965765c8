// The agent's tables, one step per released version. Times are ms since 1970 by the agent's estimate unless the column says `wall`.
import { OUTBOX_SCHEMA } from "../../shared/outbox/schema.ts";

const FIRST = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters (name, value) VALUES ('dial', 0), ('seq', 0), ('order', 0);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trust (version BIGINT PRIMARY KEY, envelope BYTEA NOT NULL);
CREATE TABLE seen (kid TEXT NOT NULL, seq BIGINT NOT NULL, exp BIGINT NOT NULL, PRIMARY KEY (kid, seq));
CREATE TABLE floors (kid TEXT PRIMARY KEY, floor BIGINT NOT NULL);
CREATE TABLE commands (
  id TEXT PRIMARY KEY,
  -- The relay's name for it, outside the envelope: its order, and the life of the relay's store that gave it.
  relay_epoch BIGINT NOT NULL,
  ord BIGINT NOT NULL,
  after_id TEXT,
  lane TEXT NOT NULL,
  kind TEXT NOT NULL,
  cls TEXT NOT NULL,
  -- The signed header as JSON: every result carries it, so that a relay that lost the command can rebuild it.
  header TEXT,
  body BYTEA,
  body_hash TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('withdrawn', 'ready', 'claimed', 'outcome', 'reported', 'purged')),
  nbf_ms BIGINT NOT NULL,
  deadline_ms BIGINT NOT NULL,
  stored_ms BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  unclean_restarts BIGINT NOT NULL,
  has_effect BIGINT NOT NULL,
  -- What it resolved when it was claimed (JSON): a second run acts on the same things.
  resolved TEXT,
  cancel_ms BIGINT,
  -- What it leaves in the cluster (JSON), until that is removed.
  cleanup TEXT,
  started_ms BIGINT,
  ended_ms BIGINT,
  outcome TEXT
);
CREATE INDEX commands_open ON commands (state, ord);
CREATE INDEX commands_over ON commands (state, deadline_ms);
CREATE INDEX commands_leftovers ON commands (ended_ms) WHERE cleanup IS NOT NULL;
-- What the open commands touch (is_own = 1) and stand on.
CREATE TABLE command_targets (command TEXT NOT NULL, okey TEXT NOT NULL, is_own BIGINT NOT NULL, PRIMARY KEY (command, okey));
CREATE INDEX command_targets_of ON command_targets (okey);
`;

/** Nothing of what is here may silently vanish or change. */
export const isGuarded = true;

/** "BWLA". */
export const applicationId = 0x4257_4c41;
export const migrations: readonly string[] = [
  `${OUTBOX_SCHEMA}${FIRST}`,
  // The link on which the relay said that it has the result.
  "ALTER TABLE commands ADD COLUMN receipt_fence BIGINT;",
  // What a database that was put aside knew of commands that had begun, for when the relay sends them again.
  "CREATE TABLE carried (id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, has_effect BIGINT NOT NULL, resolved TEXT, cleanup TEXT, deadline_ms BIGINT NOT NULL);",
];
