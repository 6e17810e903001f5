"""Records if a passkey was created as one that can be synced: a copy can claim that later.

For existing passkeys it is known if they were backed up (0017); otherwise at their next use.
"""

from keyfob.migrations.running import run_sql

revision = "0014"
down_revision: str | None = "0013"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE factors
            -- NULL of what is no passkey, and of one from before that was not used since
            ADD COLUMN backup_eligible boolean
        """
    )


def downgrade() -> None:
    run_sql("ALTER TABLE factors DROP COLUMN backup_eligible")
