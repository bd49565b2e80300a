-- What models were paid for, by day: for budgets, without a scan over the runs. '' is nobody in particular.
CREATE TABLE token_usage (
    day    TEXT NOT NULL,                   -- UTC, such as 2026-11-23
    owner  TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (day, owner)
) WITHOUT ROWID;
