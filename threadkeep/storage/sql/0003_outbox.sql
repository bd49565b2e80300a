-- Webhooks that are still to be delivered: written in the transaction that ends their run, gone once delivered.
CREATE TABLE outbox (
    webhook_id TEXT PRIMARY KEY,            -- the same at every try, so that a receiver can tell a repetition
    owner      TEXT,
    run_id     TEXT NOT NULL,
    url        TEXT NOT NULL,
    host       TEXT NOT NULL,               -- so that one slow host holds up no other
    payload    BLOB NOT NULL,               -- the JSON to send
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    due_at     TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at);
