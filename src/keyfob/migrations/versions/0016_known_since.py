"""Since when networks and devices are known, where a first proof ended what was before.

Of an account that is proven already, sign-ins before its proof count no more, as until now; unless
the audit log says that who proved it knew its password, held its session, or was vouched for. A
name that a sign-up which waits still has in its account stands beside its link since revision 0010.
"""

from keyfob.migrations.running import run_sql

revision = "0016"
down_revision: str | None = "0015"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE users
            ADD COLUMN known_since timestamptz;  -- who signed in before it may be a stranger

        WITH known AS (
            SELECT DISTINCT e.target_id AS id
              FROM audit_events AS e JOIN users AS u ON u.id = e.target_id
             WHERE e.at BETWEEN u.first_proven_at AND u.first_proven_at + interval '1 minute'
               AND (e.action IN ('user.vouched_for', 'user.email_changed')
                    OR (e.action = 'user.email_verified'
                        AND e.new_values->>'by' IN ('password', 'session')))
        )
        UPDATE users AS u
           SET known_since = u.first_proven_at
         WHERE u.first_proven_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM known WHERE known.id = u.id);

        UPDATE users AS u
           SET name = NULL, name_folded = NULL
         WHERE u.name IS NOT NULL AND u.password_hash IS NULL AND u.first_proven_at IS NULL
           AND u.registered_itself
           AND EXISTS (SELECT FROM audit_events AS e
                        WHERE e.target_id = u.id AND e.action = 'user.registered');
        """
    )


def downgrade() -> None:
    run_sql("ALTER TABLE users DROP COLUMN known_since")
