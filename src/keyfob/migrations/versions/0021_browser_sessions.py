"""The kind of a session: of a program with tokens, or of a browser with a cookie."""

from keyfob.migrations.running import run_sql

revision = "0021"
down_revision: str | None = "0020"
branch_labels: str | None = None
depends_on: str | None = None

keeps = "0020"


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE sessions
            ADD COLUMN kind text NOT NULL DEFAULT 'api' CHECK (kind IN ('api', 'browser'))
        """
    )


def downgrade() -> None:
    # Their cookies mean nothing to the release before.
    run_sql(
        """
        UPDATE sessions SET ended_at = now(), end_reason = 'logout'
         WHERE kind = 'browser' AND ended_at IS NULL;
        ALTER TABLE sessions DROP COLUMN kind
        """
    )
