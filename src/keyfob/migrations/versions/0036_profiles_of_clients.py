"""Clients that keep the rules of a profile as a whole, such as FAPI 2.0."""

from keyfob.migrations.running import run_sql

revision = "0036"
down_revision: str | None = "0035"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql("ALTER TABLE clients ADD COLUMN profile text CHECK (profile = 'fapi2')")


def downgrade() -> None:
    run_sql("ALTER TABLE clients DROP COLUMN profile")
