"""Lists of users by their factors, and by whether their address is verified.

Triggers keep what factors a user has, also for the previous release. It can be run twice:
everything before an index is committed with it.
"""

from keyfob.migrations.running import build_index, drop_index, fill, run_sql

revision = "0019"
down_revision: str | None = "0018"
branch_labels: str | None = None
depends_on: str | None = None

# Each in the order of the list: a rare value is found, and a common one counted, without a look at
# those with another.
INDEXES = {
    "users_verified": "email_verified_at IS NOT NULL",
    "users_unverified": "email_verified_at IS NULL",
    "users_with_factor": "has_totp OR has_passkey",
    "users_without_factor": "NOT (has_totp OR has_passkey)",
    "users_with_totp": "has_totp",
    "users_with_passkey": "has_passkey",
}


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS has_totp boolean NOT NULL DEFAULT false,
            ADD COLUMN IF NOT EXISTS has_passkey boolean NOT NULL DEFAULT false;

        -- A function sees what was committed while the statement that calls it waited for a lock.
        CREATE OR REPLACE FUNCTION has_factor_of_type(of_user uuid, wanted text)
        RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            RETURN EXISTS (
                SELECT FROM factors
                 WHERE user_id = of_user AND type = wanted AND confirmed_at IS NOT NULL
            );
        END $$;

        CREATE OR REPLACE FUNCTION note_factors() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            of_user uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
        BEGIN
            UPDATE users
               SET has_totp = has_factor_of_type(of_user, 'totp'),
                   has_passkey = has_factor_of_type(of_user, 'passkey')
             WHERE id = of_user;
            RETURN NULL;
        END $$;

        CREATE OR REPLACE TRIGGER factors_added AFTER INSERT ON factors FOR EACH ROW
            WHEN (NEW.confirmed_at IS NOT NULL) EXECUTE FUNCTION note_factors();
        CREATE OR REPLACE TRIGGER factors_confirmed AFTER UPDATE OF confirmed_at ON factors
            FOR EACH ROW EXECUTE FUNCTION note_factors();
        CREATE OR REPLACE TRIGGER factors_removed AFTER DELETE ON factors FOR EACH ROW
            WHEN (OLD.confirmed_at IS NOT NULL) EXECUTE FUNCTION note_factors()
        """
    )
    fill(
        "users",
        """
        has_totp = has_factor_of_type(users.id, 'totp'),
        has_passkey = has_factor_of_type(users.id, 'passkey')
        """,
        """
        EXISTS (SELECT FROM factors AS f
                 WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL
                   AND NOT CASE f.type WHEN 'totp' THEN has_totp ELSE has_passkey END)
        """,
    )
    for name, where in INDEXES.items():
        build_index(name, f"ON users (created_at, id) WHERE {where}")


def downgrade() -> None:
    for name in INDEXES:
        drop_index(name)
    run_sql(
        """
        DROP TRIGGER factors_added ON factors;
        DROP TRIGGER factors_confirmed ON factors;
        DROP TRIGGER factors_removed ON factors;
        DROP FUNCTION note_factors();
        DROP FUNCTION has_factor_of_type(uuid, text);
        ALTER TABLE users DROP COLUMN has_totp, DROP COLUMN has_passkey
        """
    )
