"""The rotation as one bare statement, on a table of the same shape as ours."""

TABLE = """
CREATE TABLE IF NOT EXISTS bench_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    role text NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    sub_gen integer NOT NULL DEFAULT 0,
    secret_hash bytea NOT NULL,
    rotated_at timestamptz NOT NULL DEFAULT now(),
    rotated_before timestamptz[] NOT NULL DEFAULT '{}',
    last_activity_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '90 days',
    ended_at timestamptz,
    amr text[] NOT NULL DEFAULT '{pwd}',
    auth_time timestamptz NOT NULL DEFAULT now(),
    roles text[] NOT NULL DEFAULT '{}',
    role_ends timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70)
"""

ROTATE = """
UPDATE bench_sessions
   SET generation = generation + 1, rotated_at = now(), last_activity_at = now(),
       rotated_before = (rotated_at || rotated_before)[1:4]
 WHERE id = $1 AND generation = $2 AND secret_hash = $3
   AND ended_at IS NULL AND expires_at > now() AND last_activity_at > now() - interval '14 days'
RETURNING user_id, generation, role, sub_gen, auth_time, amr, expires_at, roles, role_ends
"""
