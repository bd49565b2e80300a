-- Traces: what the nodes, models and tools of a run did, as `data` (JSON) says, and when. What was sent and answered
-- stands beside, once a thread under its hash, and is as old as its last use.
CREATE TABLE trace_spans (
    run_id     TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    span_id    TEXT NOT NULL,
    owner      TEXT,
    started_at TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (run_id, span_id)
);
CREATE INDEX trace_spans_by_age ON trace_spans (started_at, bytes);

CREATE TABLE trace_contents (
    thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    hash      TEXT NOT NULL,
    owner     TEXT,
    used_at   TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (thread_id, hash)
);
CREATE INDEX trace_contents_by_age ON trace_contents (used_at, bytes);

-- What a person thought of a run.
CREATE TABLE run_feedback (
    run_id     TEXT PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
    owner      TEXT,                    -- who said so
    thumb      TEXT,                    -- up or down
    note       TEXT,
    updated_at TEXT NOT NULL
);
