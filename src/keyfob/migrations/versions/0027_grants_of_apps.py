"""Sessions of apps: what exists is checked, and found by the session that it came from."""

from keyfob.migrations.running import build_index, drop_index, validate_constraint

revision = "0027"
down_revision: str | None = "0026"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    validate_constraint("sessions", "sessions_kind_check")
    build_index(
        "sessions_opened_from",
        "ON sessions (opened_from) WHERE opened_from IS NOT NULL AND ended_at IS NULL",
    )


def downgrade() -> None:
    drop_index("sessions_opened_from")
