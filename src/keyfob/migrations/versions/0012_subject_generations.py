"""A generation of the subject, so that one revocation ends all sessions of a user.

Existing tokens and sessions are of generation 0, as every account is at first.
"""

from keyfob.migrations.running import run_sql

revision = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN sub_gen integer NOT NULL DEFAULT 0;  -- raised where all sessions end
        ALTER TABLE sessions
            ADD COLUMN sub_gen integer NOT NULL DEFAULT 0;  -- a copy, as role is

        -- Every access token of that session, or of that subject, up to that generation is dead.
        ALTER TABLE revocations
            ADD COLUMN id uuid,
            ADD COLUMN kind text NOT NULL DEFAULT 'session' CHECK (kind IN ('session', 'subject'));
        UPDATE revocations SET id = session_id;
        ALTER TABLE revocations DROP COLUMN session_id, ADD PRIMARY KEY (id)
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DELETE FROM revocations WHERE kind <> 'session';
        ALTER TABLE revocations ADD COLUMN session_id uuid;
        UPDATE revocations SET session_id = id;
        ALTER TABLE revocations DROP COLUMN kind, DROP COLUMN id, ADD PRIMARY KEY (session_id);
        ALTER TABLE sessions DROP COLUMN sub_gen;
        ALTER TABLE users DROP COLUMN sub_gen
        """
    )
