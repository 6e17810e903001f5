"""Tokens that are bound to keys (DPoP): clients, codes, grants, and the proofs that were used."""

from keyfob.migrations.running import run_sql

revision = "0034"
down_revision: str | None = "0033"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # Not logged: what a crash loses would have been deleted within minutes.
    run_sql(
        """
        ALTER TABLE clients ADD COLUMN dpop_bound boolean NOT NULL DEFAULT false;
        ALTER TABLE sessions ADD COLUMN jkt text;
        ALTER TABLE authorization_codes ADD COLUMN dpop_jkt text;
        CREATE UNLOGGED TABLE spent_proofs (
            id bytea PRIMARY KEY,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX spent_proofs_expire ON spent_proofs (expires_at)
        """
    )


def downgrade() -> None:
    # The release before asks nobody for a key: what is bound to one ends.
    run_sql(
        """
        DROP TABLE spent_proofs;
        DELETE FROM authorization_codes WHERE dpop_jkt IS NOT NULL;
        UPDATE sessions SET ended_at = now(), end_reason = 'ended_by_client'
         WHERE jkt IS NOT NULL AND ended_at IS NULL;
        ALTER TABLE authorization_codes DROP COLUMN dpop_jkt;
        ALTER TABLE sessions DROP COLUMN jkt;
        ALTER TABLE clients DROP COLUMN dpop_bound
        """
    )
