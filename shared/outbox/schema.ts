// The table that both ends share: letters that wait to leave, and letters that left and have no receipt. In the SQL that SQLite and PostgreSQL have
// in common. A row leaves only by its receipt, or replaced while it still waits.

export const OUTBOX_SCHEMA = `
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL,
  lane TEXT NOT NULL,
  lane_rank INTEGER NOT NULL,
  kind TEXT NOT NULL,
  replace_key TEXT,
  ord INTEGER NOT NULL,
  after_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'offered')),
  body BLOB,
  octets INTEGER NOT NULL,
  made_ms INTEGER NOT NULL,
  offered_fence INTEGER
);
CREATE INDEX outbox_waiting ON outbox (site, state, lane_rank, ord);
CREATE UNIQUE INDEX outbox_replaced ON outbox (site, replace_key) WHERE replace_key IS NOT NULL AND state = 'waiting';
`;
