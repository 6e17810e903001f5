"""Values of the columns of 0014 to 0016 for existing rows; search by the old column ends.

The rows are filled while the previous release is still running. It goes on writing rows without
these values, so the last step waits until it is stopped, and then fills those, too.

For an account that is proven already, sign-ins before its proof do not count as known, as until
now; unless the audit log says that its prover knew the password, had the session, or was vouched
for. Names of waiting sign-ups are stored with their links since revision 0010.
"""

import asyncpg

from keyfob.core.folding import fold_email, fold_name
from keyfob.migrations.running import (
    build_index,
    fill,
    refuse_beside_service,
    rewrite,
    run_sql,
    somebody_serves,
)

revision = "0017"
down_revision: str | None = "0016"
branch_labels: str | None = None
depends_on: str | None = None

keeps = "0016"  # older releases search by the column that is dropped here


def upgrade() -> None:
    beside_service = somebody_serves()
    fill("factors", "backup_eligible = true", "backed_up AND backup_eligible IS NULL")
    _fill_users()
    _fold_users()
    if beside_service or somebody_serves():
        refuse_beside_service(revision)
    run_sql("ALTER TABLE users DROP COLUMN IF EXISTS search_text")


def _fill_users() -> None:
    fill(
        "users",
        "known_since = first_proven_at",
        """
        first_proven_at IS NOT NULL AND known_since IS NULL
        AND NOT EXISTS (
            SELECT FROM audit_events AS e
             WHERE e.target_id = users.id
               AND e.at BETWEEN first_proven_at AND first_proven_at + interval '1 minute'
               AND (e.action IN ('user.vouched_for', 'user.email_changed')
                    OR (e.action = 'user.email_verified'
                        AND e.new_values->>'by' IN ('password', 'session')))
        )
        """,
    )
    fill(
        "users",
        "name = NULL, name_folded = NULL",
        """
        name IS NOT NULL AND password_hash IS NULL AND first_proven_at IS NULL AND registered_itself
        AND EXISTS (SELECT FROM audit_events AS e
                     WHERE e.target_id = users.id AND e.action = 'user.registered')
        """,
    )


def _fold_users() -> None:
    rewrite(
        """
        SELECT id, email, email_normal, name, email_folded, name_folded
          FROM users WHERE id > $1 ORDER BY id LIMIT $2
        """,
        # Not if it was changed after it was read.
        """
        UPDATE users SET email_folded = $2, name_folded = $3
         WHERE id = $1 AND email = $4 AND name IS NOT DISTINCT FROM $5
        """,
        _fold,
    )


def _fold(row: asyncpg.Record) -> tuple[object, ...] | None:
    folded = fold_email(row["email"], row["email_normal"]), fold_name(row["name"])
    if folded == (row["email_folded"], row["name_folded"]):
        return None
    return row["id"], *folded, row["email"], row["name"]


def downgrade() -> None:
    # The table is rewritten: nobody could read it meanwhile.
    if somebody_serves():
        refuse_beside_service(revision)
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS search_text text NOT NULL GENERATED ALWAYS AS
                (lower(email) || ' ' || email_normal || ' ' || lower(coalesce(name, ''))) STORED
        """
    )
    build_index("users_search", "ON users USING gin (search_text gin_trgm_ops)")
