"""Addresses that no administrator vouches for: a program typed them, or somebody of lower rank."""

from keyfob.migrations.running import run_sql

revision = "0023"
down_revision: str | None = "0022"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql("ALTER TABLE users ADD COLUMN address_unvouched boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    run_sql("ALTER TABLE users DROP COLUMN address_unvouched")
