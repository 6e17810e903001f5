// node-oidc-provider on PostgreSQL. `node server.mjs migrate` makes tables and signing keys;
// without an argument it serves. `POST /grant` stands for the pages and the password that it leaves
// to its user: it gives the tokens of a new account, made through the provider's own models. So
// do the pages at `/interaction`, where a new account signs in and allows an app everything.
// Below `/memory` it is mounted once more, with the adapter that it comes with.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import http from "node:http";
import Provider from "oidc-provider";
import pg from "pg";
import { adapterOn, TABLES } from "./adapter.mjs";

const { APP_KEY, DATABASE_URL, PORT, SECRET } = process.env;
const ISSUER = "http://bench";
const [HOUR, FORTNIGHT] = [3600, 14 * 24 * 3600];
const SCOPE = "openid email offline_access";
const CALLBACK = "https://app.bench.example/callback";
const INTERACTION = "/interaction/";
const MEMORY = "/memory"; // with a restart, its tokens are gone
const ORDERS = "https://orders.bench.example"; // an API whose tokens are JWTs

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

async function migrate() {
  const pairs = [generateKeyPairSync("rsa", { modulusLength: 2048 }), generateKeyPairSync("ed25519")];
  await pool.query(TABLES);
  for (const { privateKey } of pairs) {
    await pool.query("INSERT INTO keys VALUES ($1)", [privateKey.export({ format: "jwk" })]);
  }
  await pool.end();
}

async function provide(adapter) {
  const { rows } = await pool.query("SELECT jwk FROM keys");
  return new Provider(ISSUER, {
    adapter,
    jwks: { keys: rows.map(({ jwk }) => jwk) },
    cookies: { keys: [SECRET] },
    claims: { openid: ["sub"], email: ["email"], profile: ["name"] },
    interactions: { url: (_, interaction) => INTERACTION + interaction.uid },
    ttl: {
      AccessToken: HOUR,
      ClientCredentials: HOUR,
      IdToken: HOUR,
      Grant: FORTNIGHT,
      RefreshToken: FORTNIGHT,
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: () => ({
          scope: "orders:read",
          audience: ORDERS,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "EdDSA" } },
        }),
      },
      introspection: { enabled: true, allowedPolicy: (_, client) => client.clientId === "service" },
    },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, email: `${accountId}@example.com` }),
    }),
    clients: [
      {
        client_id: "app",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        redirect_uris: ["https://app.example.com/callback"],
      },
      {
        client_id: "web",
        client_secret: SECRET,
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        redirect_uris: [CALLBACK],
      },
      {
        client_id: "bound",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [JSON.parse(APP_KEY)] },
        dpop_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        redirect_uris: [CALLBACK],
      },
      {
        client_id: "service",
        client_secret: SECRET,
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
      },
    ],
  });
}

async function grantTo(accountId, { AccessToken, Client, Grant, RefreshToken }) {
  const client = await Client.find("app");
  const grant = new Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope(SCOPE);
  const grantId = await grant.save();
  const common = { accountId, client, grantId, scope: SCOPE, gty: "authorization_code" };
  return {
    access_token: await new AccessToken(common).save(),
    refresh_token: await new RefreshToken(common).save(),
  };
}

async function signIn(request, response, provider) {
  const { params, session } = await provider.interactionDetails(request, response);
  const accountId = session?.accountId ?? randomUUID();
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const answers = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, answers);
}

async function serve() {
  const provider = await provide(adapterOn(pool));
  const handle = provider.callback();
  const handleInMemory = (await provide(undefined)).callback();
  const server = http.createServer(async (request, response) => {
    if (request.url === "/grant") {
      response.end(JSON.stringify(await grantTo(randomUUID(), provider)));
    } else if (request.url.startsWith(INTERACTION)) {
      await signIn(request, response, provider);
    } else if (request.url === "/ready") {
      await pool.query("SELECT 1");
      response.end();
    } else if (request.url.startsWith(MEMORY)) {
      request.url = request.url.slice(MEMORY.length);
      handleInMemory(request, response);
    } else {
      handle(request, response);
    }
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(PORT), "127.0.0.1");
  process.once("SIGTERM", () => process.exit(0));
}

if (process.argv[2] === "migrate") await migrate();
else await serve();
