-- Tables like: (All)
-- The values of various per-database settings
PRAGMA page_size=4096;
-- PRAGMA encoding='UTF-8';
-- PRAGMA auto_vacuum=NONE;
-- PRAGMA max_page_count=4294967294;
BEGIN TRANSACTION;
-- Table  assistant_versions
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
INSERT INTO assistant_versions VALUES('00000000-0000-4000-8000-00000000000a',1,'configured','Untitled',NULL,'{"configurable":{"tone":"loud"}}','{"tone":"loud"}','{}','2026-11-23T07:17:22.843517+00:00');
INSERT INTO assistant_versions VALUES('00000000-0000-4000-8000-00000000000a',2,'configured','Second',NULL,'{"configurable":{"tone":"loud"}}','{"tone":"loud"}','{}','2026-11-23T07:17:22.846461+00:00');
INSERT INTO assistant_versions VALUES('01bf647c-20e1-5de4-9fdd-2c51d9452e67',1,'tooled','tooled',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('01d10e59-d4b4-51ec-8e94-9b2716b34de8',1,'steps','steps',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('046b5dc7-2108-582c-9c6c-31d556d138f0',1,'echo','echo',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('0813419b-f0e6-579e-bdee-18d9fdf48632',1,'nested','nested',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('3869bead-a593-5aa2-8839-9b03e03f0011',1,'managed_factory','managed_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('7ab0abe8-591d-5eca-8f5f-8b9728b87d73',1,'configured','configured',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('7dfb5300-69cc-586d-be0d-9adc6b95ff79',1,'failing','failing',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('7f7e503e-a375-52fe-bcf4-0893f0e102e6',1,'factory','factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('84930421-5020-5d51-8bcf-857331c6de07',1,'asking','asking',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('a69d2930-53d3-54b7-8ed8-1a6e1f7c330a',1,'talkative','talkative',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('b04c019c-32cc-5475-ad3c-f38c38813414',1,'plain_factory','plain_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('cad1b5ad-d177-59d1-ab39-5e327188ed3a',1,'slow','slow',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('e7d9fc4b-726b-5b27-9f4e-08387774d017',1,'blocking','blocking',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistant_versions VALUES('fc39deff-33e8-5d13-a1c4-82bc5da7cafc',1,'runtime_factory','runtime_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00');
-- Table  assistants
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
INSERT INTO assistants VALUES('00000000-0000-4000-8000-00000000000a',NULL,'configured',2,'Second',NULL,'{"configurable":{"tone":"loud"}}','{"tone":"loud"}','{}','2026-11-23T07:17:22.843508+00:00','2026-11-23T07:17:22.846461+00:00');
INSERT INTO assistants VALUES('01bf647c-20e1-5de4-9fdd-2c51d9452e67',NULL,'tooled',1,'tooled',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('01d10e59-d4b4-51ec-8e94-9b2716b34de8',NULL,'steps',1,'steps',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('046b5dc7-2108-582c-9c6c-31d556d138f0',NULL,'echo',1,'echo',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('0813419b-f0e6-579e-bdee-18d9fdf48632',NULL,'nested',1,'nested',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('3869bead-a593-5aa2-8839-9b03e03f0011',NULL,'managed_factory',1,'managed_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('7ab0abe8-591d-5eca-8f5f-8b9728b87d73',NULL,'configured',1,'configured',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('7dfb5300-69cc-586d-be0d-9adc6b95ff79',NULL,'failing',1,'failing',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('7f7e503e-a375-52fe-bcf4-0893f0e102e6',NULL,'factory',1,'factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('84930421-5020-5d51-8bcf-857331c6de07',NULL,'asking',1,'asking',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('a69d2930-53d3-54b7-8ed8-1a6e1f7c330a',NULL,'talkative',1,'talkative',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('b04c019c-32cc-5475-ad3c-f38c38813414',NULL,'plain_factory',1,'plain_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('cad1b5ad-d177-59d1-ab39-5e327188ed3a',NULL,'slow',1,'slow',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('e7d9fc4b-726b-5b27-9f4e-08387774d017',NULL,'blocking',1,'blocking',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
INSERT INTO assistants VALUES('fc39deff-33e8-5d13-a1c4-82bc5da7cafc',NULL,'runtime_factory',1,'runtime_factory',NULL,'{}','{}','{"created_by":"system"}','2026-11-23T07:17:22.729077+00:00','2026-11-23T07:17:22.729077+00:00');
-- Table  current_threads
CREATE TABLE current_threads (
    owner     TEXT NOT NULL DEFAULT '',
    user_id   TEXT NOT NULL,
    graph_id  TEXT NOT NULL,
    thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (owner, user_id, graph_id)
) WITHOUT ROWID;
INSERT INTO current_threads VALUES('','ada','echo','01a20744-3f23-747f-9cc3-ba03183670de');
-- Triggers and indices on  current_threads
CREATE INDEX current_threads_by_thread ON current_threads (thread_id);
-- Table  events
CREATE TABLE events (
    run_id   TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    event_id INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    name     TEXT NOT NULL,             -- the SSE event, with its subgraph namespace
    data     BLOB NOT NULL,             -- JSON; empty when `checkpoint_id` says what to rebuild it from
    checkpoint_id TEXT,                 -- a `values` frame is its checkpoint's values, which the checkpointer has
    PRIMARY KEY (run_id, event_id)
) WITHOUT ROWID;
INSERT INTO events VALUES('01a20744-3efe-7102-b6ea-183b973b07fa',1,1,'metadata',X'7B2272756E5F6964223A2230316132303734342D336566652D373130322D623665612D313833623937336230376661222C22617474656D7074223A317D',NULL);
INSERT INTO events VALUES('01a20744-3efe-7102-b6ea-183b973b07fa',2,1,'values',X'','1f1e70de-d5ec-6f89-8000-636371dfd7eb');
INSERT INTO events VALUES('01a20744-3efe-7102-b6ea-183b973b07fa',3,1,'values',X'','1f1e70de-d5f0-6959-8001-3ef5436c9c5a');
INSERT INTO events VALUES('01a20744-3efe-7102-b6ea-183b973b07fa',4,1,'end',X'7B2272756E5F6964223A2230316132303734342D336566652D373130322D623665612D313833623937336230376661222C22737461747573223A2273756363657373227D',NULL);
-- Table  intents
CREATE TABLE intents (
    intent_id INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL,            -- delete_thread, delete_run
    thread_id TEXT NOT NULL,
    run_id    TEXT
);
-- Table  interaction_totals
CREATE TABLE interaction_totals (
    graph_id         TEXT NOT NULL,
    user_id          TEXT NOT NULL,     -- '' when nobody said
    interactions     INTEGER NOT NULL,
    successes        INTEGER NOT NULL,
    duration_seconds REAL NOT NULL,
    PRIMARY KEY (graph_id, user_id)
) WITHOUT ROWID;
INSERT INTO interaction_totals VALUES('asking','',1,1,0.003603);
INSERT INTO interaction_totals VALUES('echo','',1,1,0.00687);
INSERT INTO interaction_totals VALUES('echo','ada',1,1,0.002671);
-- Table  runs
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
INSERT INTO runs VALUES(1,'01a20744-3efe-7102-b6ea-183b973b07fa','00000000-0000-4000-8000-000000000000','046b5dc7-2108-582c-9c6c-31d556d138f0','echo',NULL,NULL,'success','enqueue','{"created_by":"system","graph_id":"echo","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"input":{"messages":[{"role":"user","content":"hello"}]},"command":null,"config":{"configurable":{}},"context":null,"stream_mode":["values"],"stream_subgraphs":false,"stream_resumable":true,"interrupt_before":null,"interrupt_after":null,"durability":null,"webhook":"https://example.com/hook","feedback_keys":null,"on_disconnect":"continue","temporary":false}',NULL,'2026-11-23T07:17:22.814860+00:00',1,0,NULL,NULL,NULL,'{"duration":0.00687,"usage":{"model_calls":0,"input_tokens":0,"output_tokens":0,"total_tokens":0},"tools_used":[]}',312,0,'2026-11-23T07:17:22.814860+00:00','2026-11-23T07:17:22.823204+00:00','2026-11-23T07:17:22.815400+00:00','2026-11-23T07:17:22.823204+00:00');
INSERT INTO runs VALUES(2,'01a20744-3f09-7d08-9c91-5d60ffe88d37','00000000-0000-4000-8000-000000000001','84930421-5020-5d51-8bcf-857331c6de07','asking',NULL,NULL,'success','enqueue','{"created_by":"system","graph_id":"asking","assistant_id":"84930421-5020-5d51-8bcf-857331c6de07"}','{"input":{"topic":"tea"},"command":null,"config":{"configurable":{}},"context":null,"stream_mode":["values"],"stream_subgraphs":false,"stream_resumable":false,"interrupt_before":null,"interrupt_after":null,"durability":null,"webhook":null,"feedback_keys":null,"on_disconnect":"continue","temporary":false}',NULL,'2026-11-23T07:17:22.825547+00:00',1,0,NULL,NULL,NULL,'{"checkpoint_id":"1f1e70de-d601-614b-8001-305a317eb17f","interrupts":[{"id":"fb5bcbfb6108511e7dcb54720618ec86","value":{"question":"first about tea?"},"response_schema":null}],"duration":0.003603,"usage":{"model_calls":0,"input_tokens":0,"output_tokens":0,"total_tokens":0},"tools_used":[]}',0,0,'2026-11-23T07:17:22.825547+00:00','2026-11-23T07:17:22.830060+00:00','2026-11-23T07:17:22.825974+00:00','2026-11-23T07:17:22.830060+00:00');
INSERT INTO runs VALUES(3,'01a20744-3f17-7e0a-9e6c-ce08c53d95ed','00000000-0000-4000-8000-000000000002','046b5dc7-2108-582c-9c6c-31d556d138f0','echo',NULL,NULL,'pending','enqueue','{"created_by":"system","graph_id":"echo","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"input":{"messages":[{"role":"user","content":"hello"}]},"command":null,"config":{"configurable":{}},"context":null,"stream_mode":["values"],"stream_subgraphs":false,"stream_resumable":false,"interrupt_before":null,"interrupt_after":null,"durability":null,"webhook":null,"feedback_keys":null,"on_disconnect":"continue","temporary":false}',NULL,'2027-11-23T07:17:22.839566+00:00',0,0,NULL,NULL,NULL,'{}',0,0,'2026-11-23T07:17:22.839566+00:00','2026-11-23T07:17:22.839566+00:00',NULL,NULL);
INSERT INTO runs VALUES(4,'01a20744-3f26-7456-9b2f-eabf3092b723','01a20744-3f23-747f-9cc3-ba03183670de','046b5dc7-2108-582c-9c6c-31d556d138f0','echo',NULL,'ada','success','enqueue','{"created_by":"system","graph_id":"echo","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"input":{"messages":[{"role":"user","content":"hi"}]},"command":null,"config":{"configurable":{}},"context":null,"stream_mode":["values"],"stream_subgraphs":false,"stream_resumable":false,"interrupt_before":null,"interrupt_after":null,"durability":null,"webhook":null,"feedback_keys":null,"on_disconnect":"continue","temporary":false}',NULL,'2026-11-23T07:17:22.854058+00:00',1,0,NULL,NULL,NULL,'{"duration":0.002671,"usage":{"model_calls":0,"input_tokens":0,"output_tokens":0,"total_tokens":0},"tools_used":[]}',0,0,'2026-11-23T07:17:22.854058+00:00','2026-11-23T07:17:22.857817+00:00','2026-11-23T07:17:22.854367+00:00','2026-11-23T07:17:22.857817+00:00');
-- Triggers and indices on  runs
CREATE INDEX runs_by_graph ON runs (graph_id, status) WHERE status IN ('pending', 'running');
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (ifnull(owner, ''), idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_thread ON runs (thread_id, seq);
CREATE INDEX runs_pending ON runs (seq) WHERE status = 'pending';
CREATE INDEX runs_pending_by_thread ON runs (thread_id, seq) WHERE status = 'pending';
CREATE UNIQUE INDEX runs_running ON runs (thread_id) WHERE status = 'running';
CREATE INDEX runs_with_events ON runs (ended_at) WHERE event_bytes > 0;
-- Table  thread_metadata
CREATE TABLE thread_metadata (
    path      TEXT NOT NULL,
    value     TEXT NOT NULL,
    thread_id TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    PRIMARY KEY (path, value, thread_id)
) WITHOUT ROWID;
INSERT INTO thread_metadata VALUES('["assistant_id"]','"046b5dc7-2108-582c-9c6c-31d556d138f0"','00000000-0000-4000-8000-000000000000');
INSERT INTO thread_metadata VALUES('["graph_id"]','"echo"','00000000-0000-4000-8000-000000000000');
INSERT INTO thread_metadata VALUES('["number"]','0','00000000-0000-4000-8000-000000000000');
INSERT INTO thread_metadata VALUES('["assistant_id"]','"84930421-5020-5d51-8bcf-857331c6de07"','00000000-0000-4000-8000-000000000001');
INSERT INTO thread_metadata VALUES('["graph_id"]','"asking"','00000000-0000-4000-8000-000000000001');
INSERT INTO thread_metadata VALUES('["number"]','1','00000000-0000-4000-8000-000000000001');
INSERT INTO thread_metadata VALUES('["assistant_id"]','"046b5dc7-2108-582c-9c6c-31d556d138f0"','00000000-0000-4000-8000-000000000002');
INSERT INTO thread_metadata VALUES('["graph_id"]','"echo"','00000000-0000-4000-8000-000000000002');
INSERT INTO thread_metadata VALUES('["number"]','2','00000000-0000-4000-8000-000000000002');
INSERT INTO thread_metadata VALUES('["assistant_id"]','"046b5dc7-2108-582c-9c6c-31d556d138f0"','01a20744-3f23-747f-9cc3-ba03183670de');
INSERT INTO thread_metadata VALUES('["graph_id"]','"echo"','01a20744-3f23-747f-9cc3-ba03183670de');
INSERT INTO thread_metadata VALUES('["user_id"]','"ada"','01a20744-3f23-747f-9cc3-ba03183670de');
-- Triggers and indices on  thread_metadata
CREATE INDEX thread_metadata_by_thread ON thread_metadata (thread_id);
-- Table  threads
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
INSERT INTO threads VALUES('00000000-0000-4000-8000-000000000000',NULL,NULL,'echo','idle','{"number":0,"graph_id":"echo","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"configurable":{}}','{}',NULL,'echo: hello',NULL,NULL,'2026-11-23T07:17:22.789476+00:00','2026-11-23T07:17:22.823204+00:00','2026-11-23T07:17:22.823204+00:00');
INSERT INTO threads VALUES('00000000-0000-4000-8000-000000000001',NULL,NULL,'asking','interrupted','{"number":1,"graph_id":"asking","assistant_id":"84930421-5020-5d51-8bcf-857331c6de07"}','{"configurable":{}}','{"fa57922b-5dac-84d4-f8d7-37931a52d545":[{"id":"fb5bcbfb6108511e7dcb54720618ec86","value":{"question":"first about tea?"}}]}',NULL,NULL,NULL,NULL,'2026-11-23T07:17:22.792923+00:00','2026-11-23T07:17:22.830060+00:00','2026-11-23T07:17:22.830060+00:00');
INSERT INTO threads VALUES('00000000-0000-4000-8000-000000000002',NULL,NULL,'echo','busy','{"number":2,"graph_id":"echo","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"configurable":{}}','{}',NULL,NULL,NULL,NULL,'2026-11-23T07:17:22.794979+00:00','2026-11-23T07:17:22.839566+00:00','2026-11-23T07:17:22.794979+00:00');
INSERT INTO threads VALUES('01a20744-3f23-747f-9cc3-ba03183670de',NULL,'ada','echo','idle','{"graph_id":"echo","user_id":"ada","assistant_id":"046b5dc7-2108-582c-9c6c-31d556d138f0"}','{"configurable":{}}','{}',NULL,'echo: hi',NULL,NULL,'2026-11-23T07:17:22.851404+00:00','2026-11-23T07:17:22.857817+00:00','2026-11-23T07:17:22.857817+00:00');
-- Triggers and indices on  threads
CREATE INDEX threads_by_created ON threads (created_at, thread_id);
CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX threads_by_state_updated ON threads (state_updated_at, thread_id);
CREATE INDEX threads_by_status ON threads (status, updated_at, thread_id);
CREATE INDEX threads_by_updated ON threads (updated_at, thread_id);
CREATE INDEX threads_by_user ON threads (user_id, updated_at) WHERE user_id IS NOT NULL;
-- Database header
pragma user_version=1;
COMMIT TRANSACTION;
