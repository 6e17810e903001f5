"""The foundation: users, sessions, revocations, the login log, the audit log, keys, attempts."""

from keyfob.migrations.running import run_sql

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

USERS = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,                -- as typed, for display
    email_normal text NOT NULL UNIQUE,  -- NFKC, lower case, IDNA: the identity
    name text,
    role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked')),
    password_hash text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    search_text text NOT NULL GENERATED ALWAYS AS
        (lower(email) || ' ' || email_normal || ' ' || lower(coalesce(name, ''))) STORED
);

-- Lists page by key, so each order has an index that ends in the id.
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_ranked ON users (role, created_at, id) WHERE role <> 'user';
CREATE INDEX users_blocked ON users (created_at, id) WHERE status <> 'active';
CREATE INDEX users_search ON users USING gin (search_text gin_trgm_ops);

-- Apart from users, because it changes every few seconds: a touch rewrites none of users' indexes.
CREATE TABLE user_activity (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    last_active_at timestamptz NOT NULL DEFAULT '-infinity',  -- -infinity: never
    total_active_seconds double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX user_activity_last ON user_activity (last_active_at, user_id);

-- How many users there are, by role and status, so that a list of a million need not count them.
-- Sixteen slots a pair: two registrations at once rarely meet in one row.
CREATE TABLE user_tallies (
    role text NOT NULL,
    status text NOT NULL,
    slot smallint NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (role, status, slot)
) WITH (fillfactor = 50);

CREATE FUNCTION tally_user() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    here smallint := pg_backend_pid() % 16;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO user_tallies AS t VALUES (OLD.role, OLD.status, here, -1)
        ON CONFLICT (role, status, slot) DO UPDATE SET amount = t.amount - 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO user_tallies AS t VALUES (NEW.role, NEW.status, here, 1)
        ON CONFLICT (role, status, slot) DO UPDATE SET amount = t.amount + 1;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER users_tally_rows AFTER INSERT OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tally_user();
CREATE TRIGGER users_tally_changes AFTER UPDATE OF role, status ON users
    FOR EACH ROW WHEN (OLD.role <> NEW.role OR OLD.status <> NEW.status)
    EXECUTE FUNCTION tally_user();
"""

SESSIONS = """
-- One row a session and no table of tokens: a rotation is a HOT update of this row alone, so no
-- column that a rotation or a touch changes may be indexed.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role text NOT NULL,                  -- a copy, kept by the transaction that changes the user's
    generation integer NOT NULL DEFAULT 0,
    secret_hash bytea NOT NULL,          -- SHA-256 of the salt that only the client holds
    rotated_at timestamptz NOT NULL,     -- when the present generation began
    last_activity_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,     -- the absolute end
    ended_at timestamptz,
    end_reason text,
    amr text[] NOT NULL,
    auth_time timestamptz NOT NULL,
    login_at timestamptz NOT NULL,
    ip_address inet,
    device_type text NOT NULL,
    browser text,
    os text,
    platform text
) WITH (fillfactor = 70);
CREATE INDEX sessions_live_by_user ON sessions (user_id, login_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expire ON sessions (expires_at);

-- (session, generation): every access token of that session up to that generation is dead.
CREATE TABLE revocations (
    session_id uuid PRIMARY KEY,
    generation integer NOT NULL,         -- 2147483647: of every generation
    revoked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL      -- no access token that it could meet lives longer
);
CREATE INDEX revocations_expire ON revocations (expires_at);
"""

RECORD = """
CREATE TABLE login_events (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    user_id uuid,
    email text,                          -- masked, and only where no account matched
    outcome text NOT NULL CHECK (outcome IN ('succeeded', 'refused')),
    reason text NOT NULL,
    ip_address inet,
    device_type text NOT NULL,
    browser text,
    os text,
    platform text,
    session_id uuid,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX login_events_user ON login_events (user_id, at DESC, id DESC);
-- For a sign-in's question whether the account is known here, however many attempts were refused.
CREATE INDEX login_events_successes ON login_events (user_id, at DESC)
    WHERE outcome = 'succeeded';
CREATE INDEX login_events_address ON login_events (ip_address, at DESC, id DESC);
-- The worker makes the months ahead of time; this one is there should it ever be late.
CREATE TABLE login_events_default PARTITION OF login_events DEFAULT;

-- A chain: each row's MAC covers the row and the MAC before it, so that no row can be changed,
-- dropped or put in between without it showing (keyfob doctor).
CREATE TABLE audit_events (
    position bigint PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    action text NOT NULL,
    actor_id uuid,                       -- null: the service itself, or its command line
    target_id uuid,
    old_values jsonb NOT NULL,
    new_values jsonb NOT NULL,
    ip_address inet,
    mac bytea NOT NULL
);
CREATE INDEX audit_events_target ON audit_events (target_id, position DESC);
CREATE INDEX audit_events_actor ON audit_events (actor_id, position DESC);
"""

KEYS_AND_LIMITS = """
CREATE TABLE signing_keys (
    position integer PRIMARY KEY,        -- 1, 2, 3: of two that make the next key, one wins
    kid text NOT NULL UNIQUE,
    algorithm text NOT NULL,
    public_jwk jsonb NOT NULL,
    private_key bytea NOT NULL,          -- PKCS #8, sealed with KEYFOB_SECRET_KEY
    created_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL,     -- published before, so that verifiers know it in time
    dropped_at timestamptz               -- set when compromised: refused at once
);

CREATE TABLE attempts (
    key text PRIMARY KEY,                -- a digest: no address and no account in the clear
    count integer NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX attempts_expires_at ON attempts (expires_at);
"""


def upgrade() -> None:
    for part in (USERS, SESSIONS, RECORD, KEYS_AND_LIMITS):
        run_sql(part)


def downgrade() -> None:
    run_sql(
        """
        DROP TABLE attempts, signing_keys, audit_events, login_events, revocations, sessions,
            user_tallies, user_activity, users;
        DROP FUNCTION tally_user;
        """
    )
