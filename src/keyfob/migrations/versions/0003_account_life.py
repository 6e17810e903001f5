"""The account's life: verified addresses, mail, one-time links, factors, passkeys, erasure.

It only adds columns and tables, with defaults, so the previous release can go on writing.
"""

from keyfob.migrations.running import run_sql

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

ACCOUNT = """
ALTER TABLE users
    ADD COLUMN email_verified_at timestamptz,
    ADD COLUMN locale text NOT NULL DEFAULT 'en',
    ADD COLUMN timezone text,                                   -- of the IANA database
    ADD COLUMN must_change_password boolean NOT NULL DEFAULT false,
    ADD COLUMN erase_at timestamptz;                            -- the owner asked to be erased

-- What a link sent by mail carries, as a digest. One row a user and kind: a newer token takes the
-- place of the older, and whoever spends one deletes it.
CREATE TABLE one_time_tokens (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    email text,                          -- change_email: the new address, as typed
    email_normal text,
    password_hash text,                  -- verify_email: the password of a sign-up that waits
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX one_time_tokens_expire ON one_time_tokens (expires_at);
"""

OUTBOX = """
-- What is still to be done because of a change, written with it. Done is deleted.
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    payload bytea NOT NULL,              -- sealed: it may hold an address and a link
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,         -- whoever takes it moves this on, as long as it may take
    expires_at timestamptz,              -- worth nothing from then on
    attempts integer NOT NULL DEFAULT 0,
    failed_at timestamptz,               -- given up: the dead letters
    last_error text
) WITH (fillfactor = 70);
CREATE INDEX outbox_due ON outbox (due_at) WHERE failed_at IS NULL;
CREATE INDEX outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX outbox_user ON outbox (user_id);
"""

FACTORS = """
CREATE TABLE factors (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type text NOT NULL CHECK (type IN ('totp', 'passkey')),
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,            -- null: not confirmed yet
    last_used_at timestamptz,
    secret bytea,                        -- totp: sealed with KEYFOB_SECRET_KEY
    last_step bigint NOT NULL DEFAULT 0, -- totp: the newest time step that was used (RFC 6238)
    credential_id bytea UNIQUE,          -- passkey
    public_key bytea,                    -- passkey: COSE_Key
    sign_count bigint NOT NULL DEFAULT 0,
    transports text[] NOT NULL DEFAULT '{}',
    backed_up boolean,
    CHECK ((type = 'totp') = (secret IS NOT NULL)),
    CHECK ((type = 'passkey') = (credential_id IS NOT NULL AND public_key IS NOT NULL))
);
CREATE INDEX factors_of_user ON factors (user_id, created_at);
CREATE INDEX factors_unconfirmed ON factors (created_at) WHERE confirmed_at IS NULL;

-- For a statement that has waited for the lock of a user: it goes on with what it saw before the
-- wait, but a volatile function sees what was committed meanwhile.
CREATE FUNCTION has_factor(of_user uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM factors WHERE user_id = of_user AND confirmed_at IS NOT NULL
    );
END $$;

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL,            -- SHA-256: the code has 120 random bits
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, code_hash)     -- spent is deleted
);

-- The state between two factors.
CREATE TABLE pending_logins (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    amr text[] NOT NULL,
    attempts_left smallint NOT NULL,
    challenge bytea,                     -- of the passkey that is asked for
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ip_address inet,                     -- of who gave the password: for the login log
    device_type text NOT NULL,
    browser text,
    os text,
    platform text
);
CREATE INDEX pending_logins_user ON pending_logins (user_id);
CREATE INDEX pending_logins_expire ON pending_logins (expires_at);

CREATE TABLE webauthn_challenges (
    id uuid PRIMARY KEY,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE, -- null: of a sign-in by passkey alone
    challenge bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX webauthn_challenges_user ON webauthn_challenges (user_id);
CREATE INDEX webauthn_challenges_expire ON webauthn_challenges (expires_at);
"""


def upgrade() -> None:
    for part in (ACCOUNT, OUTBOX, FACTORS):
        run_sql(part)


def downgrade() -> None:
    run_sql(
        """
        DROP TABLE webauthn_challenges, pending_logins, recovery_codes, factors, outbox,
            one_time_tokens;
        DROP FUNCTION has_factor;
        ALTER TABLE users
            DROP COLUMN email_verified_at,
            DROP COLUMN locale,
            DROP COLUMN timezone,
            DROP COLUMN must_change_password,
            DROP COLUMN erase_at;
        """
    )
