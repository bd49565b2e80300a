-- What ended runs used, added up as they end. A cost is null once a part of it is not known.
CREATE TABLE thread_usage (
    thread_id     TEXT PRIMARY KEY REFERENCES threads ON DELETE CASCADE,
    runs          INTEGER NOT NULL,
    model_calls   INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens  INTEGER NOT NULL,
    cost_usd      REAL
) WITHOUT ROWID;
ALTER TABLE interaction_totals ADD COLUMN total_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE interaction_totals ADD COLUMN cost_usd REAL;
