"""Indexes for the filters of the login log and the audit log. It can be run twice."""

from keyfob.migrations.running import (
    build_index,
    build_partitioned_index,
    drop_index,
    run_sql,
)

revision = "0022"
down_revision: str | None = "0021"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    build_partitioned_index("login_events", "login_events_reason", "(reason, at DESC, id DESC)")
    build_index("audit_events_action", "ON audit_events (action, position DESC)")
    build_index("audit_events_at", "ON audit_events (at)")


def downgrade() -> None:
    drop_index("audit_events_at")
    drop_index("audit_events_action")
    # Of a partitioned table none is dropped concurrently; it takes a moment.
    run_sql("DROP INDEX login_events_reason")
