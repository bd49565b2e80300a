-- Why a run was cancelled, in words for its clients; null when it was not.
ALTER TABLE runs ADD COLUMN cancel_reason TEXT;
