-- Where people log in, each sees their own threads alone, newest first.
CREATE INDEX threads_by_owner ON threads (owner, updated_at, thread_id) WHERE owner IS NOT NULL;
