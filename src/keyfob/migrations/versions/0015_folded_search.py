"""Search by texts that the application has folded, instead of the database's locale.

Existing rows are folded by 0017. It can be run twice: everything before an index is committed with
it.
"""

from keyfob.migrations.running import build_index, drop_index, run_sql

revision = "0015"
down_revision: str | None = "0014"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS email_folded text,
            ADD COLUMN IF NOT EXISTS name_folded text
        """
    )
    build_index(
        "users_folded",
        "ON users USING gin ((coalesce(email_folded, email_normal) || ' '"
        " || coalesce(name_folded, '')) gin_trgm_ops)",
    )


def downgrade() -> None:
    drop_index("users_folded")
    run_sql(
        """
        ALTER TABLE users
            DROP COLUMN IF EXISTS email_folded,
            DROP COLUMN IF EXISTS name_folded
        """
    )
