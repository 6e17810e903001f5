"""The session in which the addition of a factor was begun: it can only be finished there.

Additions that are under way have to be begun again. Sessions that claim a factor whose user no
longer has one lose the claim.
"""

from keyfob.migrations.running import run_sql

revision = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE webauthn_challenges
            -- NULL: to sign in by passkey alone
            ADD COLUMN session_id uuid;
        DELETE FROM webauthn_challenges WHERE user_id IS NOT NULL;

        ALTER TABLE factors
            -- NULL once it is confirmed
            ADD COLUMN begun_in uuid;
        DELETE FROM factors WHERE confirmed_at IS NULL;

        UPDATE sessions AS s SET amr = array_remove(amr, 'mfa')
         WHERE ended_at IS NULL AND 'mfa' = ANY(amr)
           AND NOT EXISTS (
               SELECT FROM factors WHERE user_id = s.user_id AND confirmed_at IS NOT NULL
           )
        """
    )


def downgrade() -> None:
    run_sql(
        """
        ALTER TABLE factors DROP COLUMN begun_in;
        ALTER TABLE webauthn_challenges DROP COLUMN session_id
        """
    )
