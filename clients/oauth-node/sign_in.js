// Apps by which a person signs in, with openid-client and oauth4webapi.
import assert from "node:assert";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";

const { KEYFOB_URL: issuer, KEYFOB_ADMIN_PASSWORD: password } = process.env;
const email = "admin@example.com";
const CALLBACK = "https://app.example.com/callback";
const NATIVE = "http://127.0.0.1:51004/callback";
const scope = "openid profile email groups offline_access";
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

const { access_token: own } = await post("login", { email, password });
const admin = { Authorization: `Bearer ${own}` };
const register = async (fields) => (await post("admin/clients", { name: "Ledger", ...fields }, admin)).id;
const secretOf = async (id) => (await post(`admin/clients/${id}/secrets`, {}, admin)).client_secret;

const DONE = "about:blank"; // a device has no page to which anybody returns

const plain = (text) => text.replaceAll("&amp;", "&").replaceAll("&#39;", "'").replaceAll("&#34;", '"').replaceAll("&quot;", '"');

// A person with a browser, as far as forms go: signs in, and allows an app what it asks for.
class Person {
  #cookies = new Map();

  async visit(url, callback) {
    let next = { url: String(url) };
    while (!next.url.startsWith(callback)) next = await this.#open(next);
    return next;
  }

  async #open({ url, form }) {
    const headers = { "Sec-Fetch-Site": "same-origin", Cookie: [...this.#cookies].map((pair) => pair.join("=")).join("; ") };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(url, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.#cookies.set(name, value);
    }
    if (answer.status === 303) return { url: new URL(answer.headers.get("location"), url).href };
    const page = await answer.text();
    assert.equal(answer.status, 200, page);
    const onward = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(page);
    if (onward) return { url: plain(onward[1]) };
    const hidden = Object.fromEntries([...page.matchAll(/<input type="hidden" name="([\w-]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, plain(value)]));
    const sent = /data-sends-itself/.test(page) && /<form class="stack" method="post" action="([^"]*)"/.exec(page);
    if (sent) return { url: plain(sent[1]), form: hidden };
    const here = url.split("?")[0];
    if (here.endsWith("/ui/sign-in")) return { url: here, form: { ...hidden, email, password } };
    if (page.includes("Go back to the device")) return { url: DONE };
    if (here.endsWith("/ui/device")) {
      const code = /name="user_code" type="text" value="([^"]*)"/.exec(page);
      return { url: here, form: code ? { user_code: code[1] } : { ...hidden, decision: "allow" } };
    }
    assert.ok(here.endsWith("/ui/authorize"), here);
    return { url: here, form: { ...hidden, decision: "allow" } };
  }
}

async function useOpenidClient(id, authentication, callback, more = {}) {
  const config = await client.discovery(new URL(issuer), id, more.metadata, authentication, {
    execute: [client.allowInsecureRequests],
  });
  const proving = more.key && { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair(more.key)) };
  const bound = proving && { dpop_jkt: await proving.DPoP.calculateThumbprint() };
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const build = more.build ?? client.buildAuthorizationUrl;
  const asked = await build(config, {
    redirect_uri: callback, scope, state, nonce, code_challenge_method: "S256",
    code_challenge: await client.calculatePKCECodeChallenge(verifier), ...bound, ...more.asked,
  }, proving);
  const came = await new Person().visit(asked, callback);
  const back = came.form ? new Request(came.url, { method: "POST", body: new URLSearchParams(came.form) }) : new URL(came.url);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...more.checks };
  const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, proving);
  assert.equal(tokens.token_type, proving ? "dpop" : "bearer");
  const claims = tokens.claims();
  const about = await client.fetchUserInfo(config, tokens.access_token, claims.sub, proving);
  assert.deepEqual(about.groups, ["admin"]);
  assert.deepEqual(claims.groups, about.groups);
  if (proving) await assert.rejects(client.fetchUserInfo(config, tokens.access_token, claims.sub)); // no bearer
  const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, proving);
  assert.equal(next.claims().sub, claims.sub);
  assert.equal(next.refresh_token === tokens.refresh_token, more.stays ?? false);
  await client.tokenRevocation(config, next.refresh_token);
  const again = client.refreshTokenGrant(config, next.refresh_token, undefined, proving);
  await assert.rejects(again, { error: "invalid_grant" });
}

const web = (more) => register({ kind: "web", redirect_uris: [CALLBACK], ...more });

for (const algorithm of ["RS256", "ES256", "EdDSA"]) {
  const id = await web({ id_token_alg: algorithm });
  const metadata = { id_token_signed_response_alg: algorithm };
  await useOpenidClient(id, client.ClientSecretBasic(await secretOf(id)), CALLBACK, { metadata });
}
const forms = await web({ auth_method: "client_secret_post" });
await useOpenidClient(forms, client.ClientSecretPost(await secretOf(forms)), CALLBACK, {
  asked: { response_mode: "form_post", max_age: "3600" }, checks: { maxAge: 3600 },
});
const native = await register({ kind: "native", redirect_uris: ["http://127.0.0.1/callback"] });

// Each way to ask (in the link, pushed by RFC 9126, signed by RFC 9101, both), with tokens for the bearer and bound to a
// key (RFC 9449), for each way in which a client proves who it is; and with each algorithm where it matters.
const [RSA, EC] = [
  { name: "RSA-PSS", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  { name: "ECDSA", namedCurve: "P-256" },
];
const ALGORITHMS = { ES256: EC, PS256: RSA, EdDSA: { name: "Ed25519" } };

async function signingKey(alg) {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[alg], true, ["sign", "verify"]);
  const jwk = { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "one", alg, use: "sig" };
  delete jwk.key_ops;
  delete jwk.ext;
  return { signs: { key: pair.privateKey, kid: "one" }, jwks: { keys: [jwk] } };
}
const keys = {};
for (const alg of Object.keys(ALGORITHMS)) keys[alg] = await signingKey(alg);

const CLIENTS = {
  basic: async (more) => {
    const id = await web(more);
    return [id, client.ClientSecretBasic(await secretOf(id)), CALLBACK];
  },
  post: async (more) => {
    const id = await web({ auth_method: "client_secret_post", ...more });
    return [id, client.ClientSecretPost(await secretOf(id)), CALLBACK];
  },
  none: async (more) => [await register({ kind: "native", redirect_uris: ["http://127.0.0.1/callback"], ...more }), client.None(), NATIVE],
};
for (const [alg, { signs, jwks }] of Object.entries(keys)) {
  CLIENTS[`private_key_jwt ${alg}`] = async (more) => {
    const id = await web({ auth_method: "private_key_jwt", jwks, ...more });
    return [id, client.PrivateKeyJwt(signs), CALLBACK];
  };
}
const signed = (signs) => (config, asked) => client.buildAuthorizationUrlWithJAR(config, asked, signs);
const both = (signs) => async (config, asked, proving) =>
  client.buildAuthorizationUrlWithPAR(config, (await signed(signs)(config, asked)).searchParams, proving);

// Each has what is registered for it (`fields`), and how the link is made; a client without a secret has no keys to sign with.
const WAYS = { plain: [{}, undefined], PAR: [{ require_par: true }, client.buildAuthorizationUrlWithPAR] };
for (const [alg, { signs, jwks }] of Object.entries(keys)) {
  WAYS[`JAR ${alg}`] = [{ jwks, require_signed_request: true }, signed(signs)];
  WAYS[`PAR and JAR ${alg}`] = [{ jwks, require_signed_request: true, require_par: true }, both(signs)];
}
let mixtures = 0;
for (const [who, make] of Object.entries(CLIENTS)) {
  for (const [way, [fields, build]] of Object.entries(WAYS)) {
    const isPublic = who === "none";
    // An app has one set of keys, for assertions and requests.
    const hasOther = who.startsWith("private_key_jwt") && fields.jwks && fields.jwks !== keys[who.split(" ")[1]].jwks;
    if (hasOther || (isPublic && fields.jwks)) continue;
    for (const key of [undefined, "ES256"]) {
      const registered = { ...(isPublic ? {} : fields), ...(key && { dpop_bound: true }) };
      const [id, authentication, callback] = await make(registered);
      try {
        await useOpenidClient(id, authentication, callback, { build, key });
      } catch (fault) {
        throw new Error(`${who}, ${way}, ${key ?? "bearer"}`, { cause: fault });
      }
      mixtures += 1;
    }
  }
}
assert.ok(mixtures >= 50, String(mixtures));
for (const key of ["Ed25519", "PS256"]) await useOpenidClient(native, client.None(), NATIVE, { key });
const claiming = await web({ require_par: true });
await useOpenidClient(claiming, client.ClientSecretBasic(await secretOf(claiming)), CALLBACK, {
  build: client.buildAuthorizationUrlWithPAR, asked: { claims: JSON.stringify({ userinfo: { name: null } }) },
});

// All of FAPI 2.0 by one field, and with signed requests on top.
for (const alg of ["ES256", "PS256"]) {
  const { signs, jwks } = keys[alg];
  for (const more of [{}, { require_signed_request: true }]) {
    const strict = await web({ auth_method: "private_key_jwt", jwks, profile: "fapi2", id_token_alg: "ES256", ...more });
    await useOpenidClient(strict, client.PrivateKeyJwt(signs), CALLBACK, {
      build: more.require_signed_request ? both(signs) : client.buildAuthorizationUrlWithPAR,
      key: alg, stays: true, metadata: { id_token_signed_response_alg: "ES256" },
    });
  }
}

// On a device without a browser, whose code a person confirms in one; with tokens for the bearer, and bound to a key.
const grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"];
for (const key of [undefined, "ES256"]) {
  const device = await register({ kind: "native", grants, ...(key && { dpop_bound: true }) });
  const onDevice = await client.discovery(new URL(issuer), device, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  });
  const proving = key && { DPoP: client.getDPoPHandle(onDevice, await client.randomDPoPKeyPair(key)) };
  const codes = await client.initiateDeviceAuthorization(onDevice, { scope });
  const waiting = client.pollDeviceAuthorizationGrant(onDevice, codes, undefined, proving);
  await new Person().visit(codes.verification_uri_complete, DONE);
  const signedIn = await waiting;
  assert.equal(signedIn.token_type, key ? "dpop" : "bearer");
  assert.deepEqual(signedIn.claims().groups, ["admin"]);
  assert.ok((await client.refreshTokenGrant(onDevice, signedIn.refresh_token, undefined, proving)).access_token);
  if (key) await assert.rejects(client.refreshTokenGrant(onDevice, signedIn.refresh_token)); // nobody else's key, nor none
}

// Strict about each answer of its own: the refusal of a person, and of a request.
const as = await oauth.processDiscoveryResponse(
  new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: "oidc", ...insecure }),
);
const refused = new URL(as.authorization_endpoint);
refused.search = new URLSearchParams({
  client_id: native, redirect_uri: NATIVE, response_type: "code", scope, state: "s", prompt: "none",
  code_challenge: await oauth.calculatePKCECodeChallenge("v".repeat(43)), code_challenge_method: "S256",
});
const told = await fetch(refused, { redirect: "manual" });
assert.throws(
  () => oauth.validateAuthResponse(as, { client_id: native }, new URL(told.headers.get("location")), "s"),
  { error: "login_required" },
);
