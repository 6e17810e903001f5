"""An index for accounts that are to be erased."""

from keyfob.migrations.running import build_index, drop_index

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    build_index("users_to_erase", "ON users (erase_at) WHERE erase_at IS NOT NULL")


def downgrade() -> None:
    drop_index("users_to_erase")
