import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { Refused, Unavailable } from "../src/server/index.js";
import { Exchanges, isApiKey } from "../src/server/exchanges.js";
import { apiKey } from "./issuer.js";

const [ADA, BOB, CAT, DAN] = ["a", "b", "c", "d"].map((letter) => apiKey(letter));
const invented = (number) => apiKey("0", number);

/** Knows the keys of letters, and keeps those of strangers waiting while `holds`. */
class Endpoint {
  asked = [];
  waiting = [];
  holds = false;
  life = 300_000;

  async exchange(key) {
    this.asked.push(key);
    if (key[4] !== "0") return { text: `token of ${key[4]}`, endsAt: Date.now() + this.life };
    if (this.holds) await new Promise((resolve) => this.waiting.push(resolve));
    throw new Refused("no");
  }

  release() {
    this.holds = false;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

test("a mistyped key is no key", () => {
  assert.ok(isApiKey(ADA));
  for (const wrong of [`${ADA.slice(0, -1)}_`, `kfk_${"b".repeat(49)}`, ADA.slice(0, -1), `${ADA}a`, `${ADA}\n`]) {
    assert.ok(!isApiKey(wrong), wrong);
  }
});

test("refusals push no good key out, and of good ones the one longest unused goes", async () => {
  const endpoint = new Endpoint();
  const exchanges = new Exchanges(endpoint, "orders", { most: 3 });
  for (const key of [ADA, BOB, CAT]) await exchanges.find(key);
  for (let number = 0; number < 10; number += 1) await assert.rejects(exchanges.find(invented(number)), Refused);
  await exchanges.find(ADA);
  await exchanges.find(DAN);
  endpoint.asked = [];
  for (const key of [ADA, CAT, DAN]) await exchanges.find(key);
  await assert.rejects(exchanges.find(invented(9)), Refused);
  assert.deepEqual(endpoint.asked, []);
  await exchanges.find(BOB);
  assert.deepEqual(endpoint.asked, [BOB]);
});

test("few strangers are asked for at once, and a key that was good waits for none", async () => {
  const endpoint = new Endpoint();
  const exchanges = new Exchanges(endpoint, "orders");
  endpoint.life = 0;
  await exchanges.find(ADA);
  endpoint.holds = true;
  endpoint.asked = [];
  const crowd = Array.from({ length: 40 }, (_, number) => exchanges.find(invented(number)).catch((why) => why));
  await turn();
  assert.equal(endpoint.asked.length, 4);
  assert.equal(await exchanges.find(ADA), "token of a");
  const newcomer = exchanges.find(BOB);
  endpoint.release();
  await newcomer;
  assert.ok(endpoint.asked.indexOf(BOB) <= 9, "after those who have a place, and not after all");
  assert.ok((await Promise.all(crowd)).every((why) => why instanceof Refused));
});

test("nobody waits for a place for long", async () => {
  const endpoint = new Endpoint();
  const exchanges = new Exchanges(endpoint, "orders", { longestWait: 0 });
  endpoint.holds = true;
  const crowd = Array.from({ length: 40 }, (_, number) => exchanges.find(invented(number)).catch((why) => why));
  await Promise.all(crowd.slice(4));
  endpoint.release();
  const ended = await Promise.all(crowd);
  assert.equal(ended.filter((why) => why instanceof Unavailable).length, 36);
});
