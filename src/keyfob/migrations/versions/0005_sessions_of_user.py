"""An index for the sessions of one user, including ended ones, for export and erasure.

Refreshing changes no indexed column, so a rotation stays a HOT update.
"""

from keyfob.migrations.running import build_index, drop_index

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    build_index("sessions_of_user", "ON sessions (user_id, id)")


def downgrade() -> None:
    drop_index("sessions_of_user")
