"""Indexes for filters of the list of users that match few or nobody, though each half matches many.

Factors need a proven address, so hardly anybody has one and an address that is not verified. It can
be run twice.
"""

from keyfob.migrations.running import build_index, drop_index

revision = "0025"
down_revision: str | None = "0024"
branch_labels: str | None = None
depends_on: str | None = None

INDEXES = {
    "users_never_proven": "first_proven_at IS NULL",
    "users_unverified_with_factor": "email_verified_at IS NULL AND (has_totp OR has_passkey)",
}


def upgrade() -> None:
    for name, where in INDEXES.items():
        build_index(name, f"ON users (created_at, id) WHERE {where}")


def downgrade() -> None:
    for name in INDEXES:
        drop_index(name)
