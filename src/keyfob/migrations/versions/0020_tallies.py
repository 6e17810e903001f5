"""Tallies of sign-ins and new accounts in quarters of an hour, for statistics."""

from keyfob.migrations.running import run_sql

revision = "0020"
down_revision: str | None = "0019"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        CREATE TABLE tallies (
            series text NOT NULL,
            at timestamptz NOT NULL,
            label text NOT NULL,
            amount bigint NOT NULL,
            PRIMARY KEY (series, at, label)
        )
        """
    )


def downgrade() -> None:
    run_sql("DROP TABLE tallies")
