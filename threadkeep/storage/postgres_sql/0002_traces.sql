-- Traces: what the nodes, models and tools of a run did, as `data` (JSON) says, and when. What was sent and answered
-- stands beside, once a thread under its hash, and is as old as its last use.
CREATE TABLE trace_spans (
    run_id     TEXT COLLATE "C" NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    span_id    TEXT COLLATE "C" NOT NULL,
    owner      TEXT COLLATE "C",
    started_at TEXT COLLATE "C" NOT NULL,
    bytes      BIGINT NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (run_id, span_id)
);
CREATE INDEX trace_spans_by_age ON trace_spans (started_at, bytes);

CREATE TABLE trace_contents (
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads ON DELETE CASCADE,
    hash      TEXT COLLATE "C" NOT NULL,
    owner     TEXT COLLATE "C",
    used_at   TEXT COLLATE "C" NOT NULL,
    bytes     BIGINT NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (thread_id, hash)
);
CREATE INDEX trace_contents_by_age ON trace_contents (used_at, bytes);

-- What a person thought of a run.
CREATE TABLE run_feedback (
    run_id     TEXT COLLATE "C" PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
    owner      TEXT COLLATE "C",                    -- who said so
    thumb      TEXT,                    -- up or down
    note       TEXT,
    updated_at TEXT COLLATE "C" NOT NULL
);
