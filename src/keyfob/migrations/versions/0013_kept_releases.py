"""The releases that each revision supports, so that an older one knows which schema it can use.

Without the table, a release would have to accept any higher number than its own as that of the next
release. Rows are written as revisions are applied (migrations/env.py).
"""

from keyfob.migrations.running import run_sql

revision = "0013"
down_revision: str | None = "0012"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        CREATE TABLE schema_revisions (
            revision text PRIMARY KEY,
            keeps text NOT NULL,         -- the oldest release, by its head, that runs on it
            applied_at timestamptz NOT NULL DEFAULT now()
        );
        """
    )


def downgrade() -> None:
    run_sql("DROP TABLE schema_revisions")
