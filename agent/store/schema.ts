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

/** What a row costs in the file beside its contents (octets): ids, hashes, numbers, its place in the indexes. Measured: 762 a command with one target, 376 a letter. Parts of a released step. */
const commandRowOctets = 768;
const letterRowOctets = 384;
const sizeOf = (row: string): string => `${commandRowOctets} + ${["body", "header", "outcome", "resolved"].map((column) => `COALESCE(OCTET_LENGTH(${row}.${column}), 0)`).join(" + ")}`;
const partOf = (row: string): string => `CASE WHEN ${row}.state IN ('ready', 'claimed') THEN 'inbox' WHEN ${row}.state IN ('outcome', 'reported') THEN 'results' ELSE 'rest' END`;
const letterPartOf = (row: string): string => `CASE ${row}.kind WHEN 'event' THEN 'history' WHEN 'report' THEN 'rest' ELSE 'results' END`;
const add = (part: string, octets: string): string => `UPDATE room SET octets = octets + (${octets}) WHERE part = ${part};`;
const take = (part: string, octets: string): string => `UPDATE room SET octets = octets - (${octets}) WHERE part = ${part};`;

/** Octets in use by part, kept by triggers (the agent's store is SQLite for good), and the ring of each event. `limit` is what the settings allow, 256 MiB until they were read. */
const ROOM = `
ALTER TABLE commands ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN ring TEXT;
UPDATE outbox SET ring = CASE WHEN id LIKE 'outcome-%' THEN 'failure' ELSE 'link' END WHERE kind = 'event';
CREATE INDEX outbox_ring ON outbox (ring, state, ord) WHERE ring IS NOT NULL;
CREATE TABLE room (part TEXT PRIMARY KEY, octets BIGINT NOT NULL);
INSERT INTO room (part, octets) VALUES ('limit', 268435456), ('inbox', 0), ('results', 0), ('reserved', 0), ('history', 0), ('rest', 0);
UPDATE room SET octets = octets + COALESCE((SELECT SUM(${sizeOf("c")}) FROM commands c WHERE ${partOf("c")} = part), 0) + COALESCE((SELECT SUM(o.octets + ${letterRowOctets}) FROM outbox o WHERE ${letterPartOf("o")} = part), 0);
CREATE TRIGGER command_put AFTER INSERT ON commands BEGIN ${add(partOf("NEW"), sizeOf("NEW"))} ${add("'reserved'", "NEW.reserved")} END;
CREATE TRIGGER command_gone AFTER DELETE ON commands BEGIN ${take(partOf("OLD"), sizeOf("OLD"))} ${take("'reserved'", "OLD.reserved")} END;
CREATE TRIGGER command_moved AFTER UPDATE OF state, body, header, outcome, resolved ON commands BEGIN ${take(partOf("OLD"), sizeOf("OLD"))} ${add(partOf("NEW"), sizeOf("NEW"))} END;
CREATE TRIGGER command_reserved AFTER UPDATE OF reserved ON commands BEGIN ${add("'reserved'", "NEW.reserved - OLD.reserved")} END;
CREATE TRIGGER letter_put AFTER INSERT ON outbox BEGIN ${add(letterPartOf("NEW"), `NEW.octets + ${letterRowOctets}`)} END;
CREATE TRIGGER letter_gone AFTER DELETE ON outbox BEGIN ${take(letterPartOf("OLD"), `OLD.octets + ${letterRowOctets}`)} END;
CREATE TRIGGER letter_changed AFTER UPDATE OF octets ON outbox BEGIN ${add(letterPartOf("NEW"), "NEW.octets - OLD.octets")} END;
`;

/** Nothing of what is here may silently vanish or change. */
export const isGuarded = true;

/** "BWLA". */
export const applicationId = 0x4257_4c41;
export const migrations: readonly string[] = [
  `${OUTBOX_SCHEMA}${FIRST}`,
  // The link on which the relay said that it has the result.
  "ALTER TABLE commands ADD COLUMN receipt_fence BIGINT;",
  // A relay that is put back from a copy draws its orders again, in a higher epoch. Each look for the next command walks those that wait: who may not start yet
  // is passed over in the indexes, without its row and its body.
  "DROP INDEX commands_open; CREATE INDEX commands_turn ON commands (state, relay_epoch, ord, nbf_ms, deadline_ms); CREATE INDEX commands_named ON commands (relay_epoch, ord);",
  "DROP INDEX command_targets_of; CREATE INDEX command_targets_of ON command_targets (okey, is_own, command);",
  ROOM,
  // What a database that was put aside knew of commands that had begun, for when the relay sends them again.
  "CREATE TABLE carried (id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, has_effect BIGINT NOT NULL, resolved TEXT, cleanup TEXT, deadline_ms BIGINT NOT NULL);",
];
