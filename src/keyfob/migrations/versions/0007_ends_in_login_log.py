"""The login log tells of ends of sessions, too: a third outcome.

The rows that are there are not read again while anybody waits: 0008 does that.
"""

from keyfob.migrations.running import run_sql

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE login_events
            DROP CONSTRAINT login_events_outcome_check,
            ADD CONSTRAINT login_events_outcome_check
                CHECK (outcome IN ('succeeded', 'refused', 'ended')) NOT VALID
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DELETE FROM login_events WHERE outcome = 'ended';
        ALTER TABLE login_events
            DROP CONSTRAINT login_events_outcome_check,
            ADD CONSTRAINT login_events_outcome_check CHECK (outcome IN ('succeeded', 'refused'))
        """
    )
