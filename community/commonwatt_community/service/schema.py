# SPDX-License-Identifier: Apache-2.0
"""Tables of the service's file. Nothing of them is market state, which stands on the ledger alone.

Secrets are kept as hashes, but for the second factors' seeds, which have to be read, and the codes of enrolments that
wait for the operator.
"""

VERSION = 1

SCHEMA = """
CREATE TABLE accounts (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, home TEXT NOT NULL, passphrase TEXT NOT NULL,
    totp_secret TEXT, totp_step INTEGER NOT NULL DEFAULT 0, made_s INTEGER NOT NULL
) STRICT;
CREATE INDEX accounts_of_a_home ON accounts (home);
CREATE TABLE invitations (
    hash BLOB PRIMARY KEY, role TEXT NOT NULL, home TEXT NOT NULL, expires_s INTEGER NOT NULL, used_s INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, way TEXT NOT NULL, role TEXT NOT NULL, home TEXT NOT NULL, name TEXT NOT NULL,
    expires_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_that_end ON sessions (expires_s);
CREATE TABLE enrolments (
    id TEXT PRIMARY KEY, home TEXT NOT NULL, author TEXT NOT NULL, code TEXT NOT NULL, possession TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, asked_s INTEGER NOT NULL
) STRICT;
CREATE INDEX enrolments_by_state ON enrolments (state, home);
CREATE TABLE wishes (
    home TEXT PRIMARY KEY, paused INTEGER NOT NULL, limits TEXT NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE TABLE alarms (number INTEGER PRIMARY KEY, content TEXT NOT NULL) STRICT;
CREATE TABLE messages (
    whole BLOB PRIMARY KEY, digest TEXT NOT NULL, home TEXT NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL,
    period INTEGER NOT NULL, seq INTEGER NOT NULL, received_s INTEGER NOT NULL, receipt BLOB NOT NULL,
    compact BLOB, result TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_digest ON messages (digest);
CREATE INDEX messages_that_wait ON messages (received_s) WHERE result IS NULL;
CREATE INDEX messages_that_age ON messages (received_s);
CREATE INDEX messages_of_a_home ON messages (home, period);
CREATE TABLE audit_log (
    at_s INTEGER NOT NULL, caller TEXT NOT NULL, home TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_of_a_home ON audit_log (home);
CREATE INDEX audit_log_by_time ON audit_log (at_s);
CREATE TABLE heard (
    one INTEGER PRIMARY KEY CHECK (one = 1), net TEXT NOT NULL, block INTEGER NOT NULL, transaction_id TEXT NOT NULL
) STRICT;
"""
