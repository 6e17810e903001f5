"""Ends of sessions in the login log: a third outcome.

Existing rows are not checked here, while others would wait, but in 0008.
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
