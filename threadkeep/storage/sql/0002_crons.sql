-- A cron accepts a run whenever its schedule is due: on a thread of its own each time, or always on the same one.
CREATE TABLE crons (
    cron_id          TEXT PRIMARY KEY,
    owner            TEXT,
    assistant_id     TEXT NOT NULL REFERENCES assistants ON DELETE CASCADE,
    thread_id        TEXT REFERENCES threads ON DELETE CASCADE,
    schedule         TEXT NOT NULL,         -- five cron fields
    timezone         TEXT,                  -- an IANA name; null for UTC
    end_time         TEXT,                  -- not fired after this
    enabled          INTEGER NOT NULL,
    payload          TEXT NOT NULL,         -- what the runs are asked for
    metadata         TEXT NOT NULL,
    next_run_date    TEXT,                  -- when it fires next; null when it will not
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX crons_due ON crons (next_run_date) WHERE next_run_date IS NOT NULL;
CREATE INDEX crons_by_thread ON crons (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX crons_by_assistant ON crons (assistant_id);
