"""The time of the first proof, the origin of an account, and several links side by side.

By default an account counts as having registered itself, which is the safe assumption. The next
revision fills in what is known of existing accounts.
"""

from keyfob.migrations.running import run_sql

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN first_proven_at timestamptz,     -- of any address of it; never cleared
            ADD COLUMN registered_itself boolean NOT NULL DEFAULT true;

        ALTER TABLE one_time_tokens
            DROP CONSTRAINT one_time_tokens_pkey,
            DROP CONSTRAINT one_time_tokens_token_hash_key,
            ADD PRIMARY KEY (token_hash),
            ADD COLUMN name text,                       -- verify_email: the sign-up's own
            ADD COLUMN locale text,                     -- likewise
            ADD COLUMN attempts_left smallint NOT NULL DEFAULT 5,
            ADD COLUMN is_spare boolean NOT NULL DEFAULT false;
        CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, kind);
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DELETE FROM one_time_tokens AS older
         WHERE kind IN ('invite', 'change_password')
            OR EXISTS (SELECT FROM one_time_tokens AS newer
                        WHERE newer.user_id = older.user_id AND newer.kind = older.kind
                          AND (newer.created_at, newer.token_hash)
                              > (older.created_at, older.token_hash));
        DROP INDEX one_time_tokens_user;
        ALTER TABLE one_time_tokens
            DROP CONSTRAINT one_time_tokens_pkey,
            ADD CONSTRAINT one_time_tokens_token_hash_key UNIQUE (token_hash),
            ADD PRIMARY KEY (user_id, kind),
            DROP COLUMN name,
            DROP COLUMN locale,
            DROP COLUMN attempts_left,
            DROP COLUMN is_spare;
        ALTER TABLE users
            DROP COLUMN first_proven_at,
            DROP COLUMN registered_itself;
        """
    )
