// What node-oidc-provider asks of a store ("Adapter" in its documentation), on PostgreSQL.

export const TABLES = `
  CREATE TABLE models (
    kind text, id text, grant_id text, user_code text, uid text,
    payload jsonb NOT NULL, expires_at timestamptz, consumed_at timestamptz,
    PRIMARY KEY (kind, id)
  );
  CREATE INDEX ON models (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX ON models (kind, user_code) WHERE user_code IS NOT NULL;
  CREATE INDEX ON models (kind, uid) WHERE uid IS NOT NULL;
  CREATE TABLE keys (jwk jsonb NOT NULL);
`;

const UPSERT = `
  INSERT INTO models (kind, id, grant_id, user_code, uid, payload, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
  ON CONFLICT (kind, id) DO UPDATE
     SET payload = EXCLUDED.payload, expires_at = EXCLUDED.expires_at`;

const found = (column) => `
  SELECT payload, extract(epoch FROM consumed_at)::int AS consumed
    FROM models
   WHERE kind = $1 AND ${column} = $2 AND (expires_at IS NULL OR expires_at > now())`;

const CONSUME = "UPDATE models SET consumed_at = now() WHERE kind = $1 AND id = $2";
const DESTROY = "DELETE FROM models WHERE kind = $1 AND id = $2";
const REVOKE = "DELETE FROM models WHERE grant_id = $1";

/** Makes the adapter of a model, of that name, on a pool of connections. */
export const adapterOn = (pool) => (kind) => {
  // With a name, PostgreSQL parses a statement once on each connection.
  const run = (name, text, values) => pool.query({ name, text, values });

  const find = async (column, value) => {
    const { rows } = await run(`find by ${column}`, found(column), [kind, value]);
    if (!rows.length) return undefined;
    const [{ payload, consumed }] = rows;
    return consumed ? { ...payload, consumed } : payload;
  };

  return {
    find: (id) => find("id", id),
    findByUid: (uid) => find("uid", uid),
    findByUserCode: (userCode) => find("user_code", userCode),
    upsert: (id, payload, expiresIn) => {
      const { grantId, userCode, uid } = payload;
      return run("upsert", UPSERT, [kind, id, grantId, userCode, uid, payload, expiresIn]);
    },
    consume: (id) => run("consume", CONSUME, [kind, id]),
    destroy: (id) => run("destroy", DESTROY, [kind, id]),
    revokeByGrantId: (grantId) => run("revoke", REVOKE, [grantId]),
  };
};
