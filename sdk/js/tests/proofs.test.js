// Tokens that are bound to a key come with its proof, for this request, once (DPoP, RFC 9449).
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import expressApp from "express";
import fastifyApp from "fastify";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import { express, fastify, Refused, SeenHere, Verifier } from "../src/server/index.js";
import { AUDIENCE, FakeIssuer } from "./issuer.js";

const URL_ = "https://orders.example.com/orders/1";
let issuer;
let verifier;
let holder;
let token;

before(async () => {
  issuer = await FakeIssuer.start();
  verifier = new Verifier({ issuer: issuer.name, audience: AUDIENCE });
  holder = await makeHolder("ES256");
  token = await issuer.token({ cnf: { jkt: holder.jkt } });
});

after(async () => {
  await verifier.close();
  await issuer.stop();
});

async function makeHolder(alg) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { alg, jwk, privateKey, jkt: await calculateJwkThumbprint(jwk) };
}

const hashOf = (text) => createHash("sha256").update(text).digest("base64url");

function prove({ alg, jwk, privateKey } = holder, claims = {}, header = {}, of = token) {
  const usual = { htm: "GET", htu: URL_, iat: Math.floor(Date.now() / 1000), jti: randomUUID(), ath: hashOf(of) };
  const named = { alg, typ: "dpop+jwt", jwk, ...header };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader(named).sign(privateKey, { crit: { x: true } });
}

const shown = (proof, more = {}) => ({ method: "GET", url: URL_, proof, ...more });
const refused = (promise) => assert.rejects(promise, (fault) => fault instanceof Refused && fault.code === "invalid_token");

test("a bound token is believed with its proof, of each algorithm", async () => {
  for (const alg of ["ES256", "EdDSA", "Ed25519", "PS256"]) {
    const one = await makeHolder(alg);
    const bound = await issuer.token({ cnf: { jkt: one.jkt } });
    for (let time = 0; time < 2; time += 1) {
      const caller = await verifier.verify(bound, {}, shown(await prove(one, {}, {}, bound)));
      assert.equal(caller.claims.cnf.jkt, one.jkt);
    }
  }
});

test("it is never a bearer token, from memory either", async () => {
  await verifier.authenticate(`DPoP ${token}`, {}, shown(await prove()));
  await refused(verifier.verify(token));
  await refused(verifier.authenticate(`Bearer ${token}`));
  await refused(verifier.authenticate(`Bearer ${token}`, {}, shown(await prove())));
  await refused(verifier.authenticate(`DPoP ${token}`, {}, shown(undefined)));
  await assert.rejects(verifier.authenticate(`DPoP ${token}`), { code: "no_token" });
});

test("a proof for anything else is none", async () => {
  const stranger = await makeHolder("ES256");
  const now = Math.floor(Date.now() / 1000);
  const claims = [
    { htm: "POST" }, { htm: undefined }, { htu: "https://evil.example/orders/1" }, { htu: `${URL_}/2` }, { htu: undefined }, { htu: 7 },
    { htu: "https://user@orders.example.com/orders/1" }, { ath: undefined }, { ath: hashOf("other") }, { iat: now - 61 }, { iat: now + 60 },
    { iat: undefined }, { iat: "now" }, { jti: undefined }, { jti: "" }, { jti: 7 }, { jti: "j".repeat(256) }, { exp: 1 },
  ];
  for (const one of claims) await refused(verifier.verify(token, {}, shown(await prove(holder, one))));
  const headers = [{ typ: "JWT" }, { typ: undefined }, { jwk: undefined }, { jwk: stranger.jwk }, { jku: "https://evil.example" }, { crit: ["x"], x: 1 }];
  for (const one of headers) await refused(verifier.verify(token, {}, shown(await prove(holder, {}, one))));
  await refused(verifier.verify(token, {}, shown(await prove(stranger))));
  const own = await exportJWK(holder.privateKey);
  await refused(verifier.verify(token, {}, shown(await prove(holder, {}, { jwk: own }))));
  for (const text of ["", "x", "a.b.c", "é", "A".repeat(5000)]) await refused(verifier.verify(token, {}, shown(text)));
});

test("a proof counts once, and comes alone", async () => {
  const [one, two] = [await prove(), await prove()];
  await refused(verifier.verify(token, {}, shown([one, two])));
  await refused(verifier.verify(token, {}, shown(`${one}, ${two}`)));
  const all = await Promise.allSettled(Array.from({ length: 10 }, () => verifier.verify(token, {}, shown(one))));
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a proof of another application's key does not need a token without one", async () => {
  const plain = await issuer.token();
  assert.ok(await verifier.verify(plain));
});

test("the address may be written in another way", async () => {
  for (const htu of ["HTTPS://Orders.Example.COM:443/orders/1", `${URL_}?a=b#c`]) {
    assert.ok(await verifier.verify(token, {}, shown(await prove(holder, { htu }))));
  }
});

test("whatever is no key or no URL is a refusal, and no fault", async () => {
  const { privateKey } = await generateKeyPair("ES256");
  const point = { kty: "EC", crv: "P-256", x: "AAAA", y: "AAAA" };
  for (const jwk of [point, { kty: "OKP", crv: "Ed25519", x: "AA" }, { kty: "OKP", crv: "Ed25519", x: 1 }, [], 1]) {
    const proof = await new SignJWT({}).setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk }).sign(privateKey);
    await assert.rejects(verifier.verify(token, {}, shown(proof)), Refused);
  }
  await assert.rejects(verifier.verify(token, {}, { ...shown(await prove(holder)), url: "https://a:8443http://h/x" }), Refused);
});

test("the memory of proofs is bounded", () => {
  const seen = new SeenHere(2);
  const later = Date.now() / 1000 + 60;
  assert.equal(seen.isNew("a", later), true);
  assert.equal(seen.isNew("a", later), false);
  assert.equal(seen.isNew("b", 1), true);
  assert.equal(seen.isNew("b", later), true);
  assert.equal(seen.isNew("c", later), false, "what counts is not forgotten for it");
  assert.equal(seen.isNew("a", later), false);
  const brief = new SeenHere(1);
  assert.equal(brief.isNew("d", 1), true);
  assert.equal(brief.isNew("e", later), true, "what counts no more is forgotten for it");
});

test("proofs of one key leave places for those of others", () => {
  const seen = new SeenHere(100);
  const later = Date.now() / 1000 + 60;
  const counted = Array.from({ length: 200 }, (_, number) => seen.isNew(`greedy ${number}`, later));
  assert.equal(counted.filter(Boolean).length, 50);
  for (let other = 0; other < 10; other += 1) assert.ok(seen.isNew(`key-${other} 1`, later));
  assert.equal(seen.isNew("greedy 0", later), false, "what counts is not forgotten for them");
  const brief = new SeenHere(4);
  for (const id of [1, 2]) assert.ok(brief.isNew(`greedy ${id}`, 1));
  for (const id of [3, 4]) assert.ok(brief.isNew(`greedy ${id}`, later), "the share is of those that count");
});

test("the middleware takes it where the origin is told", async (t) => {
  const origin = "https://orders.example.com";
  const app = expressApp();
  app.get("/orders/:id", express(verifier, { origin }), (request, response) => response.send(request.caller.subject));
  app.get("/plain/:id", express(verifier), (request, response) => response.send("let in"));
  const server = createServer(app);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const other = fastifyApp();
  other.get("/orders/:id", { preHandler: fastify(verifier, { origin }) }, async (request) => request.caller.subject);
  const address = await other.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => other.close());

  const base = `http://127.0.0.1:${server.address().port}`;
  for (const at of [base, address]) {
    const headers = { Authorization: `DPoP ${token}`, DPoP: await prove(), Host: "evil.example" };
    assert.equal((await fetch(`${at}/orders/1?page=2`, { headers })).status, 200);
    assert.equal((await fetch(`${at}/orders/1`, { headers })).status, 401); // once
    assert.equal((await fetch(`${at}/orders/1`, { headers: { Authorization: `Bearer ${token}` } })).status, 401);
  }
  assert.equal((await fetch(`${base}/plain/1`, { headers: { Authorization: `DPoP ${token}`, DPoP: await prove() } })).status, 401);
});
