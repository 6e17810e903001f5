// better-auth as its guide sets it up for Node, with e-mail and password on PostgreSQL.
// `node server.mjs migrate` makes the tables; without an argument it serves.

import http from "node:http";
import bcrypt from "bcrypt";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

const { DATABASE_URL, HASHING, PORT, SECRET } = process.env;
const COST = 12;

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

// Without this, its default: scrypt in libuv's thread pool.
const ours = {
  hash: (password) => bcrypt.hash(password, COST),
  verify: ({ hash, password }) => bcrypt.compare(password, hash),
};

const options = {
  baseURL: "http://bench",
  secret: SECRET,
  database: pool,
  emailAndPassword: { enabled: true, ...(HASHING === "ours" && { password: ours }) },
  // A GET of the session only reads; a POST extends it at every call: what comes next to a refresh.
  session: { deferSessionRefresh: true, updateAge: 0 },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
};

async function migrate() {
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  await pool.end();
}

function serve() {
  const handle = toNodeHandler(betterAuth(options));
  const server = http.createServer(async (request, response) => {
    if (request.url !== "/ready") return handle(request, response);
    await pool.query("SELECT 1");
    response.end();
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(PORT), "127.0.0.1");
  process.once("SIGTERM", () => process.exit(0));
}

if (process.argv[2] === "migrate") await migrate();
else serve();
