-- The same tables as sql/*.sql make in SQLite (a test compares the columns), in a schema of their own. Text sorts by
-- its bytes, as SQLite has it. What only several processes need: `worker` and `lease_until` (who runs this, and until
-- when that is believed, by this database's clock) and `transient` (its events are only for readers elsewhere).

CREATE TABLE threads (
    thread_id        TEXT COLLATE "C" PRIMARY KEY,
    owner            TEXT COLLATE "C",
    user_id          TEXT COLLATE "C",
    graph_id         TEXT COLLATE "C",
    status           TEXT COLLATE "C" NOT NULL DEFAULT 'idle',
    metadata         TEXT NOT NULL DEFAULT '{}',
    config           TEXT NOT NULL DEFAULT '{}',
    interrupts       TEXT NOT NULL DEFAULT '{}',
    error            TEXT,
    preview          TEXT,
    ttl              TEXT,
    expires_at       TEXT COLLATE "C",
    created_at       TEXT COLLATE "C" NOT NULL,
    updated_at       TEXT COLLATE "C" NOT NULL,
    state_updated_at TEXT COLLATE "C" NOT NULL
);
CREATE INDEX threads_by_created ON threads (created_at, thread_id);
CREATE INDEX threads_by_updated ON threads (updated_at, thread_id);
CREATE INDEX threads_by_state_updated ON threads (state_updated_at, thread_id);
CREATE INDEX threads_by_status ON threads (status, updated_at, thread_id);
CREATE INDEX threads_by_user ON threads (user_id, updated_at) WHERE user_id IS NOT NULL;
CREATE INDEX threads_by_owner ON threads (owner, updated_at, thread_id) WHERE owner IS NOT NULL;
CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE thread_metadata (
    path      TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (path, value, thread_id)
);
CREATE INDEX thread_metadata_by_thread ON thread_metadata (thread_id);

CREATE TABLE current_threads (
    owner     TEXT COLLATE "C" NOT NULL DEFAULT '',
    user_id   TEXT COLLATE "C" NOT NULL,
    graph_id  TEXT COLLATE "C" NOT NULL,
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (owner, user_id, graph_id)
);
CREATE INDEX current_threads_by_thread ON current_threads (thread_id);

CREATE TABLE thread_usage (
    thread_id     TEXT COLLATE "C" PRIMARY KEY REFERENCES threads ON DELETE CASCADE,
    runs          BIGINT NOT NULL,
    model_calls   BIGINT NOT NULL,
    input_tokens  BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    total_tokens  BIGINT NOT NULL,
    cost_usd      DOUBLE PRECISION
);

CREATE TABLE assistants (
    assistant_id TEXT COLLATE "C" PRIMARY KEY,
    owner        TEXT COLLATE "C",
    graph_id     TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    description  TEXT,
    config       TEXT NOT NULL DEFAULT '{}',
    context      TEXT NOT NULL DEFAULT '{}',
    metadata     TEXT NOT NULL DEFAULT '{}',
    created_at   TEXT COLLATE "C" NOT NULL,
    updated_at   TEXT COLLATE "C" NOT NULL
);

CREATE TABLE assistant_versions (
    assistant_id TEXT COLLATE "C" NOT NULL REFERENCES assistants ON DELETE CASCADE,
    version      BIGINT NOT NULL,
    graph_id     TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    description  TEXT,
    config       TEXT NOT NULL,
    context      TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (assistant_id, version)
);

CREATE SEQUENCE runs_seq;

CREATE TABLE runs (
    seq                BIGINT PRIMARY KEY,
    run_id             TEXT COLLATE "C" NOT NULL UNIQUE,
    thread_id          TEXT COLLATE "C" NOT NULL REFERENCES threads ON DELETE CASCADE,
    assistant_id       TEXT COLLATE "C" NOT NULL,
    graph_id           TEXT COLLATE "C" NOT NULL,
    owner              TEXT COLLATE "C",
    user_id            TEXT COLLATE "C",
    status             TEXT COLLATE "C" NOT NULL,
    multitask_strategy TEXT NOT NULL,
    metadata           TEXT NOT NULL,
    kwargs             TEXT NOT NULL,
    idempotency_key    TEXT COLLATE "C",
    due_at             TEXT COLLATE "C" NOT NULL,
    attempt            BIGINT NOT NULL DEFAULT 0,
    failed_attempts    BIGINT NOT NULL DEFAULT 0,
    progress           TEXT,
    cancel             TEXT,
    cancel_reason      TEXT,
    error              TEXT,
    outcome            TEXT NOT NULL DEFAULT '{}',
    event_bytes        BIGINT NOT NULL DEFAULT 0,
    event_floor        BIGINT NOT NULL DEFAULT 0,
    created_at         TEXT COLLATE "C" NOT NULL,
    updated_at         TEXT COLLATE "C" NOT NULL,
    started_at         TEXT COLLATE "C",
    ended_at           TEXT COLLATE "C",
    worker             TEXT COLLATE "C",
    lease_until        TIMESTAMPTZ,
    transient          BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_thread ON runs (thread_id, seq);
CREATE INDEX runs_pending ON runs (seq) WHERE status = 'pending';
CREATE INDEX runs_pending_by_thread ON runs (thread_id, seq) WHERE status = 'pending';
CREATE UNIQUE INDEX runs_running ON runs (thread_id) WHERE status = 'running';
CREATE INDEX runs_leased ON runs (lease_until) WHERE status = 'running';
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (coalesce(owner, ''), idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_with_events ON runs (ended_at) WHERE event_bytes > 0;
CREATE INDEX runs_by_graph ON runs (graph_id, status) WHERE status IN ('pending', 'running');

CREATE TABLE events (
    run_id        TEXT COLLATE "C" NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    event_id      BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    name          TEXT NOT NULL,
    data          BYTEA NOT NULL,
    checkpoint_id TEXT COLLATE "C",
    at            BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, event_id)
);

CREATE TABLE interaction_totals (
    graph_id         TEXT COLLATE "C" NOT NULL,
    user_id          TEXT COLLATE "C" NOT NULL,
    interactions     BIGINT NOT NULL,
    successes        BIGINT NOT NULL,
    duration_seconds DOUBLE PRECISION NOT NULL,
    total_tokens     BIGINT NOT NULL DEFAULT 0,
    cost_usd         DOUBLE PRECISION,
    PRIMARY KEY (graph_id, user_id)
);

CREATE TABLE token_usage (
    day    TEXT COLLATE "C" NOT NULL,
    owner  TEXT COLLATE "C" NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (day, owner)
);

CREATE TABLE intents (
    intent_id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind      TEXT NOT NULL,
    thread_id TEXT COLLATE "C" NOT NULL,
    run_id    TEXT COLLATE "C"
);
CREATE INDEX intents_by_thread ON intents (thread_id);

CREATE TABLE crons (
    cron_id       TEXT COLLATE "C" PRIMARY KEY,
    owner         TEXT COLLATE "C",
    assistant_id  TEXT COLLATE "C" NOT NULL REFERENCES assistants ON DELETE CASCADE,
    thread_id     TEXT COLLATE "C" REFERENCES threads ON DELETE CASCADE,
    schedule      TEXT NOT NULL,
    timezone      TEXT,
    end_time      TEXT COLLATE "C",
    enabled       BIGINT NOT NULL,
    payload       TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    next_run_date TEXT COLLATE "C",
    created_at    TEXT COLLATE "C" NOT NULL,
    updated_at    TEXT COLLATE "C" NOT NULL
);
CREATE INDEX crons_due ON crons (next_run_date) WHERE next_run_date IS NOT NULL;
CREATE INDEX crons_by_thread ON crons (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX crons_by_assistant ON crons (assistant_id);

CREATE TABLE outbox (
    webhook_id TEXT COLLATE "C" PRIMARY KEY,
    owner      TEXT COLLATE "C",
    run_id     TEXT COLLATE "C" NOT NULL,
    url        TEXT NOT NULL,
    host       TEXT COLLATE "C" NOT NULL,
    payload    BYTEA NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    due_at     TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE api_keys (
    key_id      TEXT COLLATE "C" PRIMARY KEY,
    secret_hash BYTEA NOT NULL,
    owner       TEXT COLLATE "C" NOT NULL,
    scopes      TEXT NOT NULL,
    note        TEXT NOT NULL,
    created_at  TEXT COLLATE "C" NOT NULL,
    expires_at  TEXT COLLATE "C",
    revoked_at  TEXT COLLATE "C"
);
