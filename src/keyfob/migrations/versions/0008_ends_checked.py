"""The check of existing rows of the login log, made while others write to it."""

from keyfob.migrations.running import validate_constraint

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    validate_constraint("login_events", "login_events_outcome_check")


def downgrade() -> None:
    pass  # 0007 removes the constraint
