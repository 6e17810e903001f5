"""Keys that sign ID tokens: a series for each algorithm, beside the one of access tokens.

In a table of their own: a worker of the release before would take them for successors of the key
that signs access tokens, and delete that one's private half.
"""

from keyfob.migrations.running import run_sql

revision = "0024"
down_revision: str | None = "0023"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        CREATE TABLE id_token_keys (
            algorithm text NOT NULL,
            position integer NOT NULL,           -- 1, 2, 3 in the series of the algorithm
            kid text NOT NULL UNIQUE,
            public_jwk jsonb NOT NULL,
            private_key bytea NOT NULL,          -- PKCS #8, sealed with KEYFOB_SECRET_KEY
            created_at timestamptz NOT NULL,
            signs_from timestamptz NOT NULL,
            dropped_at timestamptz,
            PRIMARY KEY (algorithm, position)
        )
        """
    )


def downgrade() -> None:
    run_sql("DROP TABLE id_token_keys")
