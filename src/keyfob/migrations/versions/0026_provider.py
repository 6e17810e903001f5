"""The provider: how apps are registered, their requests, codes, consents and grants."""

from keyfob.migrations.running import run_sql

revision = "0026"
down_revision: str | None = "0025"
branch_labels: str | None = None
depends_on: str | None = None

keeps = "0025"


def upgrade() -> None:
    # What existing sessions have of it is checked, and indexed, in 0027, while others work.
    run_sql(
        """
        ALTER TABLE clients
            ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}',
            ADD COLUMN first_party boolean NOT NULL DEFAULT false,
            ADD COLUMN require_pkce boolean NOT NULL DEFAULT true,
            ADD COLUMN id_token_alg text NOT NULL DEFAULT 'RS256'
                CHECK (id_token_alg IN ('RS256', 'ES256', 'EdDSA'));
        ALTER TABLE sessions
            DROP CONSTRAINT sessions_kind_check,
            ADD CONSTRAINT sessions_kind_check
                CHECK (kind IN ('api', 'browser', 'app')) NOT VALID,
            ADD COLUMN client_id uuid,
            ADD COLUMN opened_from uuid,
            ADD COLUMN scope text[] NOT NULL DEFAULT '{}',
            ADD COLUMN audience text[] NOT NULL DEFAULT '{}';
        CREATE TABLE authorization_requests (
            handle_hash bytea PRIMARY KEY,
            client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
            asked jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX authorization_requests_expires_at ON authorization_requests (expires_at);
        CREATE INDEX authorization_requests_client_id ON authorization_requests (client_id);
        CREATE TABLE authorization_codes (
            code_hash bytea PRIMARY KEY,
            client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            opened_from uuid NOT NULL,
            redirect_uri text NOT NULL,
            challenge text,
            nonce text,
            scope text[] NOT NULL,
            audience text[] NOT NULL,
            expires_at timestamptz NOT NULL,
            spent_at timestamptz,
            session_id uuid
        );
        CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at);
        CREATE INDEX authorization_codes_client_id ON authorization_codes (client_id);
        CREATE INDEX authorization_codes_user_id ON authorization_codes (user_id);
        CREATE TABLE consents (
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
            scope text[] NOT NULL,
            audience text[] NOT NULL,
            given_at timestamptz NOT NULL,
            PRIMARY KEY (user_id, client_id)
        );
        CREATE INDEX consents_client_id ON consents (client_id)
        """
    )


def downgrade() -> None:
    # The release before knows no apps: their grants mean nothing to it.
    run_sql(
        """
        DROP TABLE consents, authorization_codes, authorization_requests;
        UPDATE sessions SET ended_at = now(), end_reason = 'ended_by_client'
         WHERE kind = 'app' AND ended_at IS NULL;
        UPDATE sessions SET kind = 'api' WHERE kind = 'app';
        ALTER TABLE sessions
            DROP COLUMN client_id, DROP COLUMN opened_from, DROP COLUMN scope,
            DROP COLUMN audience, DROP CONSTRAINT sessions_kind_check,
            ADD CONSTRAINT sessions_kind_check CHECK (kind IN ('api', 'browser'));
        DELETE FROM clients WHERE kind <> 'service';
        ALTER TABLE clients
            DROP COLUMN redirect_uris, DROP COLUMN first_party, DROP COLUMN require_pkce,
            DROP COLUMN id_token_alg
        """
    )
