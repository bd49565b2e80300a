-- What a search for words looks at, in lower case, beside the wide rows of the threads: it reads all of a caller's.
CREATE TABLE thread_texts (
    thread_id TEXT PRIMARY KEY REFERENCES threads ON DELETE CASCADE,
    owner     TEXT,
    title     TEXT NOT NULL DEFAULT '',
    opening   TEXT NOT NULL DEFAULT '',   -- how the conversation begins
    preview   TEXT NOT NULL DEFAULT ''    -- how it ends
) WITHOUT ROWID;
CREATE INDEX thread_texts_by_owner ON thread_texts (owner, thread_id) WHERE owner IS NOT NULL;
INSERT INTO thread_texts (thread_id, owner, title, preview)
    SELECT thread_id, owner, lower(ifnull(json_extract(metadata, '$.title'), '')), lower(ifnull(preview, ''))
    FROM threads;
