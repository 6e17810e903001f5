"""The times of a session's last few rotations, so that older tokens have a grace period, too.

No index contains the column, so a rotation stays a HOT update. For existing sessions it is empty.
"""

from keyfob.migrations.running import run_sql

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE sessions
            -- when the generations before the present one began, the latest first, four at most
            ADD COLUMN rotated_before timestamptz[] NOT NULL DEFAULT '{}'
        """
    )


def downgrade() -> None:
    run_sql("ALTER TABLE sessions DROP COLUMN rotated_before")
