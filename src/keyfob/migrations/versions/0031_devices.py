"""Devices that ask for a user, who types a code elsewhere."""

from keyfob.migrations.running import run_sql

revision = "0031"
down_revision: str | None = "0030"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    run_sql(
        """
        CREATE TABLE device_requests (
            device_hash bytea PRIMARY KEY,
            user_code_hash bytea NOT NULL UNIQUE,
            client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
            scope text[] NOT NULL,
            audience text[] NOT NULL,
            nonce text,
            ip_address inet,
            browser text,
            os text,
            poll_seconds integer NOT NULL,
            polled_at timestamptz,
            user_id uuid REFERENCES users ON DELETE CASCADE,
            opened_from uuid,
            decided_at timestamptz,
            spent_at timestamptz,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX device_requests_expires_at ON device_requests (expires_at);
        CREATE INDEX device_requests_client_id ON device_requests (client_id);
        CREATE INDEX device_requests_user_id ON device_requests (user_id)
            WHERE user_id IS NOT NULL
        """
    )


def downgrade() -> None:
    run_sql("DROP TABLE device_requests")
