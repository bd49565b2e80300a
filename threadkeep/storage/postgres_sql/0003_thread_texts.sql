-- What a search for words looks at, in lower case, beside the wide rows of the threads: it reads all of a caller's.
CREATE TABLE thread_texts (
    thread_id TEXT COLLATE "C" PRIMARY KEY REFERENCES threads ON DELETE CASCADE,
    owner     TEXT COLLATE "C",
    title     TEXT NOT NULL DEFAULT '',
    opening   TEXT NOT NULL DEFAULT '',   -- how the conversation begins
    preview   TEXT NOT NULL DEFAULT ''    -- how it ends
);
CREATE INDEX thread_texts_by_owner ON thread_texts (owner, thread_id) WHERE owner IS NOT NULL;
INSERT INTO thread_texts (thread_id, owner, title, preview)
    SELECT thread_id, owner, lower(coalesce(CAST(metadata AS json) ->> 'title', '')), lower(coalesce(preview, ''))
    FROM threads;
