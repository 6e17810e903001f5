"""An index on a table that is written all the time."""

from keyfob.migrations.running import build_index, drop_index


def upgrade() -> None:
    build_index("sessions_platform", "ON sessions (platform, id)")


def downgrade() -> None:
    drop_index("sessions_platform")
