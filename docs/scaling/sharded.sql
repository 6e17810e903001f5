-- Sessions and the login log, divided as a distributed PostgreSQL would hold them: by the hash of the id
-- that a statement names. docs/scaling.md tells which statements then meet one shard.
--
-- Here a shard is a partition of the same server, so that all of Keyfob can be run on the layout and
-- every plan be read (`python -m drills.scaling sharded`). Run it once, on a migrated database that
-- nothing is connected to. Keyfob's own migrations go on working on it.

BEGIN;

CREATE FUNCTION make_shards(parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR shard IN 0..7 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 8, REMAINDER %s)
                        WITH (fillfactor = 70)', parent || '_s' || shard, parent, shard);
    END LOOP;
END $$;

-- Sessions: by their id. The primary key is the shard key, so it stays as it is.
ALTER TABLE sessions RENAME TO sessions_whole;
CREATE TABLE sessions (LIKE sessions_whole INCLUDING DEFAULTS) PARTITION BY HASH (id);
SELECT make_shards('sessions');
INSERT INTO sessions SELECT * FROM sessions_whole;
DROP TABLE sessions_whole;
ALTER TABLE sessions ADD PRIMARY KEY (id);
-- A distributed engine has this key only where every shard has all users (a reference table in
-- Citus), or keys across nodes (YugabyteDB); without it, whoever removes a user removes the sessions.
ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX sessions_live_by_user ON sessions (user_id, login_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expire ON sessions (expires_at);

-- Revocations stay whole, as users, keys, limits and the audit log do: NOTIFY and the count of
-- transactions that carry them (docs/adr/0025-carriers-of-revocation.md) are of one server, and the table is short.

-- The login log: by month as before, since months are dropped whole, and each month by user: a sign-in
-- asks for its own account's. There is no primary key any more: it would have to hold user_id, which
-- is empty where nobody of that address exists. Ids are UUIDv7 and do not meet.
CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM login_events;
ALTER TABLE login_events DROP CONSTRAINT login_events_pkey;
CREATE TABLE login_events_divided (LIKE login_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (at);
DROP TABLE login_events;
ALTER TABLE login_events_divided RENAME TO login_events;
CREATE TABLE login_events_default PARTITION OF login_events DEFAULT PARTITION BY HASH (user_id);
SELECT make_shards('login_events_default');

-- Months for two years, under the names by which Keyfob finds its months made. One that it must make
-- itself, later, is not divided.
DO $$
DECLARE
    first timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
BEGIN
    FOR ahead IN 0..24 LOOP
        EXECUTE format(
            'CREATE TABLE login_events_%s PARTITION OF login_events FOR VALUES FROM (%L) TO (%L)
             PARTITION BY HASH (user_id)',
            to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'), first,
            (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        PERFORM make_shards('login_events_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'));
        first := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    END LOOP;
END $$;
INSERT INTO login_events SELECT * FROM kept;
CREATE INDEX login_events_position ON login_events (at, id);
CREATE INDEX login_events_user ON login_events (user_id, at DESC, id DESC);
CREATE INDEX login_events_successes ON login_events (user_id, at DESC) WHERE outcome = 'succeeded';
CREATE INDEX login_events_address ON login_events (ip_address, at DESC, id DESC);

DROP FUNCTION make_shards;

COMMIT;
