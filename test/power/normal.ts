// Loaded before the product's entry (`--import`) by the one test that wants to see rows lost: the database believes that it synchronises every commit, and does so
// at checkpoints only, as `synchronous=NORMAL` does. Not a switch of the product: nothing that ships can do this.
import Database from "better-sqlite3";

// oxlint-disable-next-line typescript/unbound-method -- called with its own this below
const original = Database.prototype.pragma;
Database.prototype.pragma = function (this: Database.Database, source: string, options?: Database.PragmaOptions): unknown {
  if (source === "synchronous = FULL") return original.call(this, "synchronous = NORMAL", options);
  if (source === "synchronous") return 2;
  return original.call(this, source, options);
};
