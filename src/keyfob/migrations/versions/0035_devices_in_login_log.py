"""Indexes for the login log's filters by browser and system. It can be run twice."""

from keyfob.migrations.running import build_partitioned_index, run_sql

revision = "0035"
down_revision: str | None = "0034"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # A rare one was looked for in every line: 43 ms of 100,000, and longer the older the log.
    build_partitioned_index("login_events", "login_events_browser", "(browser, at DESC, id DESC)")
    build_partitioned_index("login_events", "login_events_os", "(os, at DESC, id DESC)")


def downgrade() -> None:
    # Of a partitioned table none is dropped concurrently; it takes a moment.
    run_sql("DROP INDEX login_events_browser; DROP INDEX login_events_os")
