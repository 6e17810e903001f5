"""Sign-outs that apps ask for and hear of: how they are registered, and who signed in to what."""

from keyfob.migrations.running import run_sql

revision = "0029"
down_revision: str | None = "0028"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # `app_sign_ins` names sessions without a reference: the sessions that are deleted later have
    # ended, and what ends a session empties this first.
    run_sql(
        """
        ALTER TABLE clients
            ADD COLUMN post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
            ADD COLUMN backchannel_logout_uri text,
            ADD COLUMN backchannel_logout_session_required boolean NOT NULL DEFAULT false;
        CREATE TABLE logout_requests (
            handle_hash bytea PRIMARY KEY,
            asked jsonb NOT NULL,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX logout_requests_expires_at ON logout_requests (expires_at);
        CREATE TABLE app_sign_ins (
            session_id uuid NOT NULL,
            client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (session_id, client_id)
        );
        CREATE INDEX app_sign_ins_client_id ON app_sign_ins (client_id);
        CREATE INDEX app_sign_ins_user_id ON app_sign_ins (user_id);
        CREATE INDEX app_sign_ins_expires_at ON app_sign_ins (expires_at)
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DROP TABLE app_sign_ins, logout_requests;
        ALTER TABLE clients
            DROP COLUMN post_logout_redirect_uris, DROP COLUMN backchannel_logout_uri,
            DROP COLUMN backchannel_logout_session_required
        """
    )
