"""Clients that nobody here has registered, and the tokens by which some of them do it."""

from keyfob.migrations.running import run_sql

revision = "0032"
down_revision: str | None = "0031"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        ALTER TABLE clients
            ADD COLUMN registered_by text NOT NULL DEFAULT 'administrator'
                CHECK (registered_by IN ('administrator', 'itself', 'document')),
            ADD COLUMN document text,
            ADD COLUMN kept_until timestamptz;
        CREATE INDEX clients_kept_until ON clients (kept_until) WHERE kept_until IS NOT NULL;
        CREATE TABLE registration_tokens (
            id uuid PRIMARY KEY,
            token_hash bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            uses_left integer NOT NULL CHECK (uses_left >= 0)
        )
        """
    )


def downgrade() -> None:
    # The release before would take them for clients that an administrator has registered.
    run_sql(
        """
        DROP TABLE registration_tokens;
        UPDATE sessions SET ended_at = now(), end_reason = 'ended_by_client'
         WHERE ended_at IS NULL
           AND client_id IN (SELECT id FROM clients WHERE registered_by <> 'administrator');
        DELETE FROM clients WHERE registered_by <> 'administrator';
        ALTER TABLE clients
            DROP COLUMN registered_by, DROP COLUMN document, DROP COLUMN kept_until
        """
    )
