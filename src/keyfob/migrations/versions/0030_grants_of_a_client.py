"""An index of what each app has, so that it can be ended with the app."""

from keyfob.migrations.running import build_index, drop_index

revision = "0030"
down_revision: str | None = "0029"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    build_index(
        "sessions_of_client",
        "ON sessions (client_id) WHERE client_id IS NOT NULL AND ended_at IS NULL",
    )


def downgrade() -> None:
    drop_index("sessions_of_client")
