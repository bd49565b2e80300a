-- Words: a thread is a conversation's state (kept by the checkpointer); a run is one execution of a graph on it; an
-- assistant is a graph with a configuration; an event is one frame of a run's stream. Times are ISO 8601 text in UTC,
-- which sorts. `owner` is who may see a row (null: nobody had to log in when it was made). JSON is text.

CREATE TABLE threads (
    thread_id        TEXT PRIMARY KEY,
    owner            TEXT,
    user_id          TEXT,              -- whom /chat spoke with, when it said so
    graph_id         TEXT,              -- the graph the thread was made with; null until the first run
    status           TEXT NOT NULL DEFAULT 'idle',  -- idle, busy, interrupted, error
    metadata         TEXT NOT NULL DEFAULT '{}',
    config           TEXT NOT NULL DEFAULT '{}',
    interrupts       TEXT NOT NULL DEFAULT '{}',    -- {task_id: [{id, value}]}
    error            TEXT,                          -- {error, message} of the last run, if it failed
    preview          TEXT,                          -- the last message's text, cut, for lists
    ttl              TEXT,                          -- {strategy, ttl} as the client sent it
    expires_at       TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    state_updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX threads_by_created ON threads (created_at, thread_id);
CREATE INDEX threads_by_updated ON threads (updated_at, thread_id);
CREATE INDEX threads_by_state_updated ON threads (state_updated_at, thread_id);
CREATE INDEX threads_by_status ON threads (status, updated_at, thread_id);
CREATE INDEX threads_by_user ON threads (user_id, updated_at) WHERE user_id IS NOT NULL;
CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;

-- Every leaf of a thread's metadata, so that a filter on it is an index look-up. `path` is a JSON array of keys.
CREATE TABLE thread_metadata (
    path      TEXT NOT NULL,
    value     TEXT NOT NULL,
    thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (path, value, thread_id)
) WITHOUT ROWID;
CREATE INDEX thread_metadata_by_thread ON thread_metadata (thread_id);

-- The thread that /chat goes on with for a user and a graph.
CREATE TABLE current_threads (
    owner     TEXT NOT NULL DEFAULT '',
    user_id   TEXT NOT NULL,
    graph_id  TEXT NOT NULL,
    thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (owner, user_id, graph_id)
) WITHOUT ROWID;
CREATE INDEX current_threads_by_thread ON current_threads (thread_id);

CREATE TABLE assistants (
    assistant_id TEXT PRIMARY KEY,
    owner        TEXT,
    graph_id     TEXT NOT NULL,
    version      INTEGER NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    config       TEXT NOT NULL DEFAULT '{}',
    context      TEXT NOT NULL DEFAULT '{}',
    metadata     TEXT NOT NULL DEFAULT '{}',
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE assistant_versions (
    assistant_id TEXT NOT NULL REFERENCES assistants ON DELETE CASCADE,
    version      INTEGER NOT NULL,
    graph_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    config       TEXT NOT NULL,
    context      TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    PRIMARY KEY (assistant_id, version)
) WITHOUT ROWID;

CREATE TABLE runs (
    seq               INTEGER PRIMARY KEY,  -- the order in which runs were accepted
    run_id            TEXT NOT NULL UNIQUE,
    thread_id         TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    assistant_id      TEXT NOT NULL,
    graph_id          TEXT NOT NULL,
    owner             TEXT,
    user_id           TEXT,
    status            TEXT NOT NULL,        -- pending, running, success, error, timeout, interrupted
    multitask_strategy TEXT NOT NULL,
    metadata          TEXT NOT NULL,
    kwargs            TEXT NOT NULL,        -- all that execution needs: input, command, config, context, stream modes, ...
    idempotency_key   TEXT,
    due_at            TEXT NOT NULL,        -- not started before
    attempt           INTEGER NOT NULL DEFAULT 0,  -- counted before each start; also the fencing token of its lease
    failed_attempts   INTEGER NOT NULL DEFAULT 0,  -- starts in a row that made no checkpoint
    progress          TEXT,                 -- the newest checkpoint that an attempt is known to have reached
    cancel            TEXT,                 -- interrupt or rollback, once somebody asked for it
    error             TEXT,                 -- {error, message}
    outcome           TEXT NOT NULL DEFAULT '{}',  -- usage, tools_used, duration
    event_bytes       INTEGER NOT NULL DEFAULT 0,  -- of its stored events, once it has ended
    event_floor       INTEGER NOT NULL DEFAULT 0,  -- events up to this id are no longer kept
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL,
    started_at        TEXT,
    ended_at          TEXT
);
CREATE INDEX runs_by_thread ON runs (thread_id, seq);
CREATE INDEX runs_pending ON runs (seq) WHERE status = 'pending';
CREATE INDEX runs_pending_by_thread ON runs (thread_id, seq) WHERE status = 'pending';
CREATE UNIQUE INDEX runs_running ON runs (thread_id) WHERE status = 'running';  -- one run per thread, enforced here too
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (ifnull(owner, ''), idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Ended runs with events, for retention.
CREATE INDEX runs_with_events ON runs (ended_at) WHERE event_bytes > 0;
CREATE INDEX runs_by_graph ON runs (graph_id, status) WHERE status IN ('pending', 'running');

-- Frames of resumable runs; others live in memory only. Dense ids per run, from 1.
CREATE TABLE events (
    run_id   TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    event_id INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    name     TEXT NOT NULL,             -- the SSE event, with its subgraph namespace
    data     BLOB NOT NULL,             -- JSON; empty when `checkpoint_id` says what to rebuild it from
    checkpoint_id TEXT,                 -- a `values` frame is its checkpoint's values, which the checkpointer has
    PRIMARY KEY (run_id, event_id)
) WITHOUT ROWID;

-- Ended runs counted as they end, so that /metrics never scans the runs.
CREATE TABLE interaction_totals (
    graph_id         TEXT NOT NULL,
    user_id          TEXT NOT NULL,     -- '' when nobody said
    interactions     INTEGER NOT NULL,
    successes        INTEGER NOT NULL,
    duration_seconds REAL NOT NULL,
    PRIMARY KEY (graph_id, user_id)
) WITHOUT ROWID;

-- What must also happen in the checkpointer's file, written with the decision and redone at start until it is done.
CREATE TABLE intents (
    intent_id INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL,            -- delete_thread, delete_run
    thread_id TEXT NOT NULL,
    run_id    TEXT
);
