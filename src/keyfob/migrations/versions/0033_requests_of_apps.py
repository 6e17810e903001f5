"""Apps that have to push their requests, or to sign them, or whose refresh tokens stay."""

from keyfob.migrations.running import run_sql

revision = "0033"
down_revision: str | None = "0032"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # RFC 9126, RFC 9101, and docs/adr/0051.
    run_sql(
        """
        ALTER TABLE clients
            ADD COLUMN require_par boolean NOT NULL DEFAULT false,
            ADD COLUMN require_signed_request boolean NOT NULL DEFAULT false,
            ADD COLUMN rotate_refresh boolean NOT NULL DEFAULT true
        """
    )


def downgrade() -> None:
    run_sql(
        """
        ALTER TABLE clients DROP COLUMN require_par, DROP COLUMN require_signed_request,
            DROP COLUMN rotate_refresh
        """
    )
