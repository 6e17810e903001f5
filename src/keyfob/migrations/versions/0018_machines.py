"""Programs as subjects: clients, their secrets, API keys, resources; further roles of people.

Revocations also name clients and single tokens, and contain their own end: tokens live as long as
their client's setting says.
"""

from keyfob.migrations.running import run_sql

revision = "0018"
down_revision: str | None = "0017"
branch_labels: str | None = None
depends_on: str | None = None

keeps = "0018"  # workers tell each other of revocations in another form than before


def upgrade() -> None:
    run_sql(
        """
        CREATE TABLE clients (
            id uuid PRIMARY KEY,
            name text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('service', 'web', 'browser', 'native')),
            grants text[] NOT NULL,
            scope text[] NOT NULL,
            resources text[] NOT NULL,
            auth_method text NOT NULL,
            jwks jsonb,
            jwks_uri text,
            access_token_ttl integer NOT NULL CHECK (access_token_ttl BETWEEN 60 AND 3600),
            generation integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            disabled_at timestamptz
        );
        CREATE TABLE client_secrets (
            id uuid PRIMARY KEY,
            client_id uuid NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
            secret_hash bytea NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            last_used_at timestamptz
        );
        CREATE INDEX client_secrets_of_client ON client_secrets (client_id);
        CREATE TABLE api_keys (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name text NOT NULL,
            scope text[] NOT NULL,
            key_hash bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            last_used_at timestamptz,
            revoked_at timestamptz
        );
        CREATE INDEX api_keys_of_user ON api_keys (user_id, id);
        CREATE INDEX api_keys_expire ON api_keys (expires_at);
        CREATE TABLE resources (
            id uuid PRIMARY KEY,
            identifier text NOT NULL UNIQUE,
            name text NOT NULL,
            scopes jsonb NOT NULL,
            access_token_ttl integer CHECK (access_token_ttl BETWEEN 60 AND 3600),
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE TABLE roles (
            name text PRIMARY KEY,
            permissions text[] NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE TABLE user_roles (
            user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            role text NOT NULL REFERENCES roles (name),
            given_at timestamptz NOT NULL,
            given_by uuid,
            expires_at timestamptz,
            PRIMARY KEY (user_id, role)
        );
        CREATE INDEX user_roles_of_role ON user_roles (role);
        CREATE INDEX user_roles_expire ON user_roles (expires_at) WHERE expires_at IS NOT NULL;
        -- A function sees what was committed while the statement that calls it waited for a lock.
        CREATE FUNCTION further_roles(
            of_user uuid, now timestamptz, OUT names text[], OUT ends timestamptz[]
        ) LANGUAGE plpgsql AS $$
        BEGIN
            SELECT coalesce(array_agg(role ORDER BY role), '{}'),
                   coalesce(array_agg(expires_at ORDER BY role), '{}')
              INTO names, ends
              FROM user_roles
             WHERE user_id = of_user AND (expires_at IS NULL OR expires_at > now);
        END $$;
        CREATE TABLE spent_ids (
            id bytea PRIMARY KEY,
            expires_at timestamptz NOT NULL
        );
        CREATE INDEX spent_ids_expire ON spent_ids (expires_at);
        ALTER TABLE sessions
            ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
            ADD COLUMN role_ends timestamptz[] NOT NULL DEFAULT '{}';
        ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check;
        ALTER TABLE revocations ADD CONSTRAINT revocations_kind_check
            CHECK (kind IN ('session', 'subject', 'client', 'token'))
        """
    )


def downgrade() -> None:
    run_sql(
        """
        DELETE FROM revocations WHERE kind NOT IN ('session', 'subject');
        ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check;
        ALTER TABLE revocations ADD CONSTRAINT revocations_kind_check
            CHECK (kind IN ('session', 'subject'));
        ALTER TABLE sessions DROP COLUMN roles, DROP COLUMN role_ends;
        DROP FUNCTION further_roles;
        DROP TABLE spent_ids, user_roles, roles, resources, api_keys, client_secrets, clients
        """
    )
