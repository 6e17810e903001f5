// better-auth as its guide sets it up for Node, with e-mail and password on PostgreSQL; mounted once
// for each way it may be set, so that no scene pays for what another needs.
// `node server.mjs migrate` makes the tables and an admin; without an argument it serves.

import http from "node:http";
import bcrypt from "bcrypt";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin } from "better-auth/plugins/admin";
import pg from "pg";

const { ADMIN_EMAIL, ADMIN_PASSWORD, DATABASE_URL, HASHING, PORT, SECRET } = process.env;
const COST = 12;

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

// Without this, its default: scrypt in libuv's thread pool.
const ours = {
  hash: (password) => bcrypt.hash(password, COST),
  verify: ({ hash, password }) => bcrypt.compare(password, hash),
};

const set = (basePath, more = {}) => ({
  baseURL: "http://bench",
  basePath,
  secret: SECRET,
  database: pool,
  emailAndPassword: { enabled: true, ...(HASHING === "ours" && { password: ours }) },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  ...more,
});

const mounts = [
  set("/api/auth"),
  set("/sliding", { session: { updateAge: 0 } }),
  set("/cached", { session: { cookieCache: { enabled: true } } }),
  set("/with-admin", { plugins: [admin()] }),
];

async function migrate() {
  // The admin plugin's tables are those of the others, with columns that may be empty.
  const options = mounts.at(-1);
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  const person = { name: "Admin", email: ADMIN_EMAIL, password: ADMIN_PASSWORD };
  await betterAuth(options).api.signUpEmail({ body: person });
  await pool.query(`UPDATE "user" SET role = 'admin'`);
  await pool.end();
}

function serve() {
  const handlers = new Map();
  const handlerOf = (options) => {
    if (!handlers.has(options)) handlers.set(options, toNodeHandler(betterAuth(options)));
    return handlers.get(options);
  };
  handlerOf(mounts[0]); // the others are made when they are first asked for
  const server = http.createServer(async (request, response) => {
    const options = mounts.find(({ basePath }) => request.url.startsWith(`${basePath}/`));
    if (options) return handlerOf(options)(request, response);
    await pool.query("SELECT 1"); // anything else asks whether it is ready
    response.end();
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(PORT), "127.0.0.1");
  process.once("SIGTERM", () => process.exit(0));
}

if (process.argv[2] === "migrate") await migrate();
else serve();
