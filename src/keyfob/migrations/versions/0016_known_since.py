"""The time since when networks and devices count as known, after a first proof ended earlier use.

For accounts that are proven already, 0017 sets it.
"""

from keyfob.migrations.running import run_sql

revision = "0016"
down_revision: str | None = "0015"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN known_since timestamptz  -- who signed in before it may be a stranger
        """
    )


def downgrade() -> None:
    run_sql("ALTER TABLE users DROP COLUMN known_since")
