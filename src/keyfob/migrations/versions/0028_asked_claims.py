"""Claims that an app asks for by name, of a code and of the grant that it gives."""

from keyfob.migrations.running import run_sql

revision = "0028"
down_revision: str | None = "0027"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE sessions ADD COLUMN claims jsonb;
        ALTER TABLE authorization_codes ADD COLUMN claims jsonb
        """
    )


def downgrade() -> None:
    run_sql(
        """
        ALTER TABLE authorization_codes DROP COLUMN claims;
        ALTER TABLE sessions DROP COLUMN claims
        """
    )
