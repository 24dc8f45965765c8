// The table that both ends share: letters that wait to leave, and letters that left and have no receipt. In the SQL that SQLite and PostgreSQL have
// in common. A row leaves only by its receipt, or replaced while it still waits.

export const OUTBOX_SCHEMA = `
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL,
  lane TEXT NOT NULL,
  lane_rank BIGINT NOT NULL,
  kind TEXT NOT NULL,
  replace_key TEXT,
  ord BIGINT NOT NULL,
  after_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'offered')),
  body BYTEA,
  octets BIGINT NOT NULL,
  made_ms BIGINT NOT NULL,
  -- The link it left on; its receipt must come on the same one.
  offered_fence BIGINT,
  -- Refused or unsendable so often, and not tried again before.
  failures BIGINT NOT NULL,
  not_before_ms BIGINT NOT NULL,
  -- SHA-256 of the body in hex.
  sum TEXT
);
CREATE INDEX outbox_waiting ON outbox (site, state, lane_rank, ord);
CREATE UNIQUE INDEX outbox_replaced ON outbox (site, replace_key) WHERE replace_key IS NOT NULL AND state = 'waiting';
`;
