import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, get } from "node:http";
import { after, before, test } from "node:test";
import expressApp from "express";
import fastifyApp from "fastify";
import { generateKeyPair } from "jose";
import { express, fastify, Refused, Unavailable, Verifier } from "../src/server/index.js";
import { KINDS } from "../src/server/errors.js";
import { apiKey, AUDIENCE, FakeIssuer, KEY, until } from "./issuer.js";

let issuer;
let verifier;
const quiet = { log: () => {} };
const client = { id: "0199c0de-0000-7000-8000-000000000009", secret: "kfs_secret" };

before(async () => {
  issuer = await FakeIssuer.start();
  verifier = new Verifier({ issuer: issuer.name, audience: AUDIENCE, client, ...quiet });
});

after(async () => {
  await verifier.close();
  await issuer.stop();
});

/** Have something end with its test, also one that fails: an open connection would keep the process for minutes. */
function ending(t, one, end = () => one.close()) {
  t.after(end);
  return one;
}

async function startIssuer(t) {
  const issuer = await FakeIssuer.start();
  return ending(t, issuer, () => issuer.stop());
}

const is = (type, what = {}) => (fault) => {
  assert.ok(fault instanceof type, String(fault));
  for (const [name, value] of Object.entries(what)) assert.equal(fault[name], value);
  return true;
};

test("a valid token tells who calls", async () => {
  const caller = await verifier.verify(await issuer.token());
  assert.equal(caller.subject, "0199c0de-0000-7000-8000-000000000001");
  assert.ok(caller.scope.has("orders:read"));
  assert.deepEqual(caller.roles, ["user", "clerk"]);
});

test("what is not for this service, or not by the issuer, is refused", async () => {
  const now = Math.floor(Date.now() / 1000);
  const { privateKey } = await generateKeyPair("EdDSA");
  const tokens = {
    audience: await issuer.token({ aud: "https://other.example.com" }),
    issuer: await issuer.token({ iss: "https://other.example.com" }),
    expired: await issuer.token({ exp: now - 60 }),
    future: await issuer.token({ iat: now + 60 }),
    early: await issuer.token({ nbf: now + 60 }),
    subject: await issuer.token({ sub: undefined }),
    type: await issuer.token({}, { typ: "JWT" }),
    feed: await issuer.document(undefined, []),
    critical: await issuer.token({}, { crit: ["x"], x: 1 }),
    forged: await issuer.token({}, {}, privateKey),
    unknown: await issuer.token({}, { kid: "other" }),
    bound: await issuer.token({ cnf: { jkt: "x" } }),
    years: await issuer.token({ exp: now + 10 * 365 * 86_400 }),
    hours: await issuer.token({ iat: now - 10, exp: now + 3601 }),
    nameless: await issuer.token({}, { kid: undefined }),
    long: "a".repeat(20_000),
    none: `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.e30.`,
    empty: "",
  };
  for (const [what, token] of Object.entries(tokens)) {
    await assert.rejects(verifier.verify(token), is(Refused, { status: 401 }), what);
  }
});

test("a token of a longer life is taken where that is said", async () => {
  const now = Math.floor(Date.now() / 1000);
  const token = await issuer.token({ exp: now + 86_400 });
  const patient = new Verifier({ issuer: issuer.name, audience: AUDIENCE, longestLife: 86_400 });
  await assert.rejects(verifier.verify(token), Refused);
  await patient.verify(token);
});

test("a token is cut or changed at no place", async () => {
  const token = await issuer.token();
  for (let place = 0; place < token.length; place += 7) {
    const other = token[place] === "A" ? "B" : "A";
    await assert.rejects(verifier.verify(token.slice(0, place) + other + token.slice(place + 1)), Refused);
    await assert.rejects(verifier.verify(token.slice(0, place)), Refused);
  }
});

test("a verifier is made with no option that would let everybody in", () => {
  const wrong = [undefined, null, "", [], [undefined], ["orders", ""], [null], 5, {}, [["orders"]]];
  for (const audience of wrong) {
    assert.throws(() => new Verifier({ issuer: issuer.name, audience }), TypeError, JSON.stringify(audience));
  }
  for (const name of [undefined, null, ""]) {
    assert.throws(() => new Verifier({ issuer: name, audience: AUDIENCE }), TypeError, String(name));
  }
  for (const seconds of [NaN, null, "60", -1]) {
    for (const option of ["failOpenFor", "leeway", "longestLife"]) {
      assert.throws(() => new Verifier({ issuer: issuer.name, audience: AUDIENCE, [option]: seconds }), TypeError, option);
    }
  }
});

test("needs that are none are refused when they are named, before anybody is let in", async () => {
  const token = await issuer.token();
  const wrong = [
    { scopes: "orders:delete" }, { roles: ["admin"] }, { role: undefined }, { scope: undefined }, { maxAge: undefined },
    { scope: "" }, { scope: ["orders:read"] }, { role: null }, { role: 5 }, { maxAge: "300" }, { maxAge: NaN }, { max_age: 300 },
    "orders:read", null,
  ];
  for (const needs of wrong) {
    for (const make of [express, fastify]) {
      assert.throws(() => make(verifier, needs), TypeError, `${make.name}: ${JSON.stringify(needs)}`);
    }
    await assert.rejects(verifier.verify(token, needs), is(TypeError), JSON.stringify(needs));
    await assert.rejects(verifier.authenticate(`Bearer ${token}`, needs), is(TypeError), JSON.stringify(needs));
  }
  for (const make of [express, fastify]) make(verifier, { scope: "orders:read", role: "clerk", maxAge: 0, metadata: "x" });
});

test("a scope, a role and a recent sign-in are asked for", async () => {
  const token = await issuer.token();
  await verifier.verify(token, { scope: "orders:read", role: "clerk", maxAge: 300 });
  await assert.rejects(verifier.verify(token, { scope: "orders:write" }), is(Refused, { status: 403 }));
  await assert.rejects(verifier.verify(token, { role: "admin" }), is(Refused, { status: 403 }));
  await assert.rejects(verifier.verify(token, { maxAge: 50 }), (fault) => {
    assert.match(fault.challenge(), /^Bearer error="insufficient_user_authentication", .*", max_age="50"$/);
    return is(Refused, { status: 401 })(fault);
  });
});

test("each cause of revocation ends a token that was remembered", async () => {
  const id = (n) => `0199c0de-0000-7000-8000-0000000000${n}`;
  const jti = Buffer.alloc(16, 9).toString("base64url");
  const rested = Buffer.alloc(16, 10);
  const cases = [
    [{ sid: id(11), gen: 3 }, { sid: id(11), gen: 3 }, { sid: id(11), gen: 4 }],
    [{ sub: id(12), sub_gen: 1 }, { sub: id(12), sub_gen: 1 }, { sub: id(12), sub_gen: 2 }],
    [{ client_id: id(13), client_gen: 0 }, { client_id: id(13) }, { client_id: id(13), client_gen: 1 }],
    [{ jti }, { jti }, {}],
    [{ sid: id(14), gen: 9 }, { rests_on: [[id(14), 9]] }, { rests_on: [[id(14), 10]] }],
    [
      { jti: rested.toString("base64url") },
      { rests_on: [["0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a", 0]] },
      { rests_on: [] },
    ],
  ];
  for (const [entry, killed, living] of cases) {
    const [dies, lives] = [await issuer.token(killed), await issuer.token(living)];
    await verifier.verify(dies);
    await issuer.revoke(entry);
    await until(() => verifier.verify(dies).then(() => false, is(Refused)));
    await verifier.verify(lives);
  }
});

test("a key that was compromised is distrusted for ever, also in what was remembered", async (t) => {
  const other = await startIssuer(t);
  const [stolen, kid, remembered] = [other.key, other.kid, await other.token()];
  other.further = [other.jwk]; // a cache on the way has it still
  await other.rotate("two");
  const service = ending(t, new Verifier({ issuer: other.name, audience: AUDIENCE, client, ...quiet }));
  await service.verify(remembered);

  await other.revoke({ kid, exp: Math.floor(Date.now() / 1000) - 1 });
  await until(() => service.verify(remembered).then(() => false, is(Refused)));
  service.revocations.revoked.tidy();
  for (let time = 0; time < 2; time += 1) {
    await assert.rejects(service.verify(remembered), is(Refused));
    await assert.rejects(service.verify(await other.token({}, { kid }, stolen)), is(Refused));
  }
  assert.equal(service.numbers.remembered, 0);

  const before = service.numbers.documents;
  const forged = await other.document(`p${other.position}`, [], { position: "p999" }, { kid }, stolen);
  for (const stream of other.streams) other.send(stream, "revocations", forged);
  await until(() => service.numbers.faults > 0);
  await other.revoke({ sid: "another", gen: 1 });
  await until(() => service.numbers.documents > before && service.revocations.revoked.size === 2);
});

test("what is no access token by its form waits for nothing, and a crowd leaves nothing behind", async (t) => {
  const other = await startIssuer(t);
  const token = await other.token();
  other.down = true;
  const late = ending(t, new Verifier({ issuer: other.name, audience: AUDIENCE, client, ...quiet }));
  const begun = performance.now();
  for (const text of ["", "x", "a.b.c", "a".repeat(20_000), `${token}.x`, await other.document(undefined, [])]) {
    await assert.rejects(late.verify(text), is(Refused));
  }
  assert.ok(performance.now() - begun < 2_000);

  const waits = Array.from({ length: 100 }, () => late.revocations.ready(50));
  assert.equal(new Set(waits).size, 1);
  await Promise.all(waits);
  assert.notEqual(late.revocations.ready(50), waits[0]);
});

test("an API key is exchanged once, ends at once, and is refused for a while", async () => {
  issuer.goodKey = apiKey("a");
  const callers = await Promise.all(Array.from({ length: 20 }, () => verifier.verify(issuer.goodKey)));
  assert.ok(callers.every((caller) => caller.scope.has("orders:read")));
  assert.equal(issuer.exchanges, 1);
  const wrong = apiKey("b");
  for (let time = 0; time < 3; time += 1) await assert.rejects(verifier.verify(wrong), is(Refused, { status: 401 }));
  assert.equal(issuer.exchanges, 2);
  await issuer.revoke({ sid: KEY, gen: Number.MAX_SAFE_INTEGER });
  await until(() => verifier.verify(issuer.goodKey).then(() => false, is(Refused)));
  const plain = new Verifier({ issuer: issuer.name, audience: AUDIENCE, ...quiet });
  await assert.rejects(plain.verify(issuer.goodKey), is(Refused));
});

test("a key whose token was revoked is exchanged once more, and is good if it still is", async (t) => {
  const other = await startIssuer(t);
  other.goodKey = apiKey("c");
  const service = ending(t, new Verifier({ issuer: other.name, audience: AUDIENCE, client, ...quiet }));
  assert.equal((await service.verify(other.goodKey)).claims.gen, 0);
  other.generation = 1; // as when a role is given
  await other.revoke({ sid: KEY, gen: 0 });
  await until(() => service.revocations.revoked.size > 0);
  const callers = await Promise.all(Array.from({ length: 20 }, () => service.verify(other.goodKey)));
  assert.ok(callers.every((caller) => caller.claims.gen === 1));
  assert.equal(other.exchanges, 2);

  await other.revoke({ sid: KEY, gen: 1 }); // and now it gives nothing better
  await until(() => service.verify(other.goodKey).then(() => false, is(Refused)));
  for (let time = 0; time < 5; time += 1) await assert.rejects(service.verify(other.goodKey), is(Refused));
  assert.equal(other.exchanges, 3);
});

test("a stream that is cut, and one that is never there, is made up for", async () => {
  const [first, second] = [await issuer.token({ sid: "a" }), await issuer.token({ sid: "b" })];
  issuer.streamless = true;
  issuer.cut();
  await issuer.revoke({ sid: "a", gen: 3 });
  await until(() => verifier.verify(first).then(() => false, is(Refused)));
  assert.equal(verifier.numbers.mode, "polling");
  issuer.streamless = false;
  await until(() => issuer.streams.size > 0);
  await issuer.revoke({ sid: "b", gen: 3 });
  await until(() => verifier.verify(second).then(() => false, is(Refused)));
  assert.equal(verifier.numbers.mode, "streaming");
});

test("old, forged and torn documents take no position and make nothing valid", async () => {
  const token = await issuer.token({ sid: "c" });
  const now = Math.floor(Date.now() / 1000);
  const { privateKey } = await generateKeyPair("EdDSA");
  const old = await issuer.document("p0", [], { iat: now - 20, position: "p0" });
  const forged = await issuer.sign(
    { iss: issuer.name, aud: `${issuer.name}/revocations`, iat: now, exp: now + 30, entries: [], position: "p999" },
    { typ: "revocations+jwt" },
    privateKey,
  );
  await issuer.revoke({ sid: "c", gen: 3 });
  await until(() => verifier.verify(token).then(() => false, is(Refused)));
  const before = verifier.numbers.documents;
  for (const text of [old, forged, old.slice(0, 50), "", "{}"]) {
    await until(() => issuer.streams.size > 0);
    for (const stream of issuer.streams) issuer.send(stream, "revocations", text);
    await assert.rejects(verifier.verify(token), Refused);
  }
  await until(() => verifier.numbers.documents > before && verifier.numbers.mode === "streaming", 20_000);
  await assert.rejects(verifier.verify(token), Refused);
});

test("nobody is let in before it is known what was revoked, nor long after: 503, not 401", async (t) => {
  const other = await startIssuer(t);
  const token = await other.token();
  // Documents tell whole seconds, so a new one is up to a second old.
  const options = { issuer: other.name, audience: AUDIENCE, client, failOpenFor: 2, leeway: 0, ...quiet };
  const strict = ending(t, new Verifier(options));
  await strict.verify(token);
  other.down = true;
  other.cut();
  await until(() => strict.verify(token).then(() => false, is(Unavailable, { status: 503 })));
  other.down = false;
  await until(() => strict.verify(token).then(() => true, () => false));

  other.down = true;
  const late = ending(t, new Verifier(options));
  await assert.rejects(late.verify(token), Unavailable);
});

test("a clock that is set back makes no knowledge young", async (t) => {
  const other = await startIssuer(t);
  const token = await other.token();
  const options = { issuer: other.name, audience: AUDIENCE, client, failOpenFor: 1, leeway: 0, ...quiet };
  const strict = ending(t, new Verifier(options));
  await until(() => strict.verify(token).then(() => true, () => false));
  const now = Date.now;
  t.mock.method(Date, "now", () => now() - 3_600_000);
  other.down = true;
  other.cut();
  await until(() => strict.verify(token).then(() => false, is(Unavailable, { status: 503 })));
});

test("keys are fetched once for a crowd, and again for a new one", async (t) => {
  const other = await startIssuer(t);
  const plain = new Verifier({ issuer: other.name, audience: AUDIENCE, ...quiet });
  const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => other.token({ sid: `s${n}` })));
  await Promise.all(tokens.map((token) => plain.verify(token)));
  assert.equal(other.keyFetches, 1);
  await other.stop();
  await plain.verify(tokens[0]);
});

test("Express and Fastify answer alike, and tell the service why", async (t) => {
  const told = [];
  const verifier = new Verifier({ issuer: issuer.name, audience: AUDIENCE, onRefused: (fault) => told.push(fault.message) });
  const metadata = `${AUDIENCE}/.well-known/oauth-protected-resource`;
  const inExpress = expressApp();
  inExpress.get("/", express(verifier, { scope: "orders:read", metadata }), (request, response) => {
    response.json({ subject: request.caller.subject });
  });
  const server = ending(t, createServer(inExpress), () => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const inFastify = ending(t, fastifyApp({ forceCloseConnections: true }));
  const preHandler = fastify(verifier, { scope: "orders:read", metadata });
  inFastify.get("/", { preHandler }, async (request) => ({ subject: request.caller.subject }));
  const addresses = [`http://127.0.0.1:${server.address().port}/`, await inFastify.listen({ port: 0 })];

  const good = { Authorization: `Bearer ${await issuer.token()}` };
  const poor = { Authorization: `Bearer ${await issuer.token({ scope: "" })}` };
  for (const address of addresses) {
    const admitted = await fetch(address, { headers: good });
    assert.deepEqual(await admitted.json(), { subject: "0199c0de-0000-7000-8000-000000000001" });
    const nobody = await fetch(address);
    assert.equal(nobody.status, 401);
    assert.equal(nobody.headers.get("WWW-Authenticate"), `Bearer resource_metadata="${metadata}"`);
    const lacking = await fetch(address, { headers: poor });
    assert.equal(lacking.status, 403);
    assert.match(lacking.headers.get("WWW-Authenticate"), /error="insufficient_scope", .*, scope="orders:read"/);
    assert.equal(lacking.headers.get("Content-Type"), "application/problem+json");
    assert.deepEqual(await lacking.json(), {
      type: "about:blank",
      title: "The access token does not permit this",
      status: 403,
      code: "insufficient_scope",
      scope: "orders:read",
    });
    for (const [header, code] of [["Basic eDp5", "no_token"], ["Bearer a b", "invalid_token"], ["Bearer", "invalid_token"]]) {
      const strange = await fetch(address, { headers: { Authorization: header } });
      assert.equal((await strange.json()).code, code, header);
    }
    const twice = await new Promise((resolve) => {
      get(address, { headers: ["Authorization", good.Authorization, "authorization", good.Authorization] }, resolve);
    });
    assert.equal(twice.resume().statusCode, 400);
    const reasons = ["There is no token", "The token lacks a scope", "There is no token"];
    assert.deepEqual(told.splice(0).slice(0, 3), reasons);
  }
});

test("answers are those of docs/verifying.md", async () => {
  const page = await readFile(new URL("../../../docs/verifying.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d{3}) \| (.+?) \|/gm)].map(([, ...row]) => row.join());
  const kinds = [...Object.values(KINDS), new Unavailable("")];
  assert.deepEqual(kinds.map(({ code, status, title }) => [code, status, title].join()).sort(), rows.sort());
});
