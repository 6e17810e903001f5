// Services that get, exchange, verify, introspect and revoke tokens with oauth4webapi and openid-client.
import assert from "node:assert";
import { webcrypto } from "node:crypto";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";

const { KEYFOB_URL: issuer, KEYFOB_ADMIN_PASSWORD: password } = process.env;
const ORDERS = "https://orders.node.example.com";
const INVOICES = "https://invoices.node.example.com";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const insecure = { [oauth.allowInsecureRequests]: true }; // the trial serves http on localhost

async function post(path, body, headers = {}) {
  const answer = await fetch(`${issuer}/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

const { access_token: own } = await post("login", { email: "admin@example.com", password });
const admin = { Authorization: `Bearer ${own}` };

async function register(more = {}) {
  const fields = { name: "Reports", resources: [ORDERS], scope: ["orders:read"], ...more };
  return (await post("admin/clients", fields, admin)).id;
}

async function secretOf(id) {
  return (await post(`admin/clients/${id}/secrets`, {}, admin)).client_secret;
}

async function keyPair() {
  const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey("jwk", pair.publicKey);
  return { key: pair.privateKey, kid: "one", jwks: { keys: [{ kty, crv, x, y, kid: "one", alg: "ES256", use: "sig" }] } };
}

for (const [identifier, scope] of [[ORDERS, "orders:read"], [INVOICES, "invoices:read"]]) {
  await post("admin/resources", { identifier, name: identifier, scopes: { [scope]: {} } }, admin);
}

// Discovery as RFC 8414 has it, with the path of the issuer after the well-known part.
const url = new URL(issuer);
const found = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
const as = await oauth.processDiscoveryResponse(url, found);
const described = await oauth.resourceDiscoveryRequest(url, insecure);
const resource = await oauth.processResourceDiscoveryResponse(url, described);
assert.deepEqual(resource.authorization_servers, [issuer]);

async function useOauth4webapi(id, authentication) {
  const asked = await oauth.clientCredentialsGrantRequest(
    as, { client_id: id }, authentication, { scope: "orders:read", resource: ORDERS }, insecure,
  );
  const token = await oauth.processClientCredentialsResponse(as, { client_id: id }, asked);
  assert.equal(token.scope, "orders:read");
  const request = new Request(`${ORDERS}/1`, { headers: { Authorization: `Bearer ${token.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, ORDERS, insecure);
  assert.equal(claims.sub, id);
  const told = await introspect(id, authentication, token.access_token);
  assert.equal(told.active, true);
  assert.equal(told.client_id, id);
  const ended = await oauth.revocationRequest(as, { client_id: id }, authentication, token.access_token, insecure);
  await oauth.processRevocationResponse(ended);
  assert.deepEqual(await introspect(id, authentication, token.access_token), { active: false });
}

async function introspect(id, authentication, token) {
  const asked = await oauth.introspectionRequest(as, { client_id: id }, authentication, token, insecure);
  return oauth.processIntrospectionResponse(as, { client_id: id }, asked);
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.code;
  }
  throw new Error("nothing was refused");
}

const basic = await register();
await useOauth4webapi(basic, oauth.ClientSecretBasic(await secretOf(basic)));
const posting = await register({ auth_method: "client_secret_post" });
await useOauth4webapi(posting, oauth.ClientSecretPost(await secretOf(posting)));
const { key, kid, jwks } = await keyPair();
const signing = await register({ auth_method: "private_key_jwt", jwks });
await useOauth4webapi(signing, oauth.PrivateKeyJwt({ key, kid }));

// A token that is bound to a key (DPoP), which its API takes with the proof alone.
async function useBoundToken(id, authentication, algorithm) {
  const DPoP = oauth.DPoP({ client_id: id }, await oauth.generateKeyPair(algorithm));
  const ask = async () => {
    const parameters = { scope: "orders:read", resource: ORDERS };
    const asked = await oauth.clientCredentialsGrantRequest(as, { client_id: id }, authentication, parameters, { DPoP, ...insecure });
    return oauth.processClientCredentialsResponse(as, { client_id: id }, asked);
  };
  const token = await ask().catch((error) => {
    assert.ok(oauth.isDPoPNonceError(error), error);
    return ask();
  });
  assert.equal(token.token_type, "dpop");
  const told = await introspect(id, authentication, token.access_token);
  assert.equal(told.cnf.jkt, await DPoP.calculateThumbprint());
  assert.equal(told.token_type, "DPoP");
  let request;
  const sending = { DPoP, ...insecure, [oauth.customFetch]: (url, init) => {
    request = new Request(url, init);
    return new Response();
  } };
  await oauth.protectedResourceRequest(token.access_token, "GET", new URL(`${ORDERS}/1`), undefined, undefined, sending);
  const claims = await oauth.validateJwtAccessToken(as, request, ORDERS, insecure);
  assert.equal(claims.cnf.jkt, told.cnf.jkt);
  const bearer = new Request(`${ORDERS}/1`, { headers: { Authorization: `Bearer ${token.access_token}` } });
  await assert.rejects(oauth.validateJwtAccessToken(as, bearer, ORDERS, insecure));
}

for (const algorithm of ["ES256", "Ed25519", "PS256"]) {
  const bound = await register({ dpop_bound: true });
  await useBoundToken(bound, oauth.ClientSecretBasic(await secretOf(bound)), algorithm);
}
await useBoundToken(signing, oauth.PrivateKeyJwt({ key, kid }), "ES256");

async function configured(id, authentication) {
  return client.discovery(url, id, undefined, authentication, {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests],
  });
}

// Orders asks invoices on behalf of whoever asked it: token exchange, RFC 8693.
const caller = await configured(basic, client.ClientSecretBasic(await secretOf(basic)));
const token = await client.clientCredentialsGrant(caller, { resource: ORDERS });
assert.equal((await client.tokenIntrospection(caller, token.access_token)).active, true);
const exchanging = await register({
  grants: [EXCHANGE], auth_method: "private_key_jwt", jwks,
  resources: [ORDERS, INVOICES], scope: ["orders:read", "invoices:read"],
});
const middle = await configured(exchanging, client.PrivateKeyJwt({ key, kid }));
const exchange = (more) => client.genericGrantRequest(middle, EXCHANGE, {
  subject_token: token.access_token, subject_token_type: ACCESS_TOKEN, resource: ORDERS, ...more,
});
const exchanged = await exchange({});
assert.equal(exchanged.issued_token_type, ACCESS_TOKEN);
assert.equal(exchanged.scope, "orders:read");
assert.equal(await refusal(exchange({ resource: "https://other.example.com" })), "invalid_target");
assert.equal(await refusal(exchange({ scope: "invoices:read", resource: INVOICES })), "invalid_scope");
await client.tokenRevocation(caller, token.access_token);
assert.equal((await client.tokenIntrospection(caller, token.access_token)).active, false);
assert.equal(await refusal(exchange({})), "invalid_request"); // RFC 8693 section 2.2.2

const wrong = await configured(basic, client.ClientSecretBasic(`kfs_${"0".repeat(49)}`));
// RFC 6749 section 5.2 asks for a challenge in a 401 to Basic; the library reports that.
assert.equal(await refusal(client.clientCredentialsGrant(wrong)), "OAUTH_WWW_AUTHENTICATE_CHALLENGE");
const codes = { grant_type: "authorization_code", code: "x", redirect_uri: "https://x.example.com" };
assert.equal(await refusal(client.genericGrantRequest(caller, codes.grant_type, codes)), "unauthorized_client");
