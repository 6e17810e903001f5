"""What is known of the accounts that are there already, and an index of sign-ups that wait.

An account whose address is verified counts as proven then. Only what the audit log says that an
administrator made did not register itself. The name and the language of a sign-up that waits are
copied to its link: who proves the address chooses among the sign-ups of it.

May be run twice: what comes before an index is committed with it.
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
