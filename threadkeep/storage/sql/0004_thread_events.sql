-- When an event happened, in milliseconds since 1970: the thread protocol says so with each of them.
ALTER TABLE events ADD COLUMN at INTEGER NOT NULL DEFAULT 0;

-- A run's place in the order of acceptance is never given again, also when the newest run is deleted: thread streams
-- number their events by it, and clients take what they have seen under a number for seen.
CREATE TABLE deleted_runs (newest INTEGER NOT NULL);
INSERT INTO deleted_runs VALUES (0);
CREATE TRIGGER runs_keep_their_place AFTER DELETE ON runs BEGIN
    UPDATE deleted_runs SET newest = max(newest, OLD.seq);
END;
