"""Data about existing accounts, and an index of waiting sign-ups.

An account whose address is verified counts as proven at that time. Only accounts that an
administrator made according to the audit log did not register themselves. Name and language of a
waiting sign-up are copied to its link: whoever proves the address chooses among its sign-ups.

It can be run twice: everything before an index is committed with it.
"""

from keyfob.migrations.running import build_index, drop_index, run_sql

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        WITH made AS (
            SELECT DISTINCT target_id AS id FROM audit_events WHERE action = 'user.created'
        )
        UPDATE users AS u
           SET first_proven_at = coalesce(u.first_proven_at, u.email_verified_at),
               registered_itself = u.registered_itself AND made.id IS NULL
          FROM users AS same LEFT JOIN made USING (id)
         WHERE same.id = u.id AND (u.email_verified_at IS NOT NULL OR made.id IS NOT NULL);

        UPDATE one_time_tokens AS t
           SET name = u.name, locale = u.locale
          FROM users AS u
         WHERE u.id = t.user_id AND t.kind = 'verify_email' AND t.password_hash IS NOT NULL
           AND t.locale IS NULL;
        """
    )
    build_index(
        "users_waiting",
        "ON users (created_at)"
        " WHERE first_proven_at IS NULL AND password_hash IS NULL AND registered_itself",
    )


def downgrade() -> None:
    drop_index("users_waiting")
