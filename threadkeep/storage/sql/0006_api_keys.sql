-- Keys that people send to say who they are. Only a hash of the secret is kept: whoever reads this file cannot use one.
CREATE TABLE api_keys (
    key_id      TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,              -- SHA-256; the secret is random, so nothing slower is needed
    owner       TEXT NOT NULL,              -- who the key's bearer is
    scopes      TEXT NOT NULL,              -- JSON list
    note        TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    expires_at  TEXT,
    revoked_at  TEXT
) WITHOUT ROWID;
