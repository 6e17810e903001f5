import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Keyfob, SignedOut } from "../src/browser.js";

const ISSUER = "https://id.example.com/auth";
const NAMED = { method: "PATCH", body: JSON.stringify({ name: "meant for Ada" }) };
const real = globalThis.fetch;
// Without Web Locks, which newer Node.js has: tabs that do not wait for each other are the harder case.
Object.defineProperty(globalThis, "navigator", { value: undefined, configurable: true });

/** Signs people in, and knows the one access token of each session that is valid. */
class Service {
  valid = new Map(); // access token by session
  bearers = []; // of what changes something
  before = {}; // by path: is called before an answer
  number = 0;

  tokens(session) {
    this.number += 1;
    this.valid.set(session, `${session}-access-${this.number}`);
    return { access_token: this.valid.get(session), refresh_token: session, session_id: session, expires_in: 300 };
  }

  async fetch(input, init) {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname.slice("/auth".length);
    const body = await request.json().catch(() => null);
    const before = this.before[path];
    delete this.before[path];
    const given = request.headers.get("Authorization")?.slice("Bearer ".length);
    const known = [...this.valid].find(([, token]) => token === given)?.[0];
    let answer = [401, { code: "invalid_token" }];
    if (path === "/login") answer = [200, this.tokens(body.email)];
    if (path === "/refresh" && this.valid.has(body.token)) answer = [200, this.tokens(body.token)];
    if (path === "/logout" && known) answer = [200, this.valid.delete(known)];
    await before?.();
    if (path === "/me") {
      this.bearers.push(given);
      if ([...this.valid.values()].includes(given)) answer = [200, {}];
    }
    return new Response(JSON.stringify(answer[1]), { status: answer[0] });
  }
}

class Storage {
  #items = new Map();
  getItem = (name) => this.#items.get(name) ?? null;
  setItem = (name, text) => this.#items.set(name, text);
  removeItem = (name) => this.#items.delete(name);
  age() {
    for (const [name, text] of this.#items) this.setItem(name, JSON.stringify({ ...JSON.parse(text), ends_at: 0 }));
  }
}

let service;
let storage;
let tab;
let otherTab;

beforeEach(async () => {
  service = new Service();
  globalThis.fetch = (input, init) => service.fetch(input, init);
  storage = new Storage();
  [tab, otherTab] = [new Keyfob({ issuer: ISSUER, storage }), new Keyfob({ issuer: ISSUER, storage })];
  await tab.signIn("ada", "her password");
});

afterEach(() => {
  globalThis.fetch = real;
});

async function bobTakesOver() {
  await otherTab.signOut();
  await otherTab.signIn("bob", "his password");
}

test("a refused request is sent again with a new token of the same session", async () => {
  service.tokens("ada"); // elsewhere: the first one is refused
  assert.equal((await tab.fetch(`${ISSUER}/me`, NAMED)).status, 200);
  assert.deepEqual(service.bearers, ["ada-access-1", "ada-access-3"]);
});

test("a request that was made as one person is never sent as another", async () => {
  service.before["/me"] = bobTakesOver;
  await assert.rejects(tab.fetch(`${ISSUER}/me`, NAMED), SignedOut);
  assert.deepEqual(service.bearers, ["ada-access-1"]);
  assert.equal(tab.sessionId, "bob");
});

test("nor is one whose token is over before it is sent", async () => {
  storage.age();
  const asked = tab.fetch(`${ISSUER}/me`, NAMED);
  service.before["/refresh"] = bobTakesOver;
  await assert.rejects(asked, SignedOut);
  assert.deepEqual(service.bearers, []);
});

test("a renewal that comes late takes the place of nobody who signed in meanwhile", async () => {
  storage.age();
  service.before["/refresh"] = bobTakesOver;
  await assert.rejects(tab.accessToken(), SignedOut);
  assert.equal(await tab.accessToken(), await otherTab.accessToken());
  assert.match(await tab.accessToken(), /^bob/);
});

test("listeners learn whose session it is", async () => {
  const seen = [];
  tab.onChange((signedIn) => seen.push([signedIn, tab.sessionId]));
  await tab.signOut();
  await tab.signIn("bob", "his password");
  assert.deepEqual(seen, [[false, null], [true, "bob"]]);
});
